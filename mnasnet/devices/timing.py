"""Alternating run times of a candidate and a reference: how many are taken, which count, and their record.

A load is one loading of candidate and reference into memory, side by side in one process; a block is some runs of
the reference followed by some of the candidate. Everything is a ratio within a block, so the result does not change
when the machine is slower by any factor.

The settings come from measuring MnasNet-A1 against MobileNetV2 on a shared machine of two cores.

- The ratio differs from load to load (`benchmarks/evidence.jsonl`, load-spread), and stays what it is while the
  files are loaded: it is where they lie in memory. Blocks within a load differ too (`benchmarks/evidence.jsonl`,
  block-spread), and processes no more than their loads explain (`benchmarks/evidence.jsonl`, process-spread).
  Hence few short blocks a load, several loads, and the load as the unit of the interval.
- Three blocks a load repeat no better than two, and take longer (`benchmarks/evidence.jsonl`, blocks-a-load-224).
  Four blocks with at least three runs were no better either.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

import numpy as np

BLOCK_MS = 5.0
"""Least time of each network in a block."""
LOAD_BLOCKS = 2
"""In a load."""
LAUNCH_LOADS = 6
"""In a process. Even, because each network is loaded first in half of them (`benchmarks/evidence.jsonl`,
loaded-first)."""
QUIET_LOADS = 4
MOST_LAUNCH_LOADS = 12
"""On a machine so disturbed that of the first `LAUNCH_LOADS` fewer than `QUIET_LOADS` have an undisturbed block."""

QUIET_QUANTILE = 0.2
"""The quiet time of a block is this quantile of the times of its launch's blocks."""
DISTURBED_TIMES_QUIET = 1.05
"""A block is disturbed when it took this many times the quiet time.

Its time is the geometric mean of both networks', so that to be quiet says nothing of which of them was the faster:
chosen by the reference alone, blocks in which it was lucky stay and those in which the candidate was do not. On a
machine with both cores busy a network then took longer than a copy of itself
(`benchmarks/evidence.jsonl`, judged-by-reference-10), and by both networks it does not
(`benchmarks/evidence.jsonl`, judged-by-both-5).
"""

HOT_C = 60.0
"""Phones and boards slow themselves down from some 70 to 85 °C on; above this a device is left to cool."""
COOLING_S = 60.0
"""At most, before one launch."""
COOLING_STEP_S = 5.0
COOLING_STEP_C = 0.5
"""What falls by less than this in a step is as cool as it gets."""


@dataclass(frozen=True, kw_only=True)
class TimedBlock:
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


Load = Sequence[TimedBlock]
Launch = Sequence[Load]
"""The loads timed in one process."""
TimeLoad = Callable[[bool], Load]
"""Times one load, with the candidate loaded first or not, in the process that it belongs to."""


@dataclass(frozen=True, kw_only=True)
class DeviceState:
    """Clock and heat of a device at one moment; None where it says nothing."""

    governor: str | None = None
    frequency_mhz: float | None = None
    """Of the core that measurements run on."""
    temperature_c: float | None = None
    """Of the warmest sensor."""


def utc_now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, kw_only=True)
class Timings:
    """All run times of a candidate beside a reference on one device, as taken, and under which conditions."""

    launches: tuple[Launch, ...]
    """All blocks, disturbed ones too, by process and by loading."""
    device: str
    """Its name."""
    runtime: str
    """What ran the files: name, version and delegate."""
    clock: str
    """What runs were timed with: `CPU time` of the one thread, or `wall time`."""
    threads: int
    cores: tuple[int, ...]
    """Those that the process was pinned to; empty where the system cannot or was not asked."""
    not_delegated: tuple[str, ...] = ()
    """Operators of either network that the delegate leaves to slower kernels."""
    statistic: str = "median"
    """What a summarized number is of its runs: `median`, or `mean` where the device's tool tells no more."""
    resolution_ms: float = 0.0
    """The step in which times are told, where that is coarse."""
    state: DeviceState = DeviceState()
    """When the last run had ended."""
    waited_s: float = 0.0
    """How long the device was left to cool before its launches."""
    measured_at: str = field(default_factory=utc_now)
    """UTC, ISO 8601."""


def quiet_blocks(launches: Sequence[Launch]) -> list[list[list[TimedBlock]]]:
    """The blocks, in their loads and launches, that were about as fast as any ever was.

    Each launch is judged by itself, since the machine may have another speed by the next. At least a fifth of a
    launch's blocks is kept, so 6 loads of 2 blocks leave blocks in at least 2 loads.
    """
    return [_quiet_blocks(launch) for launch in launches]


def _quiet_blocks(launch: Launch) -> list[list[TimedBlock]]:
    both_ms = [block.both_ms for load in launch for block in load]
    if not both_ms:
        return []
    limit_ms = DISTURBED_TIMES_QUIET * float(np.quantile(both_ms, QUIET_QUANTILE))
    return [[block for block in load if block.both_ms <= limit_ms] for load in launch]


def has_enough_loads(launch: Launch) -> bool:
    """Whether the launch needs no further load."""
    quiet_loads = sum(bool(load) for load in _quiet_blocks(launch))
    return (len(launch) >= LAUNCH_LOADS and quiet_loads >= QUIET_LOADS) or len(launch) >= MOST_LAUNCH_LOADS


def time_launches(begin_launch: Callable[[], TimeLoad], *, launches: int) -> tuple[Launch, ...]:
    """Everything timed in so many launches, each until it has quiet loads enough.

    Raises:
        ValueError: `launches` is less than 1.
    """
    if launches < 1:
        raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
    timed: list[Launch] = []
    for _ in range(launches):
        time_load = begin_launch()
        launch: list[Load] = []
        while not has_enough_loads(launch):
            launch.append(time_load(len(launch) % 2 == 0))
        timed.append(tuple(launch))
    return tuple(timed)


def cool_down(
    read_state: Callable[[], DeviceState], *, sleep: Callable[[float], None] = time.sleep
) -> tuple[DeviceState, float]:
    """The state of a device that is not too hot to be measured, or as cool as it gets, and the seconds waited."""
    state, waited_s = read_state(), 0.0
    while state.temperature_c is not None and state.temperature_c > HOT_C and waited_s < COOLING_S:
        before_c = state.temperature_c
        sleep(COOLING_STEP_S)
        waited_s += COOLING_STEP_S
        state = read_state()
        if state.temperature_c is not None and before_c - state.temperature_c < COOLING_STEP_C:
            break
    return state, waited_s
