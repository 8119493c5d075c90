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
- With 6 loads of 2 blocks of 5 ms, A1 at 224 px repeated with a standard deviation of 1.2 % and took 1.5 s, with 3
  blocks a load 1.2 % and 1.9 s; at 64 px 3.0 % and 0.9 s, and 3.6 % and 1.0 s (40 and 60 measurements of either,
  in turns, on an hour when the machine was not quiet). Four blocks with at least three runs were no better either.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean, median, stdev

import numpy as np

from mnasnet.arch.records import Latency

BLOCK_MS = 5.0
"""Least time of each network in a block."""
BLOCKS = 2
"""In a load."""
LOADS = 6
"""In a process. Even, because each network is loaded first in half of them (worth 0.5 %)."""
QUIET_LOADS = 4
MOST_LOADS = 12
"""On a machine so disturbed that of the first `LOADS` fewer than `QUIET_LOADS` have an undisturbed block."""

QUIET_QUANTILE = 0.2
"""The quiet time of a block is this quantile of the times of its launch's blocks."""
DISTURBED = 1.05
"""A block is disturbed when it took this many times the quiet time.

Its time is the geometric mean of both networks', so that to be quiet says nothing of which of them was the faster:
chosen by the reference alone, blocks in which it was lucky stay and those in which the candidate was do not. On a
machine with both cores busy a network then took 1.55 % longer than a copy of itself (60 measurements; by both
networks 0.2 %) and measurements of A1 repeated with a standard deviation of 4.3 % (by both 2.5 %).
"""

FEWEST_LAUNCHES = 3
"""From here on launches are the unit of the interval; the spread of two says too little about a third."""

HOT_C = 60.0
"""Phones and boards slow themselves down from some 70 to 85 °C on; above this a device is left to cool."""
COOLING_S = 60.0
"""At most, before one measurement."""
COOLING_STEP_S = 5.0
COOLING_STEP_C = 0.5
"""What falls by less than this in a step is as cool as it gets."""

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
    summarized: int = 1
    """How many runs each number stands for, where the device's tool tells only their median or mean."""

    @property
    def ratio(self) -> float:
        """Candidate over reference, of the medians."""
        return median(self.candidate_ms) / median(self.reference_ms)

    @property
    def both_ms(self) -> float:
        """Geometric mean of the medians: by it a block is judged."""
        return math.sqrt(median(self.candidate_ms) * median(self.reference_ms))


