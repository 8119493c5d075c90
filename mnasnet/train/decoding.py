"""Decoding: encoded images to pixels of one size, once, into a memory-mapped cache."""

import contextlib
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from mnasnet.base.progress import StageProgress
from mnasnet.base.words import first_line, some
from mnasnet.train.sources import CHUNK, Digests, Rows, Source, cannot_keep, data_error

CROP_MARGIN = 8 / 7
"""Side stored of large images over the side trained at: 256 for 224, the official evaluation's 0.875 crop."""

SKIPS_ALLOWED = 10
SKIPS_ALLOWED_FRACTION = 0.01
"""Corrupt images are skipped up to ten or one in a hundred, whichever is more; with more a set is refused."""

GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's names of pixel formats without colour."""

CACHE_FORMAT = 1
"""Part of every cache key: raise it when the same images would be decoded to other pixels."""

PARTIAL = "partial-"
"""How the names of folders begin that are being decoded into."""

ABANDONED_AFTER_S = 24 * 3600
"""A folder being decoded into is written to all the time: untouched for a day, its process was killed."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Rows of a source, decoded to one size."""

    pixels: Tensor
    """uint8 [kept rows, channels, side, side], laid out channels_last; memory-mapped."""
    kept: npt.NDArray[np.bool_]
    """[rows asked for]: whether the row could be decoded."""
    skipped: tuple[str, ...]
    """The rows that could not, as a person finds them, with the reason."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Per channel, with pixels scaled to 0–1."""


def decoded(
    origin: Source,
    rows: Rows,
    digests: Digests,
    *,
    side: int,
    channels: int | None,
    cache: Path,
    progress: StageProgress | None,
) -> Decoded:
    """The images of `rows`, from the cache or decoded into it; `channels` None: 1 if all are grey, else 3.

    Raises RequestError where too many images are corrupt, OSError where the cache cannot be written.
    """
    key = hashlib.blake2b(digests[rows].astype("<u8").tobytes(), digest_size=16).hexdigest()
    folder = cache / "pixels" / f"{key}-{side}px-{channels or 'own'}-v{CACHE_FORMAT}"
    _clear_abandoned(folder.parent)
    if not _is_whole(folder):
        _fill(folder, origin, rows, side=side, channels=channels, progress=progress)
    index = json.loads((folder / "index.json").read_text())
    shape = (index["count"], side, side, index["channels"])
    # Mapped privately: the file stays as it is, whatever is done to the tensor.
    pixels = torch.from_file(str(folder / "pixels"), shared=False, size=math.prod(shape), dtype=torch.uint8)
    kept = np.ones(len(rows), dtype=np.bool_)
    kept[[position for position, _ in index["skipped"]]] = False
    return Decoded(
        pixels=pixels.view(shape).permute(0, 3, 1, 2),
        kept=kept,
        skipped=tuple(f"{origin.name_of(int(rows[at]))}: {why}" for at, why in index["skipped"]),
        mean=tuple(index["mean"]),
        std=tuple(index["std"]),
    )


def _is_whole(folder: Path) -> bool:
    """Whether a cache folder is there with all its pixels."""
    try:
        index = json.loads((folder / "index.json").read_text())
        size_bytes = (folder / "pixels").stat().st_size
    except (FileNotFoundError, json.JSONDecodeError):  # not there, or cut short with the power
        return False
    return bool(size_bytes == index["count"] * index["side"] ** 2 * index["channels"])


def _clear_abandoned(folder: Path) -> None:
    """Removes what killed processes left half decoded: what was not written to for `ABANDONED_AFTER_S`."""
    for partial in folder.glob(f"{PARTIAL}*"):
        # It may go meanwhile, or be somebody else's in a cache that is shared: no reason to stop a search.
        with contextlib.suppress(OSError):
            written_at = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - written_at > ABANDONED_AFTER_S:
                shutil.rmtree(partial)


