"""Tests of model.py, images.py and export.py: from a name and weights to a checked file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mnasnet.arch.records import Learned, Precision
from mnasnet.base.errors import RequestError
from mnasnet.deploy.export import card_lines, export, torch_logits
from mnasnet.deploy.images import PIECES, images_of, photographs
from mnasnet.devices.model_file import open_model_file
from mnasnet.export.metadata import read_metadata
from mnasnet.nn.checkpoint import save_network
from mnasnet.nn.model import UNTRAINED, Model, open_model
from mnasnet.nn.named import create_network
from mnasnet.train.conftest import cache as cache
from mnasnet.train.conftest import digits as digits
from mnasnet.train.data import ImageData


@pytest.fixture(scope="module")
def model() -> Model:
    """A small network for images of 64 px, its numbers as they are at the start."""
    return open_model("mnasnet-small", weights=UNTRAINED, width=0.35, image_size=64)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_file_of_any_precision_agrees_with_torch_and_says_what_it_is(
    model: Model, tmp_path: Path, precision: Precision
) -> None:
    images = photographs(model)
    path = tmp_path / "network.tflite"
    exported = export(model, path, precision=precision, calibration=images, images=images)
    assert exported.artifact.path == path
    assert exported.artifact.size_bytes == path.stat().st_size
    assert exported.agreement.images == PIECES
    assert exported.not_delegated == ()
    found = read_metadata(path)
    assert found.learned.classes == model.learned.classes
    np.testing.assert_allclose(
        [found.learned.mean, found.learned.std], [model.learned.mean, model.learned.std], rtol=1e-6
    )
    said = " ".join(card_lines(exported))
    for words in (precision, exported.takes, "CONV_2D ×", "1000 labels inside", "all of them run on XNNPACK"):
        assert words in said
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    model = open_model("mnasnet-small", weights=UNTRAINED, width=0.35, image_size=32)
    with torch.no_grad():
        model.network.classifier.weight[0, 0] = 70_000  # float16 ends at 65,504
    images = photographs(model)
    with pytest.raises(match=r"at most 0\.02 is rounding, so it was not kept"):
        export(model, tmp_path / "n.tflite", precision="fp16", calibration=images, images=images)
    assert not list(tmp_path.iterdir())


def test_the_photographs_are_pictures_of_the_networks_size(model: Model) -> None:
    images = photographs(model)
    assert images.shape == (PIECES, 64, 64, 3)
    assert images.dtype == np.float32
    pixels = (images * np.array(model.learned.std) + np.array(model.learned.mean)) * 255
    assert pixels.min() >= -0.01
    assert pixels.max() <= 255.01
    assert len({image.tobytes() for image in images}) == PIECES
    assert all(image.std() > 0.1 for image in images)


def test_images_of_ones_own_are_normalised_as_the_network_wants_them(digits: ImageData) -> None:
    learned = Learned(classes=digits.classes, mean=(0.5,) * 3, std=(0.25,) * 3)
    images = images_of(digits, learned, limit=20)  # grey, for a network that takes colour
    assert images.shape == (20, 32, 32, 3)
    pixels = images * 0.25 + 0.5
    np.testing.assert_allclose(pixels[..., 0], pixels[..., 2], atol=1e-6)
    assert (pixels.min(), pixels.max()) == pytest.approx((0, 1), abs=1e-6)
    np.testing.assert_array_equal(images, images_of(digits, learned, limit=20))


def test_weights_of_a_file_come_with_its_classes(tmp_path: Path) -> None:
    network = create_network("mnasnet-small", width=0.35, num_classes=3).eval()
    save_network(network, tmp_path / "three.safetensors")
    (tmp_path / "labels.txt").write_text("cat\ndog\n\nother\n")
    model = open_model(
        "mnasnet-small",
        width=0.35,
        image_size=64,
        weights=str(tmp_path / "three.safetensors"),
        labels=tmp_path / "labels.txt",
    )
    assert (model.learned.classes, model.trained) == (("cat", "dog", "other"), True)
    images = photographs(model)
    with torch.no_grad():
        expected = network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(torch_logits(model.network, images), expected, atol=1e-5)


def test_a_network_without_weights_is_refused_with_the_way_out() -> None:
    with pytest.raises(RequestError, match=r"`weights` FILE, .*or `weights` random"):
        open_model("mnasnet-a1")


def test_labels_that_are_too_few_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    with pytest.raises(RequestError, match="names 2 classes, and the network has 1000"):
        open_model("mnasnet-small", weights=UNTRAINED, labels=tmp_path / "labels.txt")


def test_a_file_takes_the_place_of_an_older_one(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "network.tflite"
    path.write_text("older")
    images = photographs(model)
    export(model, path, precision="fp32", calibration=images, images=images)
    assert open_model_file(path).classes == 1000
    classes = tuple(f"class {n}" for n in range(1000))
    named = replace(model, learned=replace(model.learned, classes=classes))
    export(named, path, precision="int8", calibration=images, images=images)
    assert read_metadata(path).learned.classes[999] == "class 999"
    assert Interpreter(str(path)).get_input_details()[0]["dtype"] == np.int8
