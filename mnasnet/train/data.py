"""Image data: from a folder, parquet files, a hub name or the embedded digits to uint8 tensors on disk.

Three steps: a source gives encoded images with their classes (`sources.py`); their content alone decides which are
trained on, held out and tested on (here); they are decoded once into a memory-mapped cache (`decoding.py`). The
next start decodes nothing, but reads and hashes all that is encoded: half a second for CIFAR-10's 60,000 images.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnasnet.base.errors import RequestError
from mnasnet.base.progress import StageProgress
from mnasnet.base.words import some
from mnasnet.train.decoding import Decoded, decoded, stored_side
from mnasnet.train.sources import Digests, Rows, Source, data_error, digests_of, open_source

TEST_FRACTION = 0.2
"""The part of a set that becomes its test images when it brings no test split of its own."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Labelled images of one size."""

    pixels: Tensor
    """uint8 [n, channels, side, side], laid out channels_last; memory-mapped, so do not write to it."""
    labels: Tensor
    """int64 [n]: positions in the classes of their `ImageData`."""
    skipped: tuple[str, ...] = ()
    """Images that could not be decoded, by path or row, with the reason. They are not among the pixels."""

    def __len__(self) -> int:
        return len(self.labels)

    def slice(self, start: int, stop: int) -> "Images":
        """The images from `start` to before `stop`, sharing memory. What was skipped stays with the whole."""
        return Images(pixels=self.pixels[start:stop], labels=self.labels[start:stop])


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """A data set, split: what a search learns from and is judged by, and what finalists are tested on."""

    name: str
    """The source as it was asked for."""
    classes: tuple[str, ...]
    """Class names, in the order of the labels."""
    image_size: int
    """Side in pixels that networks are trained at."""
    fingerprint: str
    """Hex digest of the images, classes and splits: the same data has the same one wherever it lies and in
    whatever order, and other images, another limit or another held-out part another one."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel, over the training and the held-out images, with pixels scaled to 0–1."""
    train_and_held_out: Images
    """All that may be learnt from, the held-out images first."""
    held_out_count: int
    """How many of `train_and_held_out` are held out."""
    load_test: Callable[[], Images]
    """Decodes the test images, or finds them decoded in the cache."""

    @property
    def channels(self) -> int:
        """1 where every image to learn from is grey, else 3."""
        return self.train_and_held_out.pixels.shape[1]

    @property
    def held_out(self) -> Images:
        """The images that the search judges by: never trained on before the finalists."""
        return self.train_and_held_out.slice(0, self.held_out_count)

    @property
    def train(self) -> Images:
        """The images that the search trains on."""
        return self.train_and_held_out.slice(self.held_out_count, len(self.train_and_held_out))

    @property
    def skipped(self) -> tuple[str, ...]:
        """The corrupt images among those to learn from; the test images' are in `test.skipped`."""
        return self.train_and_held_out.skipped

    @cached_property
    def test(self) -> Images:
        """The test images, decoded when first asked for: a search that never asks has never seen them."""
        return self.load_test()


def load(
    data: str,
    *,
    image_size: int,
    held_out: float = 0.2,
    max_images: int | None = None,
    cache: Path | None = None,
    progress: StageProgress | None = None,
) -> ImageData:
    """The images of `data`, split and decoded.

    `data` is `digits`; a folder with one sub-folder a class, alone or below `train/`, with `val/` and
    `test/` beside it; a parquet file or a folder of them; or a name on the Hugging Face hub.

    The test images are the set's own test split, or its validation split, or a fifth of it. Where it has both
    splits, validation is held out, else the fraction `held_out` of the training images is. What is split off
    is stratified by class and depends on nothing but the images. `max_images` is the most images to learn
    from, the held-out ones included: a fixed, stratified subset.

    Images are stored as their central square, scaled to `image_size`; where most are larger than
    `CROP_MARGIN` times that, to that side, so that a random crop has room.

    Raises:
        RequestError: the data cannot be found, read or split, too many images are corrupt, or another argument
            makes no sense.
        OSError: the cache cannot be written.
    """
    if image_size < 1:
        raise RequestError("give the side in pixels, such as 32", field="image_size", value=image_size)
    if not 0 < held_out <= 0.5:
        raise RequestError(
            "give a fraction above 0 and at most 0.5, such as 0.2", field="held_out", value=held_out
        )
    cache = cache or cache_folder()
    origin = open_source(data, cache=cache, progress=progress)
    digests = digests_of(origin, progress)
    train_rows, held_out_rows, test_rows = _split(origin, digests, held_out=held_out, limit=max_images)
    learn_rows = np.concatenate([held_out_rows, train_rows])
    side = stored_side(origin, learn_rows, image_size)
    learnt = decoded(origin, learn_rows, digests, side=side, channels=None, cache=cache, progress=progress)
    images = _labelled(origin, learn_rows, learnt)
    held_out_count = int(learnt.kept[: len(held_out_rows)].sum())
    for labels in (images.labels[:held_out_count], images.labels[held_out_count:]):
        counts = torch.bincount(labels, minlength=len(origin.classes)).tolist()
        if 0 in counts:
            raise data_error(
                data,
                f"too few images of class {origin.classes[counts.index(0)]!r} can be read "
                f"({some(images.skipped)}): replace them or add more",
            )

    def load_test() -> Images:
        channels = images.pixels.shape[1]
        test = decoded(
            origin, test_rows, digests, side=side, channels=channels, cache=cache, progress=progress
        )
        return _labelled(origin, test_rows, test)

    return ImageData(
        name=data,
        classes=origin.classes,
        image_size=image_size,
        fingerprint=_fingerprint(origin, digests, train_rows, held_out_rows, test_rows),
        mean=learnt.mean,
        std=learnt.std,
        train_and_held_out=images,
        held_out_count=held_out_count,
        load_test=load_test,
    )


