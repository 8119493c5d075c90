"""From raw timings to a latency: the ratio to the reference over its undisturbed blocks, and its interval.

What a block and a load are, and where their numbers come from, says `mnasnet.devices.timing`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices.device import Device
from mnasnet.devices.timing import Launch, Timings, quiet_blocks

RELIABLE_LAUNCHES = 5
"""Fresh processes that a latency to be relied on is spread over."""

INTERVAL_LAUNCHES = 3
"""From here on launches are the unit of the interval; the spread of two says too little about a third."""

# fmt: off
STUDENT_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)
# fmt: on
"""97.5 % quantiles of Student's t for 1 to 30 degrees of freedom; the last one serves for more."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How long the candidate takes in units of the reference."""

    middle: float
    low: float
    high: float
    """`low` to `high` is a 95 % interval of `middle`."""
    launch_spread: float | None
    """As in `Latency`."""


def estimate_ratio(kept: Sequence[Launch], *, unit: Latency | None = None) -> Ratio:
    """Geometric mean over loads or launches, with Student's interval of the mean of their logarithms.

    A load counts as the median ratio of its blocks. The values are the launches, each the mean of its loads, when
    there are at least three, so that the interval holds what differs between launches; else they are the loads, and
    the interval is no narrower than what the launches of `unit` say that so few can tell.

    Raises:
        ValueError: fewer than two loads have a block.
    """
    by_launch = [
        [math.log(median(block.ratio for block in load)) for load in launch if load] for launch in kept
    ]
    launches = [fmean(loads) for loads in by_launch if loads]
    enough_launches = len(launches) >= INTERVAL_LAUNCHES
    values = launches if enough_launches else [load for loads in by_launch for load in loads]
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 loads with an undisturbed block, not {len(values)}")
    middle, spread = fmean(values), stdev(values)
    half = student_quantile(len(values)) * spread / math.sqrt(len(values))
    if not enough_launches and unit is not None and unit.launch_spread is not None:
        half = max(half, student_quantile(unit.launches) * unit.launch_spread / math.sqrt(len(launches)))
    return Ratio(
        middle=math.exp(middle),
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        launch_spread=spread if enough_launches else None,
    )


def _reference_half(kept: Sequence[Launch]) -> float | None:
    """As in `Latency`, from the median of each launch."""
    logs = [
        math.log(median(median(block.reference_ms) for load in launch for block in load))
        for launch in kept
        if any(launch)
    ]
    if len(logs) < INTERVAL_LAUNCHES:
        return None
    return student_quantile(len(logs)) * stdev(logs) / math.sqrt(len(logs))


def student_quantile(values: int) -> float:
    """The 97.5 % quantile for the mean of so many values, at least 2."""
    return STUDENT_975[min(values - 1, len(STUDENT_975)) - 1]


def make_latency(timings: Timings, *, unit: Latency | None) -> Latency:
    """The latency that raw timings give.

    `unit` is an earlier measurement of the reference against itself, in several launches. It fixes the unit: one
    run of the reference is taken to last its `reference_ms`, so that all latencies of a study are in the same
    milliseconds however fast the machine is at the moment; and it tells what differs between launches. With None
    the reference lasts its median over the blocks kept.

    Raises:
        ValueError: fewer than two loads.
    """
    kept = quiet_blocks(timings.launches)
    blocks = [block for launch in kept for load in launch for block in load]
    raw_reference_ms = tuple(median(block.reference_ms) for block in blocks)
    reference_ms = median(raw_reference_ms) if unit is None else unit.reference_ms
    ratio = estimate_ratio(kept, unit=unit)
    # No interval is narrower than what the steps of the clock leave open.
    candidate_ms = median(median(block.candidate_ms) for block in blocks)
    step = math.exp(timings.resolution_ms / 2 * (1 / candidate_ms + 1 / median(raw_reference_ms)))
    return Latency(
        median_ms=ratio.middle * reference_ms,
        low_ms=min(ratio.low, ratio.middle / step) * reference_ms,
        high_ms=max(ratio.high, ratio.middle * step) * reference_ms,
        ratio=ratio.middle,
        reference_ms=reference_ms,
        raw_ms=tuple(median(block.candidate_ms) for block in blocks),
        raw_reference_ms=raw_reference_ms,
        runs=sum(len(block.candidate_ms) * block.summarized for block in blocks),
        blocks_discarded=sum(len(load) for launch in timings.launches for load in launch) - len(blocks),
        launches=len(timings.launches),
        device=timings.device,
        runtime=f"{timings.runtime}, {timings.clock}",
        threads=timings.threads,
        cores=tuple(timings.cores),
        measured_at=timings.measured_at,
        launch_spread=ratio.launch_spread,
        reference_half=_reference_half(kept),
        not_delegated=tuple(timings.not_delegated),
        statistic=timings.statistic,
        governor=timings.state.governor,
        frequency_mhz=timings.state.frequency_mhz,
        temperature_c=timings.state.temperature_c,
        waited_s=timings.waited_s,
    )


def measure_latency(
    device: Device, artifact: Artifact, *, reference: Artifact, unit: Latency | None, launches: int = 1
) -> Latency:
    """What a file takes on a device, in the unit that `make_latency` says.

    Raises:
        UnsuitableError, DeviceError, DeviceLostError, ValueError: as of `Device.time_file`.
    """
    return make_latency(device.time_file(artifact, reference=reference, launches=launches), unit=unit)