def _fill(
    folder: Path,
    origin: Source,
    rows: Rows,
    *,
    side: int,
    channels: int | None,
    progress: StageProgress | None,
) -> None:
    """Decodes into another folder and renames it: on return `folder` is whole, after an error not there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder.parent) as partial:
            whole = Path(partial) / "whole"
            whole.mkdir()
            try:
                index = _write(
                    whole,
                    origin,
                    rows,
                    side=side,
                    channels=channels or 1,
                    only_grey=channels is None,
                    progress=progress,
                )
            except _NotGreyError:
                index = _write(whole, origin, rows, side=side, channels=3, only_grey=False, progress=progress)
            (whole / "index.json").write_text(json.dumps(index))
            if not _is_whole(folder):  # another process may have been faster
                shutil.rmtree(folder, ignore_errors=True)
                whole.rename(folder)
    except OSError as error:
        raise cannot_keep("decoded images", folder.parent, error) from error


def _write(
    folder: Path,
    origin: Source,
    rows: Rows,
    *,
    side: int,
    channels: int,
    only_grey: bool,
    progress: StageProgress | None,
) -> dict[str, Any]:
    """Writes the file `pixels`, [count, side, side, channels], and returns the index that belongs to it.

    Raises RequestError where too many images are corrupt, _NotGreyError where one has colour and `only_grey`.
    """
    allowed = max(SKIPS_ALLOWED, int(SKIPS_ALLOWED_FRACTION * len(rows)))
    sums, squares = np.zeros((2, channels), dtype=np.int64)
    skipped: list[tuple[int, str]] = []

    def attempt(row: int) -> npt.NDArray[np.uint8] | Exception:
        try:
            return decode(origin.read(row), side=side, channels=channels, only_grey=only_grey)
        except UnidentifiedImageError:  # it names the memory address that it was read from
            return ValueError("no image format that is known")
        except MemoryError:
            raise
        except Exception as error:  # on broken bytes Pillow's decoders raise what they like
            return error

    # Pillow warns of odd metadata and of large images; whether it decodes is what counts here.
    with (
        warnings.catch_warnings(action="ignore"),
        ThreadPoolExecutor(os.cpu_count()) as threads,
        (folder / "pixels").open("wb") as file,
    ):
        for start in range(0, len(rows), CHUNK):
            good = []
            for at, outcome in enumerate(threads.map(attempt, rows[start : start + CHUNK].tolist()), start):
                if isinstance(outcome, _NotGreyError):
                    raise outcome
                if isinstance(outcome, Exception):
                    skipped.append((at, first_line(outcome)))
                else:
                    good.append(outcome)
            if len(skipped) > allowed or len(skipped) == len(rows):
                names = [f"{origin.name_of(int(rows[at]))}: {why}" for at, why in skipped]
                how_many = "all" if len(skipped) == len(rows) else f"more than {allowed} of"
                raise data_error(
                    origin.name,
                    f"{how_many} {len(rows)} images are corrupt ({some(names)}): replace them or take them out",
                )
            if good:
                chunk = np.stack(good)
                file.write(chunk.tobytes())
                sums += chunk.sum((0, 1, 2), dtype=np.int64)
                squares += np.square(chunk, dtype=np.uint16).sum((0, 1, 2), dtype=np.int64)
            if progress is not None:
                progress("decoding", min(start + CHUNK, len(rows)), len(rows))
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
    count = len(rows) - len(skipped)
    values = count * side**2  # of each channel
    variances = [
        (values * q - t * t) / values**2 for t, q in zip(sums.tolist(), squares.tolist(), strict=True)
    ]
    return {
        "count": count,
        "side": side,
        "channels": channels,
        "skipped": skipped,
        "mean": [total / (255 * values) for total in sums.tolist()],
        # Where a channel is the same everywhere there is nothing to scale.
        "std": [math.sqrt(variance) / 255 or 1.0 for variance in variances],
    }


class _NotGreyError(Exception):
    """An image with colour where all before it were grey."""


def decode(encoded: bytes, *, side: int, channels: int, only_grey: bool = False) -> npt.NDArray[np.uint8]:
    """The central square of an image, upright, [side, side, channels] of 0–255, bilinear with antialiasing.

    Transparency is dropped; the first frame of several counts. Raises _NotGreyError if `only_grey` and it is
    not, and whatever Pillow raises where it cannot be decoded.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        if only_grey and image.mode not in GREY_MODES:
            raise _NotGreyError
        image.draft(None, (side, side))  # JPEG at an eighth to a half of its size, where that is enough
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        # Pillow's own conversion takes all above 255 for white.
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    elif upright.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {upright.mode} have no known range: save it with 8 or 16 bits")
    elif upright.mode in ("P", "PA"):
        upright = upright.convert("RGBA")
    square = ImageOps.fit(
        upright.convert("L" if channels == 1 else "RGB"), (side, side), Image.Resampling.BILINEAR
    )
    return np.asarray(square).reshape(side, side, channels)


def stored_side(origin: Source, rows: Rows, image_size: int) -> int:
    """The side to store: with room for crops if most of a hundred images have it, else the size itself."""
    roomy = round(image_size * CROP_MARGIN)
    short_sides = []
    with warnings.catch_warnings(action="ignore"):
        for row in rows[:100].tolist():
            # A corrupt image has no say here; it is named when it comes to decoding.
            with contextlib.suppress(Exception), Image.open(io.BytesIO(origin.read(row))) as image:
                short_sides.append(min(image.size))
    return roomy if short_sides and np.median(short_sides) >= roomy else image_size