def cache_folder() -> Path:
    """Where decoded images are kept: `MNASNET_CACHE`, or `mnasnet` in `XDG_CACHE_HOME` or `~/.cache`."""
    own = os.environ.get("MNASNET_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mnasnet"


def _labelled(origin: Source, rows: Rows, read: Decoded) -> Images:
    """What could be decoded of `rows`, with its labels."""
    labels = torch.from_numpy(origin.labels[rows[read.kept]])
    return Images(pixels=read.pixels, labels=labels, skipped=read.skipped)


def _split(
    origin: Source, digests: Digests, *, held_out: float, limit: int | None
) -> tuple[Rows, Rows, Rows]:
    """The rows to train on, to hold out and to test on.

    What the set does not bring is taken out of its training images.
    """
    train = origin.splits["train"]
    own_test = origin.splits.get("test", origin.splits.get("validation"))
    own_held_out = origin.splits.get("validation") if "test" in origin.splits else None
    classes = len(origin.classes)
    if classes < 2:
        found = f"all are of {origin.classes[0]!r}" if origin.classes else "there are none"
        raise data_error(
            origin.name,
            f"images of at least two classes are needed, and {found}: give one sub-folder for each class, or a "
            "label column with more classes",
        )
    counts = np.bincount(origin.labels[train])
    needed = 1 + (own_test is None) + (own_held_out is None)
    if counts.min() < needed:
        rarest = int(counts.argmin())
        raise data_error(
            origin.name,
            f"class {origin.classes[rarest]!r} needs at least {needed} training images and has {counts[rarest]}: "
            "add more, or take the class out",
        )
    if limit is not None and limit < 2 * classes:
        raise RequestError(
            f"too few for {classes} classes: give at least {2 * classes}", field="max_images", value=limit
        )

    def first(rows: Rows, count: int | None, at_least: int = 1) -> tuple[Rows, Rows]:
        ordered = rows[spread(origin.labels[rows], digests[rows], at_least=at_least)]
        return ordered[:count], ordered[len(rows) if count is None else count :]

    def part(rows: Rows, fraction: float) -> int:
        return max(classes, int(fraction * len(rows)))

    if own_test is None:
        test, train = first(train, part(train, TEST_FRACTION))
    else:
        test, _ = first(own_test, None)
    if own_held_out is None:
        train, _ = first(train, limit, at_least=2)
        held, train = first(train, part(train, held_out))
    else:
        fraction = 1.0 if limit is None else min(1.0, limit / (len(train) + len(own_held_out)))
        most = (
            len(own_held_out) if limit is None else limit - classes
        )  # one of each class is left to train on
        held, _ = first(own_held_out, min(part(own_held_out, fraction), most))
        train, _ = first(train, None if limit is None else limit - len(held))
    return train, held, test


def spread(labels: Rows, digests: Digests, *, at_least: int = 1) -> Rows:
    """An order of images, as positions [n], in which every beginning holds the classes as the whole does.

    `labels` and `digests` are [n]. Within a class the order is that of the digests: random in effect, and the
    same wherever the images lie. The first `at_least` of every class come before all others, so that a
    beginning of that many times the classes misses none.
    """
    by_class = np.lexsort((digests, labels))
    counts = np.bincount(labels)
    rank = np.arange(len(labels)) - (np.cumsum(counts) - counts)[labels[by_class]]
    place = (rank + 0.5) / counts[labels[by_class]] - (rank < at_least)
    return by_class[np.lexsort((labels[by_class], digests[by_class], place))]


def _fingerprint(origin: Source, digests: Digests, *parts: Rows) -> str:
    """Hex digest of the classes and, part by part, of every image and label."""
    whole = hashlib.blake2b(json.dumps(origin.classes).encode(), digest_size=16)
    for rows in parts:
        whole.update(len(rows).to_bytes(8, "little"))
        whole.update(digests[rows].astype("<u8").tobytes())
        whole.update(origin.labels[rows].astype("<i8").tobytes())
    return whole.hexdigest()
