"""Sources: labelled images as they are kept, from the embedded digits, a folder, parquet files or the hub.

A source gives encoded images in numbered rows, their classes and the splits that the set brings; it decodes none.
"""

import contextlib
import glob
import hashlib
import io
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnasnet.base.errors import RequestError
from mnasnet.base.progress import StageProgress
from mnasnet.base.words import first_line, some

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


def data_error(data: str, message: str) -> RequestError:
    """What to raise where the images that were asked for cannot be served."""
    return RequestError(message, field="data", value=data)


def cannot_keep(what: str, folder: Path, error: OSError) -> OSError:
    """What to raise where the cache takes no more."""
    return OSError(
        f"cannot keep {what} in {folder} ({error.strerror or first_line(error)}): make room there, let yourself "
        "write there, or set MNASNET_CACHE to another folder"
    )


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


def open_source(data: str, *, cache: Path, progress: StageProgress | None = None) -> Source:
    """Finds `data` as a data set, a folder, a parquet file or a hub name, in this order.

    Raises:
        RequestError: it is none of these, cannot be read, lacks images or labels, or its classes do not agree.
        OSError: the cache cannot be written.
    """
    path = Path(data).expanduser().absolute()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a folder above it is closed to us
        raise _unreadable(error) from error
    if data == DIGITS:
        opened = _digits()
    elif is_folder:
        parquet = _files(path, (".parquet",), depth=1)
        opened = _parquet(data, path, parquet, cache) if parquet else _folder(data, path)
    elif is_file:
        if path.suffix.lower() != ".parquet":
            raise data_error(
                data,
                "a file but not a parquet file: give a folder of images or a .parquet file",
            )
        opened = _parquet(data, path, [str(path)], cache)
    elif re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", data):
        opened = _hub(data, cache, progress)
    else:
        raise data_error(
            data,
            "no such file or folder: give a folder with one sub-folder for each class, a parquet file, a name on "
            f"the Hugging Face hub, or {DIGITS!r}",
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


def _folder(source: str, root: Path) -> Source:
    """A folder with one sub-folder a class, alone or below `train/` and its like."""
    inside, _ = _listed(root)

    def split_folder(names: Sequence[str]) -> Path | None:
        # A class may be called "train" too, but it holds images and not folders.
        named = [folder for name in names for folder in inside if folder.name.lower() == name]
        return next((folder for folder in named if _listed(folder)[0]), None)

    train = split_folder(TRAIN_NAMES)
    folders = {"train": train or root}
    found = {"validation": split_folder(VALIDATION_NAMES), "test": split_folder(TEST_NAMES)}
    beside = {split: folder for split, folder in found.items() if folder is not None}
    if train is not None:
        folders |= beside
    elif beside:
        folder = next(iter(beside.values()))
        raise data_error(
            source,
            f"{folder} holds classes, as a split does, and there is no {root / TRAIN_NAMES[0]} beside it: move the "
            "other classes there",
        )

    registered = Image.registered_extensions().items()
    endings = tuple(ending for ending, kind in registered if kind in Image.OPEN)
    files: list[str] = []
    classes: dict[str, list[str]] = {}
    for split, folder in folders.items():
        # By the topmost folder: what lies in cat/2024/ is a cat.
        images = {own.name: _files(own, endings) for own in _listed(folder)[0]}
        if not images:
            raise data_error(
                source,
                "it has no sub-folders: give a folder with one sub-folder for each class, such as "
                f"{folder / 'cat' / '1.jpg'}",
            )
        if empty := [str(folder / name) for name, paths in images.items() if not paths]:
            raise data_error(
                source,
                f"no image files, such as .jpg or .png, in {some(empty)}: put the images of a class into its "
                "folder, or move the folder elsewhere if it is no class",
            )
        files += [path for paths in images.values() for path in paths]
        classes[split] = [name for name, paths in images.items() for _ in paths]
    names, labels, splits = _numbered(source, classes, order=sorted(set(classes["train"])))
    return Source(
        name=source,
        classes=names,
        labels=labels,
        splits=splits,
        read=lambda row: _bytes_of(files[row]),
        name_of=lambda row: str(Path(files[row]).relative_to(root)),
    )


def _files(folder: Path, endings: tuple[str, ...], *, depth: int | None = None) -> list[str]:
    """Paths of the files below `folder`, at most `depth` folders deeper, whose names end so.

    Raises RequestError where a folder cannot be read: what is in it would be missing without a word.
    """
    folders, files = _listed(folder)
    found = [path for path in files if path.lower().endswith(endings)]
    for inner in folders if depth != 0 else []:
        # A link to a folder above would lead around for ever, and adds nothing.
        if not (inner.is_symlink() and folder.resolve().is_relative_to(inner.resolve())):
            found += _files(inner, endings, depth=None if depth is None else depth - 1)
    return found


def _listed(folder: Path) -> tuple[list[Path], list[str]]:
    """The folders in `folder`, and the paths of its files, by name; without hidden ones and `__MACOSX`.

    Raises RequestError where it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if entry.name[0] != "." and entry.name != "__MACOSX"]
            shown.sort(key=lambda entry: entry.name)
            folders = [Path(entry.path) for entry in shown if entry.is_dir()]
            return folders, [entry.path for entry in shown if not entry.is_dir()]
    except OSError as error:
        raise _unreadable(error) from error


def _bytes_of(path: str) -> bytes:
    """A whole file; raises RequestError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> RequestError:
    """What to raise where a file or folder of the user's cannot be read."""
    return RequestError(
        f"{error.filename} cannot be read ({error.strerror}): make it readable, or move it elsewhere"
    )


def _parquet(source: str, path: Path, files: Sequence[str], cache: Path) -> Source:
    """Parquet files with an image and a label column; their names say the split, as on the hub."""
    for file in files:
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise _unreadable(error) from error
    where: dict[str, Any] = (
        {"data_dir": str(path)} if path.is_dir() else {"data_files": glob.escape(str(path))}
    )
    try:
        tables = _load_dataset("parquet", cache=cache, **where)
    except ValueError as error:
        raise data_error(
            source,
            f"cannot be read as parquet ({first_line(error)}): write it anew, or give another",
        ) from error
    return _labelled(source, tables)


def _hub(source: str, cache: Path, progress: StageProgress | None) -> Source:
    """A data set on the Hugging Face hub, downloaded once."""
    asking = f"asking the Hugging Face hub for {source}"
    if progress is not None:
        progress(asking, 0, 1)  # the answer may be a large download, and without a network it takes 20 s
    try:
        tables = _load_dataset(source, cache=cache)
    except ConnectionError as error:
        raise data_error(
            source,
            "no such file or folder here, and the Hugging Face hub cannot be reached to look it up: correct the "
            "path, or connect to a network to use a name on the hub",
        ) from error
    except (FileNotFoundError, ValueError, RuntimeError) as error:
        raise data_error(
            source,
            f"no such file or folder here, and no data set from the Hugging Face hub ({first_line(error)}): "
            "correct the path or the name, or download it and give its parquet files",
        ) from error
    if progress is not None:
        progress(asking, 1, 1)
    return _labelled(source, tables)


def _load_dataset(path: str, *, cache: Path, **where: Any) -> Any:
    """`datasets.load_dataset`, quiet, its tables in our cache.

    Raises ConnectionError and FileNotFoundError as it does; OSError where its tables cannot be written; ValueError
    where they cannot be made, and RuntimeError as it does.
    """
    import datasets  # here, since it takes a second to import

    folder = cache / "datasets"
    with _quiet():
        try:
            return datasets.load_dataset(path, cache_dir=str(folder), **where)
        except (ConnectionError, FileNotFoundError):
            raise
        except (OSError, datasets.exceptions.DatasetGenerationError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__ or error
            # Broken bytes and requests that failed are OSErrors to Arrow and the hub, but ones without a number.
            if isinstance(cause, OSError) and cause.errno is not None:
                raise cannot_keep("images", folder, cause) from error
            raise ValueError(first_line(cause)) from error


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
            raise data_error(
                source,
                f"it has several splits ({some(tuple(tables))}) and none is called train: call one so",
            )
        splits = {"train": next(iter(tables.values()))}

    features = splits["train"].features
    images = [name for name, feature in features.items() if _holds_images(feature)]
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    labels_by_name = [name for name in LABEL_COLUMNS if name in features]
    image = next((name for name in IMAGE_COLUMNS if name in images), images[0] if len(images) == 1 else None)
    label = labels_by_name[0] if labels_by_name else labels[0] if len(labels) == 1 else None
    if image is None or label is None:
        missing, name = ("image", IMAGE_COLUMNS[0]) if image is None else ("label", LABEL_COLUMNS[0])
        raise data_error(
            source,
            f"it has no {missing} column among {some(tuple(features))}: call the one that it is {name!r}",
        )

    names: dict[str, list[str]] = {}
    order: Sequence[str] = ()
    for split, table in list(splits.items()):
        values = table[label][:]
        feature = table.features[label]
        unlabelled = sum(value is None or value == -1 for value in values)  # as the hub marks them
        if unlabelled and unlabelled == len(values) and split != "train":
            del splits[split]  # a test set whose labels are kept secret
            continue
        if unlabelled:
            raise data_error(
                source,
                f"{unlabelled} of the {len(values)} images in split {split!r} have no label in column {label!r}: "
                "leave them out",
            )
        known = feature.names if isinstance(feature, datasets.ClassLabel) else None
        names[split] = [known[value] for value in values] if known else [str(value) for value in values]
        if split == "train":
            order = known or [str(value) for value in sorted(set(values))]
    classes, row_labels, rows_of = _numbered(source, names, order=order)
    encoded = [
        table.cast_column(image, datasets.Image(decode=False)).select_columns([image])
        for table in splits.values()
    ]
    # Arrow's column and not the table's rows: several times faster one at a time.
    column = datasets.concatenate_datasets(encoded).data.column(image)

    def kept(row: int) -> dict[str, Any]:
        return column[row].as_py() or {"bytes": None, "path": None}

    def read(row: int) -> bytes:
        image = kept(row)
        if image["bytes"] is None and image["path"] is not None:
            return _bytes_of(image["path"])
        return image["bytes"] or b""  # a row without an image is a corrupt one, and named as such

    def name_of(row: int) -> str:
        split = next(split for split, rows in rows_of.items() if rows[0] <= row <= rows[-1])
        path = kept(row)["path"]
        return f"{split} row {row - rows_of[split][0]}" + (f" ({path})" if path else "")

    return Source(name=source, classes=classes, labels=row_labels, splits=rows_of, read=read, name_of=name_of)


def _holds_images(feature: Any) -> bool:
    """Whether a column is images, or what images look like in parquet files written without `datasets`."""
    import datasets

    return isinstance(feature, datasets.Image) or (isinstance(feature, dict) and "bytes" in feature)


def _numbered(
    source: str, classes: dict[str, list[str]], *, order: Sequence[str]
) -> tuple[tuple[str, ...], Rows, dict[str, Rows]]:
    """Class names, labels and splits, with one run of row numbers over all splits.

    `classes` has the class of each image of each split, `order` the order of the labels.

    Raises RequestError where the splits have not the same classes.
    """
    present = set(classes["train"])
    known = tuple(name for name in order if name in present)
    for split, names in classes.items():
        if differing := present ^ set(names):
            raise data_error(
                source,
                f"of train and {split} only one has images of {some(sorted(differing))}: give both the same "
                f"classes, or take {split} away, and a part of train stands in for it",
            )
    position = {name: label for label, name in enumerate(known)}
    labels = np.array([position[name] for names in classes.values() for name in names], dtype=np.int64)
    ends = np.cumsum([len(names) for names in classes.values()]).tolist()
    splits = {
        split: np.arange(end - len(names), end)
        for (split, names), end in zip(classes.items(), ends, strict=True)
    }
    return known, labels, splits


def digests_of(origin: Source, progress: StageProgress | None) -> Digests:
    """[rows]: the first 64 bits of each encoded image's hash: its identity, and its place in every draw."""
    digests = np.empty(len(origin.labels), dtype=np.uint64)
    for row in range(len(digests)):
        digest = hashlib.blake2b(origin.read(row), digest_size=8).digest()
        digests[row] = int.from_bytes(digest, "big")
        if progress is not None and ((row + 1) % CHUNK == 0 or row + 1 == len(digests)):
            progress("reading", row + 1, len(digests))
    return digests
