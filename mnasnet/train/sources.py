"""Sources: labelled images as they are kept, from the embedded digits, a folder, parquet files or the hub.

A source gives encoded images in numbered rows, their classes and the splits that the set brings; it decodes none.
"""

import contextlib
import glob
import hashlib
import io
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnasnet.train.words import first_line, some

DIGITS = "digits"
"""The name of the embedded data set: scikit-learn's 1,797 handwritten digits, grey, 8 by 8 pixels."""

TRAIN_NAMES = ("train", "training")
VALIDATION_NAMES = ("validation", "val", "valid", "dev")
TEST_NAMES = ("test", "testing")
IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")
"""Names looked for, the first that is there wins; `fine_label` is CIFAR-100's."""

CHUNK = 64
"""Images read or decoded between two reports of progress, and between two writes: at 256 px, 12 MB."""

Rows = npt.NDArray[np.int64]
"""Row numbers of a source, or one number for each."""

Digests = npt.NDArray[np.uint64]
"""One hash for each row of a source."""

Progress = Callable[[str, int, int], None]
"""Told what is being done ("reading", "decoding"), how many images are done, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Labelled images as they are kept: encoded, in numbered rows."""

    name: str
    """The source as it was asked for."""
    classes: tuple[str, ...]
    """Class names of all rows."""
    labels: Rows
    """[rows]: positions in `classes`."""
    splits: dict[str, Rows]
    """The rows of each labelled split that the set brings: "train", and maybe "validation" and "test"."""
    read: Callable[[int], bytes]
    """The encoded image of a row."""
    name_of: Callable[[int], str]
    """How a person finds the image of a row."""


def open_source(source: str, *, cache: Path) -> Source:
    """Finds `source` as a data set, a folder, a parquet file or a hub name, in this order.

    Raises ValueError where it is none of these, holds no labelled images, or its classes do not agree.
    """
    path = Path(source).expanduser()
    if source == DIGITS:
        opened = _digits()
    elif path.is_dir():
        parquet = any(path.glob("*.parquet")) or any(path.glob("*/*.parquet"))
        opened = _parquet(source, path, cache) if parquet else _folder(source, path, cache)
    elif path.is_file():
        if path.suffix.lower() != ".parquet":
            raise ValueError(
                f"{source} is a file but no parquet file: give a folder of images or a .parquet file"
            )
        opened = _parquet(source, path, cache)
    elif re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source):
        opened = _hub(source, cache)
    else:
        raise ValueError(
            f"{source}: no such file or folder: give a folder with one sub-folder a class, a parquet file, "
            f"a name on the Hugging Face hub, or {DIGITS!r}"
        )
    return opened


def _digits() -> Source:
    """scikit-learn's digits, as encoded images like any others."""
    from sklearn.datasets import load_digits  # here, since it takes a second to import

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)  # its values are 0–16

    def read(row: int) -> bytes:
        encoded = io.BytesIO()
        Image.fromarray(pixels[row]).save(encoded, "BMP")
        return encoded.getvalue()

    return Source(
        name=DIGITS,
        classes=tuple(str(name) for name in digits.target_names),
        labels=digits.target.astype(np.int64),
        splits={"train": np.arange(len(pixels))},
        read=read,
        name_of=lambda row: f"digit {row}",
    )


def _folder(source: str, root: Path, cache: Path) -> Source:
    """A folder with one sub-folder a class, alone or below `train/` and its like."""

    def split_folder(names: Sequence[str]) -> Path | None:
        # A class may be called "train" too, but it holds images and not folders.
        return next((root / name for name in names if any((root / name).glob("[!.]*/"))), None)

    train = split_folder(TRAIN_NAMES)
    folders = {"train": train or root}
    if train is not None:
        found = {"validation": split_folder(VALIDATION_NAMES), "test": split_folder(TEST_NAMES)}
        folders |= {split: folder for split, folder in found.items() if folder is not None}

    import datasets

    tables: dict[str, Any] = {}
    for split, folder in folders.items():
        # The pattern is ours: left to itself the library takes a file called test_1.png for a test split.
        pattern = f"{glob.escape(str(folder.absolute()))}/*/**"
        try:
            tables |= _load_dataset("imagefolder", data_files={split: pattern}, drop_labels=True, cache=cache)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(
                f"{source}: no images in the sub-folders of {folder}: "
                f"give a folder with one sub-folder a class, such as {folder / 'cat' / '1.jpg'}"
            ) from error

    def class_of(split: str, path: str) -> str:
        # By the topmost folder: what lies in cat/2024/ is a cat.
        return Path(path).relative_to(folders[split].absolute()).parts[0]

    encoded = {
        split: table.cast_column("image", datasets.Image(decode=False)) for split, table in tables.items()
    }
    paths = {split: [image["path"] for image in table["image"]] for split, table in encoded.items()}
    classes = {split: [class_of(split, path) for path in paths[split]] for split in paths}
    order = sorted(set(classes["train"]))
    return _from_tables(source, encoded, "image", classes, order=order, root=root.absolute())


def _parquet(source: str, path: Path, cache: Path) -> Source:
    """Parquet files with an image and a label column; their names say the split, as on the hub."""
    where: dict[str, Any] = (
        {"data_dir": str(path)} if path.is_dir() else {"data_files": glob.escape(str(path))}
    )
    try:
        tables = _load_dataset("parquet", cache=cache, **where)
    except ValueError as error:
        raise ValueError(f"{source}: unreadable as parquet ({first_line(error)}): write it anew") from error
    return _labelled(source, tables)


