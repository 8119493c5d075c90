"""Tests of classifier.py: the same answers from a network and from its file, whatever the data look like."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.deploy.classifier import (
    Classifier,
    evaluate,
    of_model,
    open_classifier,
    predict,
    read_image,
)
from mnasnet.deploy.export import export
from mnasnet.deploy.images import photographs
from mnasnet.nn.checkpoint import save_network
from mnasnet.nn.model import open_model
from mnasnet.nn.named import create_network
from mnasnet.nn.network import Network
from mnasnet.train.conftest import cache as cache
from mnasnet.train.conftest import digits as digits
from mnasnet.train.data import ImageData
from mnasnet.train.loop import score
from mnasnet.train.loop_test import in_colour

TEN = ("mnasnet-small", {"width": 0.35, "image_size": 32})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, digits: ImageData) -> Path:
    """Of a network that took grey digits, as training would leave it."""
    path = tmp_path_factory.mktemp("weights") / "ten.safetensors"
    torch.manual_seed(0)
    network = create_network("mnasnet-small", width=0.35, num_classes=10, in_channels=1)
    save_network(network, path, learned=Learned(classes=digits.classes, mean=digits.mean, std=digits.std))
    return path


@pytest.fixture(scope="module")
def ten(weights: Path) -> Classifier:
    return open_classifier("mnasnet-small", weights=str(weights), width=0.35, image_size=32)


def test_a_network_scores_as_its_training_judged_it(
    ten: Classifier, weights: Path, digits: ImageData
) -> None:
    network = open_model("mnasnet-small", weights=str(weights), width=0.35, image_size=32).network
    assert evaluate(ten, digits) == score(network, digits, digits.test)


def test_a_network_trained_with_fewer_strides_is_that_network_by_its_name_too(
    digits: ImageData, tmp_path: Path
) -> None:
    fitted = find_architecture("mnasnet-small", width=0.35, image_size=32, classes=10, in_channels=1).fitted(
        32
    )
    assert fitted.stem_stride == 1
    torch.manual_seed(0)
    network = Network(fitted).eval()
    path = tmp_path / "fitted.safetensors"
    save_network(network, path, learned=Learned(classes=digits.classes, mean=digits.mean, std=digits.std))
    for image_size in (32, None):
        opened = open_model("mnasnet-small", weights=str(path), width=0.35, image_size=image_size)
        assert opened.network.architecture == fitted
        assert evaluate(of_model(opened), digits) == score(network, digits, digits.test)


def test_its_file_scores_as_the_network_does(
    ten: Classifier, weights: Path, digits: ImageData, tmp_path: Path
) -> None:
    model = open_model("mnasnet-small", weights=str(weights), width=0.35, image_size=32)
    images = photographs(model)
    export(model, tmp_path / "ten.tflite", precision="fp32", calibration=images, images=images)
    file = open_classifier(str(tmp_path / "ten.tflite"))
    assert file.learned.classes == ten.learned.classes
    assert evaluate(file, digits) == evaluate(ten, digits)


def test_classes_go_by_name_whatever_their_order(ten: Classifier, digits: ImageData) -> None:
    expected = evaluate(ten, digits)
    backwards = replace(digits, classes=digits.classes[::-1])
    named = replace(ten, learned=replace(ten.learned, classes=tuple("9876543210")))
    # What the network calls 9 is what it called 0, and so do the data.
    assert evaluate(named, backwards) == expected


def test_classes_without_names_go_by_number(ten: Classifier, digits: ImageData) -> None:
    assert evaluate(ten, replace(digits, classes=tuple("abcdefghij"))) == evaluate(ten, digits)


def test_a_class_that_the_network_does_not_know_is_named(ten: Classifier, digits: ImageData) -> None:
    other = replace(ten, learned=replace(ten.learned, classes=tuple("abcdefgh45")))
    with pytest.raises(RequestError, match="does not know '0' and 7 more of digits's classes"):
        evaluate(other, digits)


def test_colour_is_shown_in_grey_to_a_network_for_grey(ten: Classifier, digits: ImageData) -> None:
    assert evaluate(ten, in_colour(digits)) == evaluate(ten, digits)


def test_a_picture_is_seen_as_training_sees_it(ten: Classifier, tmp_path: Path) -> None:
    photograph = Image.fromarray(load_sample_images().images[0])  # 640 × 427
    photograph.save(tmp_path / "large.png")
    # The central 0.875 of the central square.
    side = round(32 * 8 / 7)
    grey = (
        photograph.convert("L").crop((106.5, 0, 533.5, 427)).resize((side, side), Image.Resampling.BILINEAR)
    )
    edge = (side - 32) // 2
    expected = np.asarray(grey, np.float32)[edge : edge + 32, edge : edge + 32] / 255
    found = read_image(tmp_path / "large.png", ten)[0, ..., 0] * ten.learned.std[0] + ten.learned.mean[0]
    assert np.abs(found - expected).max() < 0.05
    photograph.resize((33, 33)).save(tmp_path / "small.png")
    assert read_image(tmp_path / "small.png", ten).shape == (1, 32, 32, 1)


def test_the_likeliest_classes_come_first_and_no_more_than_there_are(tmp_path: Path) -> None:
    Image.fromarray(load_sample_images().images[1]).save(tmp_path / "flower.jpg")
    logits = np.array([[1.0, 3.0, 2.0]], np.float32)
    three = Classifier(
        name="three",
        learned=Learned(classes=("a", "b", "c"), mean=(0.5,) * 3, std=(0.5,) * 3),
        image_size=16,
        logits=lambda images: logits,
    )
    found = predict(three, tmp_path / "flower.jpg")
    assert [name for name, _ in found] == ["b", "c", "a"]
    whole = np.exp(1) + np.exp(2) + np.exp(3)
    assert [odds for _, odds in found] == pytest.approx([np.exp(n) / whole for n in (3, 2, 1)])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no image", "is not an image: give a JPEG"),
        (None, "No such file"),
    ],
)
def test_what_is_no_image_is_named(ten: Classifier, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=f"a.jpg.*{said}"):
        predict(ten, path)


def test_half_an_image_is_named(ten: Classifier, tmp_path: Path) -> None:
    Image.fromarray(load_sample_images().images[1]).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:5000])
    with pytest.raises(RequestError, match=r"half\.jpg cannot be read as an image"):
        predict(ten, tmp_path / "half.jpg")


def test_a_file_takes_no_weights(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"^`weights` a\.pth: n\.tflite has its own inside"):
        open_classifier("n.tflite", weights="a.pth")


def test_an_untrained_network_can_be_asked_too() -> None:
    model = open_model(TEN[0], weights="random", width=0.35, image_size=32)
    assert of_model(model).logits(photographs(model)).shape == (16, 1000)
