"""A network as a model file for a device, held against the network on real images before it is called done."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mnasnet.arch.records import Artifact
from mnasnet.devices.model_file import Agreement, ModelFile, agreement
from mnasnet.export.metadata import attach_metadata
from mnasnet.export.quantize import Precision, to_float16, to_int8
from mnasnet.export.tflite import write_tflite
from mnasnet.nn.model import Model
from mnasnet.nn.network import Network, fold

LARGEST_DIFFERENCES: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-2}
"""Of any logit over the largest, above which a file is wrong. Over the layers of EfficientNet-lite0 rounding to 24
bits adds up to 1e-6, to 11 bits to 4e-3. int8 has no limit: its loss is stated, and the user's to judge."""


class ExportError(RuntimeError):
    """The file does not compute what the network computes."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A model file and how it was found to be."""

    artifact: Artifact
    precision: Precision
    agreement: Agreement
    """With the network in torch, on the images that it was checked with."""
    operators: dict[str, int]
    """How often each stands in the file."""
    not_delegated: tuple[str, ...]
    """Operators that XNNPACK leaves to slower kernels; empty when it computes everything."""


def export_tflite(
    model: Model,
    path: Path,
    *,
    precision: Precision,
    calibration: NDArray[np.float32],
    images: NDArray[np.float32],
) -> Exported:
    """Write `model` to `path`, with its labels and normalisation inside; an older file there is replaced.

    Args:
        model: what to write.
        path: where to; its folder must exist.
        precision: `fp32`, `fp16` or `int8`.
        calibration: for int8, images like those that it will see, `[n, size, size, channels]`, normalised.
        images: what file and network are compared on, in the same form.

    Raises:
        ExportError: the file's logits are not the network's; nothing is left at `path` that was not there.
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        artifact = write_tflite(
            model.network.architecture, fold(model.network), Path(folder) / "float.tflite"
        )
        if precision == "fp16":
            artifact = to_float16(artifact, Path(folder) / "float16.tflite")
        elif precision == "int8":
            artifact = to_int8(artifact, [image[None] for image in calibration], Path(folder) / "int8.tflite")
        checked = check(model.network, artifact, precision, images)
        # Behind the quantizer, which would not keep it.
        described = attach_metadata(
            artifact,
            name=model.name,
            description=f"Classifies images, {precision}" + ("" if model.trained else ", untrained"),
            classes=model.learned.classes,
            mean=model.learned.mean,
            std=model.learned.std,
            path=path,
        )
    file = ModelFile(path)
    return Exported(
        artifact=described,
        precision=precision,
        agreement=checked,
        operators=file.operators,
        not_delegated=file.not_delegated,
    )


def check(
    network: Network, artifact: Artifact, precision: Precision, images: NDArray[np.float32]
) -> Agreement:
    """How the file agrees with the network, on the CPU, on normalised images `[n, size, size, channels]`.

    Raises:
        ExportError: by less than rounding to `precision` explains.
    """
    found = agreement(ModelFile(artifact.path), images, torch_logits(network, images))
    limit = LARGEST_DIFFERENCES.get(precision)
    if limit is not None and not found.largest_difference <= limit:
        raise ExportError(
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


def card_lines(exported: Exported, classes: Sequence[str]) -> list[str]:
    """What the user reads of the file, one line each."""
    found, artifact = exported.agreement, exported.artifact
    counted = ", ".join(f"{name} × {count}" for name, count in exported.operators.items())
    delegated = (
        "all of them run on XNNPACK"
        if not exported.not_delegated
        else f"XNNPACK leaves out {', '.join(exported.not_delegated)}"
    )
    return [
        f"file: {artifact.path}, {exported.precision}, {artifact.size_bytes:,} bytes, {len(classes)} labels inside",
        f"against torch on {found.images} images: largest difference {found.largest_difference:.1e} of the largest "
        f"logit, the same class on top for {found.same_top1:.0%}",
        f"operators: {counted}; {delegated}",
    ]
