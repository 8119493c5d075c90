"""Tests of quantize.py: smaller files of the same network, all of them on XNNPACK."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import Block, SkipOp, parse_block
from mnasnet.arch.records import Artifact
from mnasnet.export.conftest import runs_wholly_on_xnnpack
from mnasnet.export.quantize import to_float16, to_int8
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import Affine, draw_weights

EVERY_OPERATOR = Architecture(
    blocks=tuple(
        parse_block(notation)
        for notation in ("mb_k3_s2_e3_c16_n1_se0.25_pool", "sep_k5_s1_c16_n2", "conv_k3_s1_c8_n1_pool")
    ),
    image_size=32,
    classes=100,
    stem=8,
    head=512,
    padding="symmetric",
)


@pytest.fixture
def network(tmp_path: Path) -> Artifact:
    """A float32 file with every operator that the writer knows."""
    weights = draw_weights(EVERY_OPERATOR.lowered(), np.random.default_rng(0))
    return write_tflite(EVERY_OPERATOR, weights, tmp_path / "network.tflite")


def images(count: int) -> list[Any]:
    """Noise, normalised."""
    shape = (count, 1, EVERY_OPERATOR.image_size, EVERY_OPERATOR.image_size, EVERY_OPERATOR.in_channels)
    return list(np.random.default_rng(1).standard_normal(shape, dtype=np.float32))


def test_float16_is_half_as_large_and_rounds_to_eleven_bits(network: Artifact, tmp_path: Path) -> None:
    half = to_float16(network, tmp_path / "half.tflite")
    assert half.size_bytes == half.path.stat().st_size
    assert half.size_bytes / network.size_bytes == pytest.approx(0.5, abs=0.05)
    assert (half.digest, half.format) == (network.digest, "tflite")
    expected, found = logits(network.path), logits(half.path)
    # Each weight is off by at most one part in 2,048.
    assert 0 < np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_int8_is_int8_from_end_to_end_and_nearly_the_same_network(network: Artifact, tmp_path: Path) -> None:
    small = to_int8(network, images(16), tmp_path / "small.tflite")
    interpreter = Interpreter(str(small.path))
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (entry["dtype"], exit_["dtype"]) == (np.int8, np.int8)
    assert entry["quantization"][0] > 0
    assert small.size_bytes / network.size_bytes < 0.4  # a quarter, and a scale for each channel
    expected, found = logits(network.path), logits(small.path)
    assert np.abs(found - expected).max() < 0.15 * np.abs(expected).max()


def test_float16_runs_on_xnnpack_whole(network: Artifact, tmp_path: Path) -> None:
    interpreter = Interpreter(str(to_float16(network, tmp_path / "half.tflite").path))
    interpreter.allocate_tensors()
    assert runs_wholly_on_xnnpack(interpreter)


@pytest.mark.parametrize(("skip", "whole"), [("identity", True), ("pool", False)])
def test_int8_runs_on_xnnpack_whole_but_for_a_pooling_skip(tmp_path: Path, skip: SkipOp, whole: bool) -> None:
    # XNNPACK has no average pool of integers, so the runtime's own kernel computes it.
    block = Block(op="mb", kernel=3, stride=1, expansion=3, filters=8, layers=2, se_ratio=0.25, skip=skip)
    architecture = replace(EVERY_OPERATOR, blocks=(block,))
    weights = draw_weights(architecture.lowered(), np.random.default_rng(0))
    network = write_tflite(architecture, weights, tmp_path / "network.tflite")
    interpreter = Interpreter(str(to_int8(network, images(4), tmp_path / "small.tflite").path))
    interpreter.allocate_tensors()
    assert runs_wholly_on_xnnpack(interpreter) is whole


def test_a_channel_dead_but_for_its_bias_keeps_its_bias(tmp_path: Path) -> None:
    weights = dict(draw_weights(EVERY_OPERATOR.lowered(), np.random.default_rng(0)))
    dead, bias = weights["stem"].weight.copy(), weights["stem"].bias.copy()
    dead[0], bias[0] = 1e-13, 2.0
    weights["stem"] = Affine(weight=dead, bias=bias)
    network = write_tflite(EVERY_OPERATOR, weights, tmp_path / "network.tflite")
    small = to_int8(network, images(16), tmp_path / "small.tflite")
    expected = logits(network.path)
    assert np.abs(logits(small.path) - expected).max() < 0.15 * np.abs(expected).max()


SKIPPED = replace(
    EVERY_OPERATOR,
    blocks=(
        parse_block("mb_k3_s2_e3_c16_n2_se0.25"),
        Block(op="conv", kernel=3, stride=1, filters=16, layers=1, skip="none"),
    ),
)
"""With squeeze-and-excitation and a skip, all of which XNNPACK has for integers."""


@pytest.mark.parametrize(
    ("name", "factor", "bias"),
    [
        ("blocks.0.0.se.squeeze", 1.0, -5.0),  # never active
        ("blocks.0.0.se.excite", 1.0, -30.0),  # gates that are shut: e⁻³⁰
        ("blocks.0.1.after.0", 1e-7, 0.0),  # a branch that adds nothing to its skip
        ("blocks.0.0.after.0", 1e-7, 0.0),  # a skip that adds nothing to its branch
        ("blocks.1.0.before.0", 1e-30, 0.0),
        ("head", 1.0, -5.0),
    ],
)
def test_a_layer_that_is_dead_or_nearly_leaves_a_file_that_runs_on_xnnpack_whole(
    tmp_path: Path, name: str, factor: float, bias: float
) -> None:
    weights = dict(draw_weights(SKIPPED.lowered(), np.random.default_rng(0)))
    layer = weights[name]
    weights[name] = Affine(
        weight=layer.weight * np.float32(factor), bias=np.full_like(layer.bias, np.float32(bias))
    )
    network = write_tflite(SKIPPED, weights, tmp_path / "network.tflite")
    small = to_int8(network, images(16), tmp_path / "small.tflite")
    interpreter = Interpreter(str(small.path))
    interpreter.allocate_tensors()
    assert runs_wholly_on_xnnpack(interpreter)
    expected = logits(network.path)
    assert np.abs(logits(small.path) - expected).max() < 0.15 * np.abs(expected).max()


def test_the_same_images_give_the_same_bytes(network: Artifact, tmp_path: Path) -> None:
    first, second = (to_int8(network, images(4), tmp_path / name) for name in ("first", "second"))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_nothing_is_printed(network: Artifact, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Interpreter(str(network.path)).allocate_tensors()  # LiteRT says once that there is XNNPACK
    capfd.readouterr()
    to_int8(network, images(4), tmp_path / "small.tflite")
    to_float16(network, tmp_path / "half.tflite")
    out, err = capfd.readouterr()
    assert (out, [line for line in err.splitlines() if not line.startswith("INFO")]) == ("", [])


def test_int8_without_images_is_refused(network: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="images to calibrate on"):
        to_int8(network, [], tmp_path / "small.tflite")
    assert not (tmp_path / "small.tflite").exists()


def logits(path: Path) -> Any:
    """Of four other images, in float32."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in images(20)[16:]:
        fed, result = image, None
        if entry["dtype"] == np.int8:
            scale, zero = entry["quantization"]
            fed = np.clip(np.round(image / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(entry["index"], fed)
        interpreter.invoke()
        result = interpreter.get_tensor(exit_["index"])[0].astype(np.float32)
        if exit_["dtype"] == np.int8:
            scale, zero = exit_["quantization"]
            result = (result - zero) * scale
        found.append(result)
    return np.array(found)


HARD = replace(
    SKIPPED,
    blocks=(parse_block("mb_k3_s2_e3_c16_n2_xse0.25"), parse_block("mb_k5_s1_e3_c16_n1_relu")),
    activation="hard-swish",
    gate="hard-sigmoid",
    hidden=64,
)
"""What MobileNetV3 is made of."""


def test_hard_swish_and_hard_gates_run_on_xnnpack_as_integers_too(tmp_path: Path) -> None:
    weights = draw_weights(HARD.lowered(), np.random.default_rng(0))
    network = write_tflite(HARD, weights, tmp_path / "network.tflite")
    small = to_int8(network, images(16), tmp_path / "small.tflite")
    for path in (network.path, small.path):
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        assert runs_wholly_on_xnnpack(interpreter)
    expected = logits(network.path)
    assert np.abs(logits(small.path) - expected).max() < 0.15 * np.abs(expected).max()
