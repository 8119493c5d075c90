"""Images for the tests of training: the digits, and small sets of noise written as people keep theirs."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnasnet.train.data import ImageData, load


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests that do not look into the cache keep theirs."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def digits(cache: Path) -> ImageData:
    """The embedded data set at 32 px: 1,151 images to train on, 287 held out, 359 to test on."""
    return load("digits", image_size=32, cache=cache)


def picture(seed: int, *, side: int = 10, mode: str = "RGB") -> Image.Image:
    """Noise, so that no two are alike."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image: Image.Image, ending: str = "PNG", **how: object) -> bytes:
    """A file's bytes in the format `ending`."""
    file = io.BytesIO()
    image.save(file, ending, **how)
    return file.getvalue()


def image_folder(
    root: Path, *, classes: tuple[str, ...] = ("cat", "dog"), each: int = 10, side: int = 10, seed: int = 0
) -> Path:
    """`each` pictures in each of the sub-folders `classes`."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for at in range(each):
            picture(1000 * seed + 100 * number + at, side=side).save(root / name / f"{at}.png")
    return root


def parquet(path: Path, *, each: int = 10, classes: tuple[str, ...] = ("cat", "dog"), seed: int = 0) -> Path:
    """A file as the hub has them, written by the library itself."""
    import datasets

    rows = [(100 * label + at, label) for label in range(len(classes)) for at in range(each)]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(classes))}
    )
    table = datasets.Dataset.from_dict(
        {"image": [picture(1000 * seed + n) for n, _ in rows], "label": [label for _, label in rows]},
        features=features,
    )
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        table.to_parquet(file)
    return path
