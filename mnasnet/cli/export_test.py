"""Tests of export.py."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from mnasnet.cli.conftest import called
from mnasnet.devices.model_file import open_model_file
from mnasnet.export.metadata import read_metadata
from mnasnet.nn.checkpoint import save_network
from mnasnet.nn.named import create_network

SMALL = ("mnasnet-small", "--width", "0.35", "--image-size", "32")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network of ten classes, as training would leave it."""
    path = tmp_path / "ten.safetensors"
    torch.manual_seed(4)  # with a squeeze that is never active on the digits
    save_network(create_network("mnasnet-small", width=0.35, num_classes=10), path)
    return path


def test_a_network_becomes_a_file_and_its_card_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    path = tmp_path / "ten.tflite"
    ended = called(capsys, "export", *SMALL, "--weights", weights, "-o", path)
    assert ended.status == 0
    assert f"file: {path}, tflite, fp32, {path.stat().st_size:,} bytes, 10 labels inside" in ended.out
    assert "the same class on top for 100%" in ended.out
    assert "all of them run on XNNPACK" in ended.out
    assert open_model_file(path).image_shape == (32, 32, 3)


def test_int8_is_calibrated_on_the_users_images(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    path = tmp_path / "ten.tflite"
    ended = called(
        capsys,
        *("export", *SMALL, "--weights", weights, "--precision", "int8"),
        *("--calibration", "digits", "--output", path),
    )
    assert ended.status == 0
    assert "against torch on 100 images" in ended.out
    assert "checked on digits" in ended.out
    assert read_metadata(path).learned.classes == tuple(map(str, range(10)))


def test_a_folder_of_a_few_pictures_is_enough_to_calibrate_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    for number, pixels in enumerate(load_sample_images().images):
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.jpg")
    (tmp_path / "pictures" / "notes.txt").write_text("two photographs")
    ended = called(
        capsys,
        *("export", *SMALL, "--weights", weights, "--precision", "int8"),
        *("--calibration", tmp_path / "pictures", "-o", tmp_path / "a.tflite"),
    )
    assert ended.status == 0
    assert "against torch on 1 images" in ended.out
    assert "images other than the 1 that it is calibrated on" in ended.out


def test_an_untrained_file_says_that_it_classifies_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ended = called(capsys, "export", *SMALL, "--weights", "random", "-o", tmp_path / "a.tflite")
    assert ended.status == 0
    assert "untrained" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mnasnet-a1"], "or --weights random for a network to be timed"),
        (["mnasnet-a9", "--weights", "random"], "the nearest is mnasnet-a1"),
        (["mnasnet-a1", "--weights", "none.pth"], "none.pth: No such file"),
        (["mnasnet-a1", "--weights", "random", "--precision", "int4"], "give one of 'fp32', 'fp16', 'int8'"),
        (["mnasnet-a1", "--weights", "random", "--format", "coreml"], "coreml"),
        (
            ["mnasnet-a1", "--weights", "random", "--format", "onnx"],
            "a file of the format onnx ends in .onnx",
        ),
        (["mnasnet-a1", "--weights", "random", "--dynamic-batch"], "a dynamic batch there is of onnx"),
        (["mnasnet-a1", "--weights", "random", "--image-size", "8"], "at least 32"),
        (["mnasnet-a1", "--weights", "random", "--calibration", "./none"], "none"),
        (["mnasnet-a1", "--weights", "random", "--labels", "none.txt"], "none.txt"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = called(capsys, "export", *arguments, "-o", tmp_path / "a.tflite")
    assert ended.status == 2
    assert said in ended.line
    assert not list(tmp_path.iterdir())


def test_int8_of_a_trained_network_wants_images(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    path = tmp_path / "ten.tflite"
    ended = called(capsys, "export", *SMALL, "--weights", weights, "--precision", "int8", "-o", path)
    assert (ended.status, path.exists()) == (2, False)
    assert "give --calibration DATA" in ended.line


def test_an_output_that_cannot_be_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "none" / "a.tflite", Path("/proc/a.tflite")):
        ended = called(capsys, "export", *SMALL, "--weights", "random", "-o", output)
        assert ended.status == 2
        assert str(output) in ended.line
    assert called(capsys, "export", *SMALL).line.startswith("mnasnet export: give --output: File to write")
