"""A model file run on this machine: the logits that it gives for images, and what it is made of.

One protocol for all formats; what a file of a format needs is imported when one is opened.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mnasnet.base.errors import RequestError
from mnasnet.export.metadata import Metadata

FILES = {
    ".tflite": ("mnasnet.devices.tflite_file", "TfliteFile"),
    ".onnx": ("mnasnet.devices.onnx_file", "OnnxFile"),
    ".pte": ("mnasnet.devices.executorch_file", "ExecutorchFile"),
}
"""Where the class of a format is, by how its files' names end."""


class ModelFileError(RequestError):
    """The file is no network that can be run here; the message is one line that names it."""


class ModelFile(Protocol):
    """A loaded network with one input, an image, and one output, its logits.

    Whatever layout and numbers the file has inside, images come in as normalised float32 with their channels last.
    """

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""

    @property
    def classes(self) -> int:
        """How many logits an image gets."""

    @property
    def takes(self) -> str:
        """Type and shape of its input, and how values become integers where it takes those, in words."""

    @property
    def metadata(self) -> Metadata:
        """Its labels and normalisation.

        Raises:
            MetadataError: it has none inside.
        """

    @property
    def operators(self) -> dict[str, int]:
        """How often each operator stands in the file, by name."""

    @property
    def runtime(self) -> str:
        """What computes it when all is as it should be, such as `XNNPACK`."""

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """Operators that are left to slower kernels; empty when `runtime` computes everything."""

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, classes]` of normalised images `[n, size, size, channels]`, one by one."""


def open_model_file(path: Path) -> ModelFile:
    """The file at `path`, of the format that its name ends in.

    Raises:
        ModelFileError: it is not there, of no format that is known, or no such network.
        MissingLibraryError: the format needs an extra that is not installed.
    """
    if path.suffix not in FILES:
        raise ModelFileError(f"{path}: give a file whose name ends in {', '.join(FILES)}")
    if not path.is_file():
        raise ModelFileError(f"{path}: no such file")
    module, name = FILES[path.suffix]
    return cast(ModelFile, getattr(importlib.import_module(module), name)(path))


def check_shapes(path: Path, shapes: Sequence[Sequence[int | None]]) -> None:
    """Nothing, where the shapes of all inputs and outputs are those of a network that classifies one image.

    A side is None where the file leaves it open, which only the number of images may be.

    Raises:
        ModelFileError: they are not.
    """
    fits = [len(shape) for shape in shapes] == [4, 2] and all(
        batch in (1, None) and None not in sides for batch, *sides in shapes
    )
    if not fits:
        found = ", ".join(str(list(shape)) for shape in shapes)
        raise ModelFileError(
            f"{path} does not classify images: inputs and outputs are of {found}, "
            "and one image at a time with one [1, classes] of logits is wanted"
        )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a file's logits are from those that they should be."""

    images: int
    largest_difference: float
    """Of any logit, over the largest logit."""
    same_top1: float
    """Fraction of the images with the same class on top."""


def agreement(file: ModelFile, images: NDArray[np.float32], expected: NDArray[np.float32]) -> Agreement:
    """How the file's logits of `images`, `[n, size, size, channels]`, agree with the expected `[n, classes]`."""
    found = file.logits(images)
    return Agreement(
        images=len(images),
        largest_difference=float(np.abs(found - expected).max() / np.abs(expected).max()),
        same_top1=float((found.argmax(1) == expected.argmax(1)).mean()),
    )
