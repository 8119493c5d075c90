"""Image data: how it is split, what identifies it, what is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.base.errors import RequestError
from mnasnet.train.conftest import image_folder, picture
from mnasnet.train.data import ImageData, load, spread


def bytes_of(data: ImageData) -> set[bytes]:
    """The pixels of each image to learn from."""
    return {image.numpy().tobytes() for image in data.train_and_held_out.pixels}


def test_the_digits_are_split_by_class_into_disjoint_parts(digits: ImageData) -> None:
    assert digits.classes == tuple("0123456789")
    assert digits.channels == 1
    assert len(digits.test) == 359  # a fifth of 1,797
    assert len(digits.held_out) == 287  # a fifth of the 1,438 that remain
    assert len(digits.train) == 1797 - 359 - 287
    for part in (digits.test, digits.held_out, digits.train):
        counts = torch.bincount(part.labels, minlength=10)
        assert counts.max() - counts.min() <= 0.05 * len(part) / 10 + 2


def test_test_images_are_decoded_only_when_asked_for(tmp_path: Path) -> None:
    done: list[tuple[str, int, int]] = []
    source = image_folder(tmp_path / "set", each=10)
    data = load(
        str(source), image_size=8, cache=tmp_path, progress=lambda what, n, of: done.append((what, n, of))
    )
    assert done == [("reading", 20, 20), ("decoding", 16, 16)]  # of twenty images four are test images
    assert len(list((tmp_path / "pixels").iterdir())) == 1
    assert len(data.test) == 4
    assert done[2:] == [("decoding", 4, 4)]
    assert data.test is data.test


def test_test_images_are_none_of_those_learnt_from(digits: ImageData) -> None:
    # The digits have no two equal images, and scaling keeps them apart.
    assert bytes_of(digits).isdisjoint(image.numpy().tobytes() for image in digits.test.pixels)


def test_the_fingerprint_is_the_same_in_another_place_and_another_for_other_data(tmp_path: Path) -> None:
    def fingerprint(root: Path, **how: float) -> str:
        return load(str(root), image_size=8, cache=tmp_path / "cache", **how).fingerprint  # type: ignore[arg-type]

    first = image_folder(tmp_path / "here", each=10)
    original = fingerprint(first)
    moved = Path(shutil.copytree(first, tmp_path / "there"))
    (moved / "cat" / "0.png").rename(moved / "cat" / "zz.png")  # another order of files is the same data
    assert fingerprint(moved) == original

    assert fingerprint(first, max_images=12) != original
    assert fingerprint(first, held_out=0.5) != original
    picture(77).save(moved / "dog" / "3.png")
    changed = fingerprint(moved)
    assert changed != original
    picture(78).save(moved / "dog" / "new.png")
    assert fingerprint(moved) not in (original, changed)
    (moved / "dog" / "new.png").rename(moved / "cat" / "new.png")
    assert fingerprint(moved) not in (original, changed)


def test_a_folder_may_bring_its_own_test_images(tmp_path: Path) -> None:
    image_folder(tmp_path / "set" / "train", each=10)
    image_folder(tmp_path / "set" / "val", each=3, seed=1)
    data = load(str(tmp_path / "set"), image_size=8, cache=tmp_path / "cache")
    assert (len(data.train), len(data.held_out), len(data.test)) == (16, 4, 6)


def test_with_validation_and_test_the_validation_images_are_held_out(tmp_path: Path) -> None:
    image_folder(tmp_path / "set" / "train", each=10)
    image_folder(tmp_path / "set" / "val", each=3, seed=1)
    image_folder(tmp_path / "set" / "test", each=2, seed=2)
    data = load(str(tmp_path / "set"), image_size=8, cache=tmp_path / "cache")
    assert (len(data.train), len(data.held_out), len(data.test)) == (20, 6, 4)
    fewer = load(str(tmp_path / "set"), image_size=8, max_images=13, cache=tmp_path / "cache")
    assert (len(fewer.train), len(fewer.held_out), len(fewer.test)) == (10, 3, 4)


def test_a_limit_keeps_a_fixed_part_of_every_class(digits: ImageData, cache: Path) -> None:
    few = load("digits", image_size=32, max_images=100, cache=cache)
    assert len(few.train) + len(few.held_out) == 100
    assert (len(few.held_out), len(few.test)) == (20, 359)
    assert torch.bincount(few.train_and_held_out.labels, minlength=10).min() >= 9
    assert bytes_of(few) <= bytes_of(digits)


@given(
    st.lists(st.integers(2, 30), min_size=2, max_size=12),
    st.floats(0.01, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_a_beginning_of_the_spread_leaves_no_class_out_and_takes_none_whole(
    counts: list[int], fraction: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    digests = np.random.default_rng(seed).integers(0, 2**63, len(labels)).astype(np.uint64)
    order = spread(labels, digests)
    assert sorted(order) == list(range(len(labels)))
    taken = max(len(counts), int(fraction * len(labels)))
    assert set(labels[order[:taken]]) == set(labels[order[taken:]]) == set(range(len(counts)))


@given(st.lists(st.integers(2, 9), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_spread_knows_images_by_their_content_and_not_by_their_place(
    counts: list[int], random: object
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    digests = np.arange(len(labels), dtype=np.uint64) * np.uint64(7919) % np.uint64(1009)
    shuffled = np.arange(len(labels))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    here, there = spread(labels, digests), shuffled[spread(labels[shuffled], digests[shuffled])]
    assert digests[here].tolist() == digests[there].tolist()


def test_a_class_of_which_no_image_can_be_read_is_refused(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=5)
    for file in (root / "dog").iterdir():
        file.write_bytes(file.name.encode())
    with pytest.raises(RequestError, match="too few images of class 'dog' can be read"):
        load(str(root), image_size=8, cache=tmp_path / "cache")


def test_one_class_cannot_be_learnt(tmp_path: Path, cache: Path) -> None:
    root = image_folder(tmp_path / "set", classes=("cat",))
    with pytest.raises(RequestError, match="at least two classes are needed, and all are of 'cat': give"):
        load(str(root), image_size=8, cache=cache)


def test_a_class_with_one_image_cannot_be_split(tmp_path: Path, cache: Path) -> None:
    image_folder(tmp_path / "set", classes=("cat",))
    image_folder(tmp_path / "set", classes=("dog",), each=1)
    with pytest.raises(
        RequestError, match="class 'dog' needs at least 3 training images and has 1: add more"
    ):
        load(str(tmp_path / "set"), image_size=8, cache=cache)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"image_size": 0}, "`image_size` 0: give the side in pixels"),
        ({"held_out": 0.0}, "`held_out` 0.0: give a fraction above 0"),
        ({"held_out": 0.6}, "`held_out` 0.6"),
        ({"max_images": 19}, "`max_images` 19: too few for 10 classes: give at least 20"),
    ],
)
def test_settings_that_make_no_sense_are_refused(how: dict[str, float], message: str, cache: Path) -> None:
    with pytest.raises(RequestError, match=message):
        load("digits", cache=cache, **{"image_size": 32, **how})  # type: ignore[arg-type]


@pytest.mark.slow
def test_cifar10_is_read_whole(tmp_path: Path) -> None:
    source = os.environ.get("MNASNET_CIFAR10")
    assert source, "set MNASNET_CIFAR10 to a folder with CIFAR-10's train.parquet and test.parquet"
    data = load(source, image_size=32, cache=tmp_path)
    assert (len(data.train), len(data.held_out), len(data.test)) == (40_000, 10_000, 10_000)
    assert data.train.pixels.shape[1:] == (3, 32, 32)
    assert data.skipped == data.test.skipped == ()
    # CIFAR-10's well-known statistics; copies of it that are JPEGs deviate a little less.
    assert data.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=3e-3)
    assert data.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=3e-3)
