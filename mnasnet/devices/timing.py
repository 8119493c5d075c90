"""From alternating run times to a latency: which blocks count, the ratio to the reference and its interval.

A load is one loading of candidate and reference into memory, side by side in one process; a block is some runs of
the reference followed by some of the candidate. Everything is a ratio within a block, so the result does not change
when the machine is slower by any factor.

The settings come from measuring MnasNet-A1 against MobileNetV2 on a shared 2-core machine (AMD EPYC, LiteRT 2.3.0,
CPU time); `benchmarks/latency_repeatability.py` takes the figures again.

- The ratio differs from load to load, by a standard deviation of 0.7 to 1.0 %, and stays what it is while the files
  are loaded: it is where they lie in memory. Processes differ no more than their loads explain (0.3 % between the
  means of 6 loads), and blocks within a load by 0.8 % (32 px) to 2.4 % (224 px). Hence few short blocks a load,
  several loads, and the load as the unit of the interval.
- With 6 loads of 3 blocks of 5 ms, whole measurements repeat with a standard deviation of 0.2 to 0.6 %, alike with
  the cores idle, the other core busy and the same core busy, and take 0.3 s (32 px) and 0.8 s (224 px). Four blocks
  a load with at least three runs took half as long again and repeated no better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

import numpy as np

from mnasnet.arch.records import Latency

BLOCK_MS = 5.0
"""Least time of each network in a block."""
BLOCKS = 3
"""In a load."""
LOADS = 6
"""In a process. Even, because each network is loaded first in half of them (worth 0.5 %)."""
MOST_LOADS = 12
"""On a machine so disturbed that fewer than `LOADS` of them have an undisturbed block."""

QUIET_QUANTILE = 0.2
"""The quiet time of the reference is this quantile of its block medians, taken over the whole measurement."""
DISTURBED = 1.10
"""A block is disturbed when its reference took this many times the quiet time.

Much lower would be a choice among quiet blocks, and one for a slow candidate: at 1.02 the ratio came out 0.4 %
higher than without any threshold on an idle machine, at 1.10 the same.
"""

FEWEST_LAUNCHES = 3
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
class Block:
    """Runs of the reference and, right after them, of the candidate."""

    reference_ms: tuple[float, ...]
    """Each run of the reference."""
    candidate_ms: tuple[float, ...]
    """Each run of the candidate."""

    @property
    def ratio(self) -> float:
        """Candidate over reference, of the medians."""
        return median(self.candidate_ms) / median(self.reference_ms)


Load = Sequence[Block]
Launch = Sequence[Load]
"""The loads timed in one process."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How long the candidate takes in units of the reference."""

    middle: float
    low: float
    high: float
    """`low` to `high` is a 95 % interval of `middle`."""


def undisturbed(launches: Sequence[Launch]) -> list[list[list[Block]]]:
    """The blocks, in their loads and launches, in which the reference was about as fast as it ever was.

    Each launch is judged by itself, since the machine may have another speed by the next. At least a fifth of a
    launch's blocks is kept, so 6 loads of 3 blocks leave blocks in at least 2 loads.
    """
    return [_undisturbed(launch) for launch in launches]


def _undisturbed(launch: Launch) -> list[list[Block]]:
    reference_ms = [median(block.reference_ms) for load in launch for block in load]
    if not reference_ms:
        return []
    limit_ms = DISTURBED * float(np.quantile(reference_ms, QUIET_QUANTILE))
    return [[block for block in load if median(block.reference_ms) <= limit_ms] for load in launch]


def enough(launches: Sequence[Launch]) -> bool:
    """Whether the last launch needs no further load."""
    quiet_loads = sum(bool(load) for load in undisturbed(launches)[-1]) if launches[-1] else 0
    return quiet_loads >= LOADS or len(launches[-1]) >= MOST_LOADS


def ratio_of(kept: Sequence[Launch]) -> Ratio:
    """Geometric mean over the units, with Student's interval of the mean of their logarithms.

    A load counts as the median ratio of its blocks. The units are the launches, each the mean of its loads, when
    there are at least three, so that the interval holds what differs between launches; else they are the loads.

    Raises:
        ValueError: fewer than two loads have a block.
    """
    by_launch = [
        [math.log(median(block.ratio for block in load)) for load in launch if load] for launch in kept
    ]
    launches = [fmean(loads) for loads in by_launch if loads]
    units = launches if len(launches) >= FEWEST_LAUNCHES else [load for loads in by_launch for load in loads]
    if len(units) < 2:
        raise ValueError(f"an interval needs at least 2 loads with an undisturbed block, not {len(units)}")
    student = STUDENT_975[min(len(units) - 1, len(STUDENT_975)) - 1]
    middle, half = fmean(units), student * stdev(units) / math.sqrt(len(units))
    return Ratio(middle=math.exp(middle), low=math.exp(middle - half), high=math.exp(middle + half))


def latency_of(
    launches: Sequence[Launch],
    *,
    reference_ms: float | None,
    device: str,
    runtime: str,
    threads: int,
    core: int | None,
    measured_at: str,
) -> Latency:
    """The record of everything timed.

    `reference_ms` as in `Device.measure`: with None it is the median of the reference over the blocks kept.

    Raises:
        ValueError: fewer than two loads.
    """
    kept = undisturbed(launches)
    blocks = [block for launch in kept for load in launch for block in load]
    raw_reference_ms = tuple(median(block.reference_ms) for block in blocks)
    if reference_ms is None:
        reference_ms = median(raw_reference_ms)
    ratio = ratio_of(kept)
    return Latency(
        median_ms=ratio.middle * reference_ms,
        low_ms=ratio.low * reference_ms,
        high_ms=ratio.high * reference_ms,
        ratio=ratio.middle,
        reference_ms=reference_ms,
        raw_ms=tuple(median(block.candidate_ms) for block in blocks),
        raw_reference_ms=raw_reference_ms,
        runs=sum(len(block.candidate_ms) for block in blocks),
        blocks_discarded=sum(len(load) for launch in launches for load in launch) - len(blocks),
        launches=len(launches),
        device=device,
        runtime=runtime,
        threads=threads,
        core=core,
        measured_at=measured_at,
    )
