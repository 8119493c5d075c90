"""Precision: a float `.tflite` file made smaller and faster, as float16 weights or as int8 throughout; no torch."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import qtyping, recipe
from ai_edge_quantizer.quantizer import Quantizer
from numpy.typing import NDArray

from mnasnet.arch.records import Artifact, Precision
from mnasnet.base.files import replace_file
from mnasnet.base.libraries import quiet
from mnasnet.export.countable import make_countable
from mnasnet.export.delegable import make_delegable
from mnasnet.export.tflite import SIGNATURE, pack_model
from mnasnet.graph.graph import IMAGE


def in_precision(
    artifact: Artifact, precision: Precision, images: Iterable[NDArray[np.float32]], path: Path
) -> Artifact:
    """The network of a float32 file in `precision`, at `path` unless it is that already.

    `images` are what int8 is calibrated on, as of `to_int8`, whose errors these are too.
    """
    if precision == "int8":
        return to_int8(artifact, images, path)
    return to_float16(artifact, path) if precision == "fp16" else artifact


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
    with _quantizing():
        quantizer = Quantizer(artifact.path, manager.get_quantization_recipe())
        result = quantizer.quantize(enable_progress_report=False)
    return _written(artifact, result.quantized_model, path, "fp16")


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
    calibration = [{IMAGE: image} for image in images]
    if not calibration:
        raise ValueError("int8 needs images to calibrate on, and there are none")
    with _quantizing():
        model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes())
        make_delegable(model)
        ranges = Quantizer(bytes(pack_model(model)), recipe.static_wi8_ai8()).calibrate(
            {SIGNATURE: calibration}, num_threads=1
        )
        make_countable(model, ranges)
        quantizer = Quantizer(bytes(pack_model(model)), recipe.static_wi8_ai8())
        result = quantizer.quantize(ranges, enable_progress_report=False)
    return _written(artifact, result.quantized_model, path, "int8")


def _written(
    artifact: Artifact, content: bytes | bytearray | None, path: Path, precision: Precision
) -> Artifact:
    assert content is not None
    replace_file(path, content)
    return replace(artifact, path=path, size_bytes=len(content), precision=precision)


@contextlib.contextmanager
def _quantizing() -> Iterator[None]:
    """Without the quantizer's bars and remarks; a number that does not fit its integer is an error."""
    with quiet(), np.errstate(invalid="raise"):
        yield
