"""Precision: a float `.tflite` file made smaller and faster, as float16 weights or as int8 throughout; no torch."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from ai_edge_quantizer import qtyping, recipe
from ai_edge_quantizer.quantizer import Quantizer
from numpy.typing import NDArray

from mnasnet.arch.files import replace_file
from mnasnet.arch.records import Artifact
from mnasnet.arch.weights import Affine, Weights
from mnasnet.export.tflite import INPUT, SIGNATURE

Precision = Literal["fp32", "fp16", "int8"]

FAINTEST = 2.0**-12
"""Largest weight of a channel, over its bias, below which int8 may not hold the two together.

The bias is counted in steps of the input's scale times the weights', and 32 bits hold 2e9 of them. At this ratio it
takes 127 · 4,096 over the input's scale, so all inputs with a scale above 0.00025, a range of 0.06, fit.
"""


def quantizable(weights: Weights) -> Weights:
    """`weights` with each channel that hardly looks at its input given one weight that int8 can count its bias in.

    Trained networks have such channels, dead but for their bias (EfficientNet-lite0 does). Quantized as they are,
    their bias would overflow and become some other number. What the weight adds, at most 0.15 % of the bias behind
    a ReLU6, is less than a step of int8.
    """
    return Weights(affines=tuple(map(_with_counted_bias, weights.affines)))


def _with_counted_bias(affine: Affine) -> Affine:
    flat = affine.weight.reshape(len(affine.weight), -1)
    largest = np.abs(flat).argmax(1)
    rows = np.arange(len(flat))
    floor = np.float32(FAINTEST) * np.abs(affine.bias)
    faint = np.abs(flat[rows, largest]) < floor
    if not faint.any():
        return affine
    weight = flat.copy()
    weight[rows[faint], largest[faint]] = floor[faint]
    return Affine(weight=weight.reshape(affine.weight.shape), bias=affine.bias)


def to_float16(artifact: Artifact, path: Path) -> Artifact:
    """The network with its weights in float16, half as large; input and output stay float32.

    It computes in float32 where the device is no faster in float16.

    Raises:
        OSError: the file cannot be written.
    """
    manager = recipe.recipe_manager.RecipeManager()
    manager.add_weight_only_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key=recipe.AlgorithmName.FLOAT_CASTING,
    )
    with _quiet():
        quantizer = Quantizer(artifact.path, manager.get_quantization_recipe())
        result = quantizer.quantize(enable_progress_report=False)
    return _written(artifact, result.quantized_model, path)


def to_int8(artifact: Artifact, images: Iterable[NDArray[np.float32]], path: Path) -> Artifact:
    """The network with int8 weights, activations, input and output, about a quarter as large.

    Weights have a scale for each output channel, activations one for each tensor, from the smallest and largest
    value that it takes on `images`. XNNPACK has no average pool of integers: a pooling skip runs beside it.
    What quantizes the input stands in the file: its tensor's scale and zero point.

    Args:
        artifact: a float32 file.
        images: `[1, size, size, in_channels]` each, normalised as the network wants them: some 100 of those that
            it will see.
        path: where to; an older file there is replaced.

    Raises:
        ValueError: there are no images.
        OSError: the file cannot be written.
    """
    calibration = [{INPUT: image} for image in images]
    if not calibration:
        raise ValueError("int8 needs images to calibrate on, and there are none")
    with _quiet():
        quantizer = Quantizer(artifact.path, recipe.static_wi8_ai8())
        ranges = quantizer.calibrate({SIGNATURE: calibration}, num_threads=1)
        result = quantizer.quantize(ranges, enable_progress_report=False)
    return _written(artifact, result.quantized_model, path)


def _written(artifact: Artifact, content: bytes | bytearray | None, path: Path) -> Artifact:
    assert content is not None
    replace_file(path, content)
    return Artifact(path=path, format=artifact.format, digest=artifact.digest, size_bytes=len(content))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's progress bars, and its warning that the calibration needs memory."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning: Enabling `experimental_preserve_all_tensors`")
        yield
