"""Tests of model_file.py: files of every precision give their logits, and what is no network is named."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.records import Artifact
from mnasnet.devices.model_file import ModelFileError, agreement, open_model_file
from mnasnet.export.quantize import to_int8
from mnasnet.export.tflite import pack_model, write_tflite
from mnasnet.graph.weights import draw_weights

ARCHITECTURE = Architecture(
    blocks=(parse_block("mb_k3_s2_e3_c16_n2_se0.25"), parse_block("conv_k3_s1_c16_n1_pool")),
    image_size=24,
    in_channels=1,
    classes=7,
    stem=8,
    head=32,
)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """A float32 file of random weights."""
    return write_tflite(
        ARCHITECTURE, draw_weights(ARCHITECTURE.lowered(), np.random.default_rng(0)), tmp_path / "f.tflite"
    )


@pytest.fixture
def images() -> NDArray[np.float32]:
    """Eight of noise, `[n, size, size, channels]`."""
    return np.random.default_rng(1).standard_normal((8, 24, 24, 1), dtype=np.float32)


def test_a_file_says_what_it_takes_and_what_it_is_made_of(artifact: Artifact) -> None:
    file = open_model_file(artifact.path)
    assert (file.image_shape, file.classes) == ((24, 24, 1), 7)
    assert file.takes == "float32 [1, 24, 24, 1]"
    # Two MBConv layers of three convolutions and two of SE each, one regular one, stem and head.
    assert file.operators["CONV_2D"] + file.operators["DEPTHWISE_CONV_2D"] == 2 * 5 + 1 + 2
    assert "DELEGATE" not in file.operators
    assert file.not_delegated == ()


def test_images_are_run_one_by_one(artifact: Artifact, images: NDArray[np.float32]) -> None:
    file = open_model_file(artifact.path)
    together = file.logits(images)
    assert together.shape == (8, 7)
    np.testing.assert_array_equal(together[3:4], file.logits(images[3:4]))


def test_an_int8_file_takes_and_gives_floats_too(
    artifact: Artifact, images: NDArray[np.float32], tmp_path: Path
) -> None:
    small = open_model_file(to_int8(artifact, [image[None] for image in images], tmp_path / "s.tflite").path)
    found = agreement(small, images, open_model_file(artifact.path).logits(images))
    assert small.takes.startswith("int8 [1, 24, 24, 1], round(value / 0.0")
    assert found.images == 8
    assert 0 < found.largest_difference < 0.3  # a wrong scale or zero point is off by more than the logit
    assert found.same_top1 >= 0.5
    assert small.not_delegated == ("AVERAGE_POOL_2D",)


def test_agreement_is_counted_over_the_largest_logit(artifact: Artifact, images: NDArray[np.float32]) -> None:
    file = open_model_file(artifact.path)
    expected = file.logits(images)
    other = expected.copy()
    largest = np.abs(expected).max()
    other[0, expected[0].argmin()] = -2 * largest  # 2 x the largest is the new largest
    found = agreement(file, images, other)
    assert found.largest_difference == pytest.approx((2 * largest + expected[0].min()) / (2 * largest))
    assert found.same_top1 == 1.0
    other[0, expected[0].argmin()] = 3 * largest
    assert agreement(file, images, other).same_top1 == 7 / 8


def test_what_is_no_network_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("hello")
    (tmp_path / "other.txt").write_text("hello")
    for name, said in (
        ("none.tflite", "no such file"),
        ("text.tflite", "cannot be run"),
        ("other.txt", r"ends in \.tflite, \.onnx, \.pte"),
    ):
        with pytest.raises(ModelFileError, match=said) as refused:
            open_model_file(tmp_path / name)
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_file_that_wants_several_images_at_once_is_named(artifact: Artifact, tmp_path: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes())
    (graph,) = model.subgraphs
    for index in (*graph.inputs, *graph.outputs):
        graph.tensors[index].shape = [3, *graph.tensors[index].shape[1:]]
    (tmp_path / "three.tflite").write_bytes(pack_model(model))
    with pytest.raises(ModelFileError, match=r"three\.tflite does not classify images.*\[3, 24, 24, 1\]"):
        open_model_file(tmp_path / "three.tflite")


def test_no_torch_is_loaded() -> None:
    code = "import sys, mnasnet.devices.tflite_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
