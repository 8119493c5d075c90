"""A network with random weights as a model file: what it costs does not depend on what it has learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Format, Precision
from mnasnet.devices.device import UnsuitableError
from mnasnet.export.quantize import in_precision
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights

NOISE_IMAGES = 4
"""That int8 files are calibrated on: untrained activations need a range that is theirs, and no more."""


def write_untrained_file(
    architecture: Architecture, path: Path, *, format: Format, precision: Precision
) -> Artifact:
    """Write the network to `path`; an older file there is replaced.

    Raises:
        UnsuitableError: the format has no such precision.
        OSError: the file cannot be written.
    """
    if format == "onnx":
        # Torch's exporter: seconds a network, and torch itself.
        from mnasnet.export.onnx import write_untrained_onnx

        if precision != "fp32":
            raise UnsuitableError(f"onnx is written as fp32; {precision} there is of tflite")
        return write_untrained_onnx(architecture, path)
    generator = np.random.default_rng(0)
    artifact = write_tflite(architecture, draw_weights(architecture.lowered(), generator), path)
    shape = (architecture.image_size, architecture.image_size, architecture.in_channels)
    images = generator.standard_normal((NOISE_IMAGES, 1, *shape), dtype=np.float32)
    return replace(in_precision(artifact, precision, images, path), architecture=architecture)
