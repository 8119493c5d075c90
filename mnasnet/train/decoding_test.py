"""Decoding: what becomes of every kind of image, which are skipped, and what the cache keeps."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mnasnet.base.errors import RequestError
from mnasnet.train.conftest import encoded, image_folder, picture
from mnasnet.train.data import ImageData, load
from mnasnet.train.decoding import SKIPS_ALLOWED, decode


def test_pixels_are_stored_upright_and_in_the_layout_that_trains_fastest(digits: ImageData) -> None:
    pixels = digits.train.pixels
    assert pixels.dtype == torch.uint8
    assert pixels.shape == (1151, 1, 32, 32)
    assert digits.train.labels.dtype == torch.int64
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_mean_and_deviation_are_those_of_the_images_learnt_from(digits: ImageData) -> None:
    scaled = digits.train_and_held_out.pixels.double() / 255
    assert digits.mean == pytest.approx([scaled.mean().item()])
    assert digits.std == pytest.approx([scaled.std(correction=0).item()])


def test_the_second_start_decodes_nothing(cache: Path, digits: ImageData) -> None:
    done: list[str] = []
    again = load("digits", image_size=32, cache=cache, progress=lambda what, *_: done.append(what))
    assert set(done) == {"reading"}
    assert again.fingerprint == digits.fingerprint
    assert torch.equal(again.train.pixels, digits.train.pixels)


@pytest.mark.parametrize(
    ("mode", "ending"),
    [
        ("L", "PNG"),
        ("RGBA", "png"),
        ("P", "gif"),
        ("CMYK", "jpg"),
        ("1", "bmp"),
        ("LA", "TIF"),
    ],
)
def test_every_pixel_format_becomes_colour(mode: str, ending: str, tmp_path: Path) -> None:
    image = picture(0, mode=mode)
    image.save(tmp_path / f"image.{ending}")
    pixels = decode((tmp_path / f"image.{ending}").read_bytes(), side=10, channels=3)
    assert pixels.shape == (10, 10, 3)
    if mode in ("L", "LA", "RGBA"):  # the others lose something on the way to the file
        np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


def test_sixteen_bits_lose_their_lower_eight() -> None:
    grey = Image.fromarray(np.array([[0, 255], [256, 65535]], dtype=np.uint16))
    assert decode(encoded(grey), side=2, channels=1).ravel().tolist() == [0, 0, 1, 255]


def test_a_transparent_palette_is_decoded_without_a_warning() -> None:
    image = picture(0, mode="P")
    image.info["transparency"] = bytes(range(256))
    assert decode(encoded(image), side=10, channels=3).shape == (10, 10, 3)


def test_a_photograph_taken_sideways_is_turned_upright() -> None:
    image = Image.new("L", (16, 16))
    image.paste(255, (0, 0, 16, 8))  # light above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned by 90° clockwise
    pixels = decode(encoded(image, exif=exif), side=16, channels=1)[:, :, 0]
    assert pixels[:, 8:].min() == 255  # what was above is on the right
    assert pixels[:, :8].max() == 0


def test_the_central_square_of_an_oblong_image_is_kept() -> None:
    image = Image.new("L", (30, 10))
    image.paste(255, (10, 0, 20, 10))
    assert decode(encoded(image), side=10, channels=1).min() == 255


def test_a_set_is_grey_only_if_every_image_to_learn_from_is(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=10)
    for file in list(root.glob("*/*.png")):
        Image.open(file).convert("L").save(file)
    grey = load(str(root), image_size=8, cache=tmp_path / "cache")
    assert (grey.channels, len(grey.mean), grey.test.pixels.shape[1]) == (1, 1, 1)
    for name in ("cat", "dog"):
        for at in range(5):
            picture(at).save(root / name / f"colour{at}.png")
    mixed = load(str(root), image_size=8, cache=tmp_path / "cache")
    assert (mixed.channels, len(mixed.mean), mixed.test.pixels.shape[1]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("side", "stored"),
    [(8, 32), (32, 32), (37, 37), (300, 37)],  # 37 = 32 · 8/7
)
def test_large_images_are_stored_with_room_for_crops(side: int, stored: int, tmp_path: Path) -> None:
    image_folder(tmp_path / "set", each=3, side=side)
    data = load(str(tmp_path / "set"), image_size=32, cache=tmp_path / "cache")
    assert data.train.pixels.shape[2:] == (stored, stored)
    assert data.test.pixels.shape[2:] == (stored, stored)


def test_a_corrupt_image_is_skipped_and_named(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=20)
    (root / "cat" / "torn.png").write_bytes((root / "cat" / "0.png").read_bytes()[:100])
    (root / "dog" / "no.jpg").write_bytes(b"this is no image")
    data = load(str(root), image_size=8, cache=tmp_path / "cache")
    skipped = sorted(data.skipped + data.test.skipped)
    assert [line.split(":")[0] for line in skipped] == ["cat/torn.png", "dog/no.jpg"]
    assert len(data.train_and_held_out) + len(data.test) == 40
    assert load(str(root), image_size=8, cache=tmp_path / "cache").skipped == data.skipped


def test_a_corrupt_row_is_named_by_its_number(tmp_path: Path) -> None:
    import datasets

    images = [{"bytes": encoded(picture(n)), "path": None} for n in range(20)]
    images[7] = {"bytes": b"no image", "path": None}
    table = datasets.Dataset.from_dict({"img": images, "labels": ["a", "b"] * 10})
    with (tmp_path / "own.parquet").open("wb") as file:
        table.to_parquet(file)
    data = load(str(tmp_path / "own.parquet"), image_size=8, cache=tmp_path / "cache")
    (skipped,) = data.skipped + data.test.skipped
    assert skipped == "train row 7: no image format that is known"


def test_too_many_corrupt_images_are_refused_and_leave_no_cache(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=40)
    for at in range(2 * SKIPS_ALLOWED):
        (root / "cat" / f"bad{at}.png").write_bytes(bytes([at]))
    with pytest.raises(
        RequestError, match=r"more than 10 of 80 images are corrupt \(cat/bad.* take them out"
    ):
        load(str(root), image_size=8, cache=tmp_path / "cache")
    assert list((tmp_path / "cache" / "pixels").iterdir()) == []


def test_a_small_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=3)
    for file in root.glob("*/*"):
        file.write_bytes(str(file).encode())
    with pytest.raises(RequestError, match="all 4 images are corrupt"):  # of the 6, 2 are test images
        load(str(root), image_size=8, cache=tmp_path / "cache")


def test_a_disk_that_takes_no_more_is_said_in_one_line_and_leaves_no_cache(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"cannot keep decoded images in .* or set MNASNET_CACHE"):
            load("digits", image_size=32, cache=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "pixels").iterdir()) == []


def test_a_cache_cut_short_is_made_anew(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set")
    first = load(str(root), image_size=8, cache=tmp_path / "cache")
    expected = first.train.pixels.clone()
    (pixels,) = (tmp_path / "cache" / "pixels").glob("*/pixels")
    for file in (pixels, pixels.with_name("index.json")):
        os.truncate(file, 0)
        assert torch.equal(load(str(root), image_size=8, cache=tmp_path / "cache").train.pixels, expected)


def test_what_a_killed_process_left_half_decoded_goes_after_a_day(tmp_path: Path) -> None:
    source = image_folder(tmp_path / "set")
    left = {}
    for age_hours in (1, 25):
        left[age_hours] = tmp_path / "pixels" / f"partial-{age_hours}"
        (left[age_hours] / "whole").mkdir(parents=True)
        pixels = left[age_hours] / "whole" / "pixels"
        pixels.touch()
        written_at = time.time() - age_hours * 3600
        for path in (pixels, pixels.parent, left[age_hours]):
            os.utime(path, (written_at, written_at))
    # Begun long ago, but written to just now: it is still being decoded.
    left[0] = tmp_path / "pixels" / "partial-0"
    left[0].mkdir()
    (left[0] / "pixels").touch()
    os.utime(left[0], (0, 0))
    load(str(source), image_size=8, cache=tmp_path)
    assert {hours: path.exists() for hours, path in left.items()} == {0: True, 1: True, 25: False}
