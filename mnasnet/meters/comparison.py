"""Model files timed beside one another: which is faster, and which differences are noise."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mnasnet.arch.records import Artifact, Format, Latency
from mnasnet.base.errors import RequestError
from mnasnet.base.progress import StageProgress
from mnasnet.devices.model_file import open_model_file
from mnasnet.export.metadata import MetadataError
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.meter import ReferencedMeter

TIMED_FORMATS: dict[str, Format] = {".tflite": "tflite", ".onnx": "onnx"}
"""By how the names of files end."""

BUSY_SHARE = 0.5
"""Share of blocks thrown away from which on milliseconds are said to be those of a busy machine."""

PairVerdict = Literal["faster", "slower", "tied"]


@dataclass(frozen=True, kw_only=True)
class FileLatency:
    """A file and its latency."""

    path: Path
    latency: Latency
    interval_ms: tuple[float, float]
    """95 %, of the milliseconds; the record's own is that of the ratio to the first file, which verdicts go by."""


def read_artifact(path: Path) -> Artifact:
    """The file at `path`, ours or not.

    Raises:
        RequestError: it is not there, or of no format that can be timed.
    """
    if path.suffix not in TIMED_FORMATS:
        raise RequestError(f"{path}: give a file whose name ends in {' or '.join(TIMED_FORMATS)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Artifact(path=path, format=TIMED_FORMATS[path.suffix], digest=digest, size_bytes=len(content))


def _read_architecture(artifact: Artifact) -> Artifact:
    """The file with what it says of its network; only files of ours say anything.

    Raises:
        RequestError: it is no network that can be run here.
    """
    try:
        metadata = open_model_file(artifact.path).metadata
    except MetadataError:
        return artifact
    return replace(artifact, architecture=metadata.architecture, precision=metadata.precision)


def compare_files(
    meter: ReferencedMeter,
    paths: Sequence[Path],
    *,
    launches: int = RELIABLE_LAUNCHES,
    progress: StageProgress = lambda stage, done, total: None,
) -> list[FileLatency]:
    """Times all files against the first of them, which is timed against a copy of itself.

    The first is of similar size to the others if anything is, which a network of ours need not be; and it makes
    every difference to it a direct one. A table keeps its own reference, and knows of files only those that were
    written by `mnasnet`.

    Raises:
        RequestError: one of them is no file to be timed; nothing has been timed then.
        UnsuitableError: files like one of them cannot be timed there.
        DeviceError: one of them cannot be run, or the device was lost.
    """
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise RequestError(f"{path}: is given twice; give a copy of it to see the noise")
    artifacts = [read_artifact(path) for path in paths]
    predicts = meter.calibrated_device is not None
    if predicts:
        artifacts = [_read_architecture(artifact) for artifact in artifacts]
    else:
        meter.use_reference(artifacts[0])
    compared: list[FileLatency] = []
    for number, artifact in enumerate(artifacts):
        progress(f"timing {artifact.path.name}", number, len(artifacts))
        if predicts or number > 0:
            latency = meter.measure_file(artifact, launches=launches, lenient=True)
        else:
            latency = _as_unit(meter.measure_reference(launches=launches, lenient=True))
        interval_ms = latency.interval_ms(meter.unit or latency)
        compared.append(FileLatency(path=artifact.path, latency=latency, interval_ms=interval_ms))
    progress("timing", len(artifacts), len(artifacts))
    return compared


def _as_unit(reference: Latency) -> Latency:
    """The reference's own latency: it is the unit, and what a copy of it was found to be off is its noise."""
    off = max(reference.high_ms / reference.reference_ms, reference.reference_ms / reference.low_ms)
    return replace(
        reference,
        ratio=1.0,
        median_ms=reference.reference_ms,
        low_ms=reference.reference_ms / off,
        high_ms=reference.reference_ms * off,
    )


def busy_warning(latencies: Sequence[Latency]) -> str | None:
    """What to say of latencies of which more than half of the blocks were thrown away; None of others."""
    discarded = sum(latency.blocks_discarded for latency in latencies)
    share = discarded / max(1, discarded + sum(len(latency.raw_ms) for latency in latencies))
    if share <= BUSY_SHARE:
        return None
    return (
        f"{share:.0%} of the blocks were disturbed and thrown away: ratios hold, but milliseconds are those of "
        "this busy moment, and another run may find others beyond these intervals"
    )


def judge_pair(one: Latency, other: Latency) -> PairVerdict:
    """How `one` is beside `other`: tied where the intervals of their ratios to the first file meet.

    That is stricter than a test of the difference, by which one of twenty equal pairs would be called different.
    """
    if one.high_ms < other.low_ms:
        return "faster"
    return "slower" if one.low_ms > other.high_ms else "tied"