Load = Sequence[Block]
Launch = Sequence[Load]
"""The loads timed in one process."""
TimeLoad = Callable[[bool], Load]
"""Times one load, with the candidate loaded first or not, in the process that it belongs to."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What a device says of itself when a measurement ends; None where it says nothing."""

    governor: str | None = None
    frequency_mhz: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How long the candidate takes in units of the reference."""

    middle: float
    low: float
    high: float
    """`low` to `high` is a 95 % interval of `middle`."""
    launch_spread: float | None
    """As in `Latency`."""


def undisturbed(launches: Sequence[Launch]) -> list[list[list[Block]]]:
    """The blocks, in their loads and launches, that were about as fast as any ever was.

    Each launch is judged by itself, since the machine may have another speed by the next. At least a fifth of a
    launch's blocks is kept, so 6 loads of 2 blocks leave blocks in at least 2 loads.
    """
    return [_undisturbed(launch) for launch in launches]


def _undisturbed(launch: Launch) -> list[list[Block]]:
    both_ms = [block.both_ms for load in launch for block in load]
    if not both_ms:
        return []
    limit_ms = DISTURBED * float(np.quantile(both_ms, QUIET_QUANTILE))
    return [[block for block in load if block.both_ms <= limit_ms] for load in launch]


def enough(launches: Sequence[Launch]) -> bool:
    """Whether the last launch needs no further load."""
    quiet_loads = sum(bool(load) for load in undisturbed(launches)[-1]) if launches[-1] else 0
    timed = len(launches[-1])
    return (timed >= LOADS and quiet_loads >= QUIET_LOADS) or timed >= MOST_LOADS


def timed(launch: Callable[[], TimeLoad], *, launches: int) -> list[list[Load]]:
    """Everything timed in so many launches, each begun by `launch`, until each has quiet loads enough.

    Raises:
        ValueError: `launches` is less than 1.
    """
    if launches < 1:
        raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
    done: list[list[Load]] = []
    for _ in range(launches):
        time_load = launch()
        done.append([])
        while not enough(done):
            done[-1].append(time_load(len(done[-1]) % 2 == 0))
    return done


def cooled(ask: Callable[[], State], *, sleep: Callable[[float], None] = time.sleep) -> tuple[State, float]:
    """The state of a device that is not too hot to be measured, or as cool as it gets, and the seconds waited."""
    state, waited_s = ask(), 0.0
    while state.temperature_c is not None and state.temperature_c > HOT_C and waited_s < COOLING_S:
        before_c = state.temperature_c
        sleep(COOLING_STEP_S)
        waited_s += COOLING_STEP_S
        state = ask()
        if state.temperature_c is not None and before_c - state.temperature_c < COOLING_STEP_C:
            break
    return state, waited_s


def ratio_of(kept: Sequence[Launch], *, agreed: Latency | None = None) -> Ratio:
    """Geometric mean over the units, with Student's interval of the mean of their logarithms.

    A load counts as the median ratio of its blocks. The units are the launches, each the mean of its loads, when
    there are at least three, so that the interval holds what differs between launches; else they are the loads, and
    the interval is no narrower than what the launches of `agreed` say that so few can tell.

    Raises:
        ValueError: fewer than two loads have a block.
    """
    by_launch = [
        [math.log(median(block.ratio for block in load)) for load in launch if load] for launch in kept
    ]
    launches = [fmean(loads) for loads in by_launch if loads]
    enough_launches = len(launches) >= FEWEST_LAUNCHES
    units = launches if enough_launches else [load for loads in by_launch for load in loads]
    if len(units) < 2:
        raise ValueError(f"an interval needs at least 2 loads with an undisturbed block, not {len(units)}")
    middle, spread = fmean(units), stdev(units)
    half = student(len(units)) * spread / math.sqrt(len(units))
    if not enough_launches and agreed is not None and agreed.launch_spread is not None:
        half = max(half, student(agreed.launches) * agreed.launch_spread / math.sqrt(len(launches)))
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
    if len(logs) < FEWEST_LAUNCHES:
        return None
    return student(len(logs)) * stdev(logs) / math.sqrt(len(logs))


def student(units: int) -> float:
    """The 97.5 % quantile for the mean of so many units, at least 2."""
    return STUDENT_975[min(units - 1, len(STUDENT_975)) - 1]


def latency_of(
    launches: Sequence[Launch],
    *,
    agreed: Latency | None,
    device: str,
    runtime: str,
    threads: int,
    cores: Sequence[int],
    not_delegated: Sequence[str] = (),
    statistic: str = "median",
    resolution_ms: float = 0.0,
    state: State = State(),
    waited_s: float = 0.0,
) -> Latency:
    """The record of everything timed, as of now.

    `resolution_ms` is the step in which times are told, where that is coarse. `agreed` as in `Device.measure`: with
    None the reference lasts its median over the blocks kept.

    Raises:
        ValueError: fewer than two loads.
    """
    kept = undisturbed(launches)
    blocks = [block for launch in kept for load in launch for block in load]
    raw_reference_ms = tuple(median(block.reference_ms) for block in blocks)
    reference_ms = median(raw_reference_ms) if agreed is None else agreed.reference_ms
    ratio = ratio_of(kept, agreed=agreed)
    # No interval is narrower than what the steps of the clock leave open.
    candidate_ms = median(median(block.candidate_ms) for block in blocks)
    step = math.exp(resolution_ms / 2 * (1 / candidate_ms + 1 / median(raw_reference_ms)))
    return Latency(
        median_ms=ratio.middle * reference_ms,
        low_ms=min(ratio.low, ratio.middle / step) * reference_ms,
        high_ms=max(ratio.high, ratio.middle * step) * reference_ms,
        ratio=ratio.middle,
        reference_ms=reference_ms,
        raw_ms=tuple(median(block.candidate_ms) for block in blocks),
        raw_reference_ms=raw_reference_ms,
        runs=sum(len(block.candidate_ms) * block.summarized for block in blocks),
        blocks_discarded=sum(len(load) for launch in launches for load in launch) - len(blocks),
        launches=len(launches),
        device=device,
        runtime=runtime,
        threads=threads,
        cores=tuple(cores),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        launch_spread=ratio.launch_spread,
        reference_half=_reference_half(kept),
        not_delegated=tuple(not_delegated),
        statistic=statistic,
        governor=state.governor,
        frequency_mhz=state.frequency_mhz,
        temperature_c=state.temperature_c,
        waited_s=waited_s,
    )
