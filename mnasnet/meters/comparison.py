"""Model files timed beside one another: which is faster, and which differences are noise."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mnasnet.arch.records import Artifact, Format, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device
from mnasnet.devices.model_file import open_model_file
from mnasnet.export.metadata import MetadataError
from mnasnet.meters.table_meter import TableDevice

FORMATS: dict[str, Format] = {".tflite": "tflite", ".onnx": "onnx"}
"""By how the names of files end."""

LAUNCHES = 5
"""Fresh processes that a latency to be relied on is spread over."""

DISTURBED = 0.5
"""Share of blocks thrown away from which on milliseconds are said to be those of a busy machine."""

Verdict = Literal["faster", "slower", "tied"]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A file and its latency."""

    path: Path
    latency: Latency
    interval_ms: tuple[float, float]
    """95 %, of the milliseconds; the record's own is that of the ratio to the first file, which verdicts go by."""


def artifact_at(path: Path) -> Artifact:
    """The file at `path`, ours or not.

    Raises:
        RequestError: it is not there, or of no format that can be timed.
    """
    if path.suffix not in FORMATS:
        raise RequestError(f"{path}: give a file whose name ends in {' or '.join(FORMATS)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Artifact(path=path, format=FORMATS[path.suffix], digest=digest, size_bytes=len(content))


def _with_architecture(artifact: Artifact) -> Artifact:
    """The file with what it says of its network; only files of ours say anything."""
    try:
        metadata = open_model_file(artifact.path).metadata
    except MetadataError:
        return artifact
    return replace(artifact, architecture=metadata.architecture, precision=metadata.precision)


def compare(
    device: Device,
    paths: Sequence[Path],
    *,
    launches: int = LAUNCHES,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Timed]:
    """Times all files against the first of them, which is timed against a copy of itself.

    The first is of similar size to the others if anything is, which a network of ours need not be; and it makes
    every difference to it a direct one. A table knows its own reference only, and of files those that were written
    by `mnasnet`.

    Raises:
        RequestError: one of them is no file to be timed; nothing has been timed then.
        DeviceError: one of them cannot be run, or the device was lost.
    """
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise RequestError(f"{path}: is given twice; give a copy of it to see the noise")
    artifacts = [artifact_at(path) for path in paths]
    first, agreed = artifacts[0], None
    if isinstance(device, TableDevice):
        artifacts, first = [_with_architecture(one) for one in artifacts], device.reference
    done: list[Timed] = []
    for number, artifact in enumerate(artifacts):
        progress(f"timing {artifact.path.name}", number, len(artifacts))
        latency = device.measure(artifact, reference=first, agreed=agreed, launches=launches)
        if agreed is None and not latency.predicted:
            agreed = latency
            latency = _unit(latency)
        interval_ms = latency.interval_ms(agreed or latency)
        done.append(Timed(path=artifact.path, latency=latency, interval_ms=interval_ms))
    progress("timing", len(artifacts), len(artifacts))
    return done


def _unit(itself: Latency) -> Latency:
    """The reference's own latency: it is the unit, and what a copy of it was found to be off is its noise."""
    off = max(itself.high_ms / itself.reference_ms, itself.reference_ms / itself.low_ms)
    return replace(
        itself,
        ratio=1.0,
        median_ms=itself.reference_ms,
        low_ms=itself.reference_ms / off,
        high_ms=itself.reference_ms * off,
    )


def busy(latencies: Sequence[Latency]) -> str | None:
    """What to say of latencies of which more than half of the blocks were thrown away; None of others."""
    thrown = sum(one.blocks_discarded for one in latencies)
    share = thrown / max(1, thrown + sum(len(one.raw_ms) for one in latencies))
    if share <= DISTURBED:
        return None
    return (
        f"{share:.0%} of the blocks were disturbed and thrown away: ratios hold, but milliseconds are those of "
        "this busy moment, and another run may find others beyond these intervals"
    )


def verdict(one: Latency, other: Latency) -> Verdict:
    """How `one` is beside `other`: tied where the intervals of their ratios to the first file meet.

    That is stricter than a test of the difference, by which one of twenty equal pairs would be called different.
    """
    if one.high_ms < other.low_ms:
        return "faster"
    return "slower" if one.low_ms > other.high_ms else "tied"