def _hub(source: str, cache: Path) -> Source:
    """A data set on the Hugging Face hub, downloaded once."""
    try:
        tables = _load_dataset(source, cache=cache)
    except (ConnectionError, FileNotFoundError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{source}: no such file or folder, and not to be had from the Hugging Face hub "
            f"({first_line(error)}): give a path that exists, or a hub name while the hub can be reached"
        ) from error
    return _labelled(source, tables)


def _load_dataset(path: str, *, cache: Path, **where: Any) -> Any:
    """`datasets.load_dataset`, quiet, its tables in our cache.

    Raises what it raises, but OSError where its tables cannot be written and ValueError where they cannot be
    made.
    """
    import datasets  # here, since it takes a second to import

    with _quiet():
        try:
            return datasets.load_dataset(path, cache_dir=str(cache / "datasets"), **where)
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            raise ValueError(first_line(error.__cause__ or error)) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no log lines from the library: what goes wrong is said in our own one line."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    datasets.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if shown:
            datasets.enable_progress_bars()


def _labelled(source: str, tables: Any) -> Source:
    """The image and label columns of a `datasets.DatasetDict`, whose splits are named as on the hub."""
    import datasets

    splits = {
        split: tables[found]
        for split, names in (("train", TRAIN_NAMES), ("validation", VALIDATION_NAMES), ("test", TEST_NAMES))
        if (found := next((name for name in names if name in tables), None))
    }
    if "train" not in splits:
        if len(tables) != 1:
            raise ValueError(f"{source}: no split called train among {some(tuple(tables))}: name one so")
        splits = {"train": next(iter(tables.values()))}

    features = splits["train"].features
    images = [name for name, feature in features.items() if _holds_images(feature)]
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    labels_by_name = [name for name in LABEL_COLUMNS if name in features]
    image = next((name for name in IMAGE_COLUMNS if name in images), images[0] if len(images) == 1 else None)
    label = labels_by_name[0] if labels_by_name else labels[0] if len(labels) == 1 else None
    if image is None or label is None:
        raise ValueError(
            f"{source}: no {'image' if image is None else 'label'} column among {some(tuple(features))}: "
            f"name it {IMAGE_COLUMNS[0] if image is None else LABEL_COLUMNS[0]!r}"
        )

    classes: dict[str, list[str]] = {}
    order: Sequence[str] = ()
    for split, table in list(splits.items()):
        values = table[label][:]
        feature = table.features[label]
        if any(value is None or value == -1 for value in values):  # the hub's mark of an unlabelled image
            if split == "train":
                raise ValueError(f"{source}: column {label!r} has rows without a label: leave them out")
            del splits[split]
            continue
        names = feature.names if isinstance(feature, datasets.ClassLabel) else None
        classes[split] = [names[value] for value in values] if names else [str(value) for value in values]
        if split == "train":
            order = names or [str(value) for value in sorted(set(values))]
    encoded = {split: t.cast_column(image, datasets.Image(decode=False)) for split, t in splits.items()}
    return _from_tables(source, encoded, image, classes, order=order, root=None)


def _holds_images(feature: Any) -> bool:
    """Whether a column is images, or what images look like in parquet files written without `datasets`."""
    import datasets

    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "bytes" in feature)


def _from_tables(
    source: str,
    tables: dict[str, Any],
    column: str,
    classes: dict[str, list[str]],
    *,
    order: Sequence[str],
    root: Path | None,
) -> Source:
    """One run of numbered rows over the tables of all splits, whose `column` holds encoded images.

    `classes` has the class of each row, `order` the order of the labels; names are relative to `root`.
    """
    import datasets

    present = set(classes["train"])
    known = [name for name in order if name in present]
    for split, names in classes.items():
        if differing := set(known) ^ set(names):
            raise ValueError(
                f"{source}: train and {split} differ in their classes, by {some(sorted(differing))}: "
                f"give both the same, or leave {split} out and it is split off train"
            )
    position = {name: label for label, name in enumerate(known)}
    labels = np.array([position[name] for split in tables for name in classes[split]], dtype=np.int64)
    ends = np.cumsum([len(table) for table in tables.values()])
    splits = {
        split: np.arange(end - len(table), end)
        for (split, table), end in zip(tables.items(), ends.tolist(), strict=True)
    }
    # Arrow's column and not the table's rows: several times faster one at a time.
    joined = datasets.concatenate_datasets([table.select_columns([column]) for table in tables.values()])
    encoded = joined.data.column(column)

    def read(row: int) -> bytes:
        image = encoded[row].as_py()
        return image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()

    def name_of(row: int) -> str:
        split = next(split for split, rows in splits.items() if rows[0] <= row <= rows[-1])
        path = encoded[row].as_py()["path"]
        if root is not None:
            return str(Path(path).relative_to(root))
        return f"{split} row {row - splits[split][0]}" + (f" ({path})" if path else "")

    return Source(name=source, classes=tuple(known), labels=labels, splits=splits, read=read, name_of=name_of)


def digests_of(origin: Source, progress: Progress | None) -> Digests:
    """[rows]: the first 64 bits of each encoded image's hash: its identity, and its place in every draw."""
    digests = np.empty(len(origin.labels), dtype=np.uint64)
    for row in range(len(digests)):
        digest = hashlib.blake2b(origin.read(row), digest_size=8).digest()
        digests[row] = int.from_bytes(digest, "big")
        if progress is not None and ((row + 1) % CHUNK == 0 or row + 1 == len(digests)):
            progress("reading", row + 1, len(digests))
    return digests
