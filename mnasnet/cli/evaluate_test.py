"""Tests of evaluate.py and predict.py: a network and its file, on labelled images and on single ones."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mnasnet.cli.conftest import called, pictures
from mnasnet.nn.checkpoint import save_network
from mnasnet.nn.named import create_network

SMALL = ("mnasnet-small", "--width", "0.35", "--image-size", "32")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network of ten classes, as training would leave it."""
    path = tmp_path / "ten.safetensors"
    save_network(create_network("mnasnet-small", width=0.35, num_classes=10), path)
    return path


def test_a_network_and_its_file_are_evaluated_alike(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    found = called(capsys, "evaluate", *SMALL, "--weights", weights, "--data", "digits", "--json")
    assert found.status == 0
    of_network = json.loads(found.out)
    assert (of_network["images"], len(of_network["classes"])) == (359, 10)
    low, high = of_network["top1_interval"]
    assert low <= of_network["top1"] <= high
    assert called(capsys, "export", *SMALL, "--weights", weights, "-o", tmp_path / "n.tflite").status == 0
    of_file = json.loads(called(capsys, "evaluate", tmp_path / "n.tflite", "--data", "digits", "--json").out)
    assert of_file | {"name": ""} == of_network | {"name": ""}
    said = called(capsys, "evaluate", tmp_path / "n.tflite", "--data", "digits").out
    assert said.startswith("n.tflite on 359 test images of digits at 32 px: top-1 ")
    assert said.count("\n") == 11


def test_images_are_predicted_each_with_five_classes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 30), "red").save(tmp_path / name)
    found = called(
        capsys,
        "predict",
        *SMALL[:1],
        tmp_path / "a.png",
        tmp_path / "b.png",
        *SMALL[1:],
        "--weights",
        weights,
    )
    assert found.status == 0
    lines = found.out.splitlines()
    assert [lines[0], lines[6], len(lines)] == [str(tmp_path / "a.png"), str(tmp_path / "b.png"), 12]
    assert lines[1].endswith(tuple("0123456789"))
    assert "%" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "mnasnet-a1", "--data", "digits"], "--weights FILE"),
        (["evaluate", "none.tflite", "--data", "digits"], "none.tflite: no such file"),
        (["evaluate", *SMALL, "--weights", "random"], "give --data"),
        (["evaluate", *SMALL, "--weights", "random", "--data", "./none"], "./none: no such file or folder"),
        (["predict", *SMALL, "--weights", "random"], "give images to look at"),
        (["predict", "mnasnet-a1", "none.jpg", "--weights", "random"], "none.jpg cannot be read as an image"),
        (["predict", "none.onnxx", "none.jpg"], "no network of this name"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    found = called(capsys, *arguments)
    assert found.status == 2
    assert said in found.line


def test_classes_that_a_network_does_not_know_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, weights: Path
) -> None:
    images = pictures(tmp_path / "images", cat=8, dog=8)
    found = called(capsys, "evaluate", *SMALL, "--weights", weights, "--data", images)
    assert found.status == 2
    assert "does not know 'cat' and 1 more" in found.line
