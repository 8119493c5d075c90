"""A network as a model file for a device, held against the network on real images before it is called done."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mnasnet.arch.records import Artifact, Format, Precision
from mnasnet.base.errors import RequestError, RunError
from mnasnet.base.files import replace_file
from mnasnet.devices.model_file import Agreement, ModelFile, agreement, open_model_file
from mnasnet.export.metadata import Metadata, attach_metadata
from mnasnet.export.quantize import in_precision
from mnasnet.export.tflite import write_tflite
from mnasnet.nn.model import Model
from mnasnet.nn.network import Network, fold

SUFFIXES: dict[Format, str] = {"tflite": ".tflite", "onnx": ".onnx", "executorch": ".pte"}
"""How the names of the files end, by which they are known again."""

LARGEST_DIFFERENCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-2}
"""Of any logit over the largest, above which a file is wrong. Over the layers of EfficientNet-lite0 rounding to 24
bits adds up to 1e-6, to 11 bits to 4e-3. int8 has no limit: its loss is stated, and the user's to judge."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A model file and how it was found to be."""

    artifact: Artifact
    precision: Precision
    classes: int
    """Labels inside."""
    takes: str
    """Its input, in words."""
    agreement: Agreement
    """With the network in torch, on the images that it was checked with."""
    operators: dict[str, int]
    """How often each stands in the file."""
    runtime: str
    """What it was checked on, and what computes it."""
    not_delegated: tuple[str, ...]
    """Operators that are left to slower kernels; empty when `runtime` computes everything."""


def export(
    model: Model,
    path: Path,
    *,
    format: Format = "tflite",
    precision: Precision = "fp32",
    dynamic_batch: bool = False,
    calibration: NDArray[np.float32],
    images: NDArray[np.float32],
) -> Exported:
    """Write `model` to `path`, with its labels and normalisation inside; an older file there is replaced.

    Args:
        model: what to write.
        path: where to; its folder must exist, and its name end as the format's do.
        format: `onnx` and `executorch` come with extras of these names, and as fp32.
        precision: `fp32`, `fp16` or `int8`.
        dynamic_batch: for ONNX, whether the file takes any number of images.
        calibration: for int8, images like those that it will see, `[n, size, size, channels]`, normalised.
        images: what file and network are compared on, in the same form.

    Raises:
        RequestError: the format has no such precision or batch, or the name another ending.
        MissingLibraryError: the format's extra is not installed.
        RunError: the file's logits are not the network's; nothing is left at `path` that was not there.
        OSError: the file cannot be written.
    """
    _check_asked(path, format=format, precision=precision, dynamic_batch=dynamic_batch)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / path.name
        metadata = Metadata(
            name=model.name,
            description=f"Classifies images, {precision}" + ("" if model.trained else ", untrained"),
            learned=model.learned,
            architecture=model.network.architecture,
            precision=precision,
        )
        if format == "onnx":
            from mnasnet.export.onnx import write_onnx

            artifact = write_onnx(model.network, metadata, written, dynamic_batch=dynamic_batch)
        elif format == "executorch":
            from mnasnet.export.executorch import write_executorch

            artifact, operators = write_executorch(model.network, metadata, written)
        else:
            artifact = write_tflite(model.network.architecture, fold(model.network), written)
            artifact = in_precision(artifact, precision, [image[None] for image in calibration], written)
            # Behind the quantizer, which would not keep it.
            artifact = attach_metadata(artifact, metadata, written)
        file = open_model_file(written)
        if format != "executorch":
            operators = file.operators
        exported = Exported(
            artifact=replace(artifact, path=path),
            precision=precision,
            classes=len(file.metadata.learned.classes),
            takes=file.takes,
            agreement=check(model.network, file, precision, images),
            operators=operators,
            runtime=file.runtime,
            not_delegated=file.not_delegated,
        )
        replace_file(path, written.read_bytes())
    return exported


def _check_asked(path: Path, *, format: Format, precision: Precision, dynamic_batch: bool) -> None:
    if path.suffix != SUFFIXES[format]:
        raise RequestError(
            f"the name of a file of the format {format} ends in {SUFFIXES[format]}", field="path", value=path
        )
    if format != "tflite" and precision != "fp32":
        raise RequestError(
            f"{format} is written as fp32; {precision} there is of tflite", field="precision", value=precision
        )
    if dynamic_batch and format != "onnx":
        raise RequestError(
            f"{format} takes one image at a time; a dynamic batch there is of onnx: leave `dynamic_batch` out"
        )


def check(network: Network, file: ModelFile, precision: Precision, images: NDArray[np.float32]) -> Agreement:
    """How the file agrees with the network, on the CPU, on normalised images `[n, size, size, channels]`.

    Raises:
        RunError: by less than rounding to `precision` explains.
    """
    found = agreement(file, images, torch_logits(network, images))
    limit = LARGEST_DIFFERENCES.get(precision)
    if limit is not None and not found.largest_difference <= limit:
        raise RunError(
            f"the {precision} file differs from the network by {found.largest_difference:.1e} of the largest "
            f"logit; at most {limit} is rounding, so it was not kept"
        )
    return found


@torch.no_grad()
def torch_logits(network: Network, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """`[n, classes]` of normalised images `[n, size, size, channels]`."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    logits: NDArray[np.float32] = torch.cat([network(image[None]) for image in pixels]).numpy()
    return logits


def card_lines(exported: Exported) -> list[str]:
    """What the user reads of the file, one line each."""
    found, artifact = exported.agreement, exported.artifact
    counted = ", ".join(f"{name} × {count}" for name, count in exported.operators.items())
    delegated = (
        f"all of them run on {exported.runtime}"
        if not exported.not_delegated
        else f"{exported.runtime} leaves out {', '.join(exported.not_delegated)}"
    )
    return [
        f"file: {artifact.path}, {artifact.format}, {exported.precision}, {artifact.size_bytes:,} bytes, "
        f"{exported.classes} labels inside",
        f"input: {exported.takes}, of values (pixel / 255 - mean) / std as the file says",
        f"against torch on {found.images} images: largest difference {found.largest_difference:.1e} of the largest "
        f"logit, the same class on top for {found.same_top1:.0%}",
        f"operators: {counted}; {delegated}",
    ]
