"""Latency: how long a network takes on a device, the objective that a search minimises."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnasnet.measures.quantity import Quantity


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Repeated timings of one network on one device, in milliseconds, and how they were taken.

    On a shared machine raw times move by tens of per cent within minutes, while the ratio to a reference
    network timed alternately with the candidate stays within a few. So `median_ms` is `ratio`, of the
    undisturbed blocks, times `reference_ms`, the reference's time that the study fixed at its start: its
    milliseconds are those of that moment, and its interval is that of the ratio.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    """`low_ms` to `high_ms` is a 95 % interval of `median_ms`."""
    ratio: float
    """Candidate over reference: medians over a block's runs and a loading's blocks, their geometric mean over the
    loadings."""
    reference_ms: float
    """What the study takes one run of the reference network to last."""
    raw_ms: tuple[float, ...]
    """Median of the candidate's runs in each block that was kept, as timed."""
    raw_reference_ms: tuple[float, ...]
    """The reference's in the same blocks."""
    runs: int
    """Timed runs of the candidate in the blocks kept."""
    blocks_discarded: int
    """Blocks thrown away because both networks together were slow in them: something disturbed the machine."""
    launches: int
    """Fresh processes that the runs were spread over."""
    device: str
    runtime: str
    """Name, version, delegate and clock (`CPU time` of the one thread, or `wall time`)."""
    threads: int
    cores: tuple[int, ...]
    """The cores that the process was pinned to; empty where the system cannot or was not asked."""
    measured_at: str
    """UTC, ISO 8601."""
    reference_half: float | None = None
    """Half-width of the 95 % interval of the reference's own time over the launches, as a logarithm: how far the
    unit itself may be off. None where there were fewer than three."""
    launch_spread: float | None = None
    """Standard deviation between the launches' means, of the logarithm of the ratio; None where there were fewer
    than three."""
    not_delegated: tuple[str, ...] = ()
    """Operators that the delegate leaves to slower kernels."""
    statistic: str = "median"
    """What a block's time is of its runs: `median`, or `mean` where the device's tool tells no more."""
    governor: str | None = None
    frequency_mhz: float | None = None
    temperature_c: float | None = None
    """What the device said of its core and of its warmest sensor when the measurement ended; None where it says
    nothing."""
    waited_s: float = 0.0
    """How long it was left to cool before its launches."""
    predicted: bool = False
    """Whether a calibrated table said so, and nothing was run; `low_ms` to `high_ms` is then the table's own
    uncertainty."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median_ms) and self.median_ms > 0):
            raise ValueError(f"a latency is a positive number of milliseconds, not {self.median_ms}")

    def interval_ms(self, unit: "Latency") -> tuple[float, float]:
        """95 % interval in milliseconds that holds both how far the ratio and how far the `unit` may be off.

        `unit` is the measurement that agreed on `reference_ms`.
        """
        of_ratio = math.log(self.high_ms / self.low_ms) / 2
        half = math.hypot(of_ratio, unit.reference_half or 0.0)
        return self.median_ms * math.exp(-half), self.median_ms * math.exp(half)

    @property
    def quantity(self) -> Quantity:
        """The latency as a quantity."""
        return Quantity(
            name="latency",
            unit="ms",
            better="lower",
            value=self.median_ms,
            interval=(self.low_ms, self.high_ms),
            conditions={"device": self.device, "runtime": self.runtime, "measured at": self.measured_at},
        )

    @property
    def disturbed(self) -> float:
        """Share of the blocks that were thrown away; 0 where none was timed."""
        return self.blocks_discarded / max(1, self.blocks_discarded + len(self.raw_ms))

    @property
    def pinning(self) -> str:
        """Where it ran, in words."""
        if not self.cores:
            return "not pinned to a core"
        return f"{'core' if len(self.cores) == 1 else 'cores'} {', '.join(map(str, self.cores))}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return dataclasses.asdict(self)


def latency_from_json(data: Mapping[str, Any]) -> Latency:
    """The inverse of `Latency.to_json`, also after a trip through JSON, which knows no tuples."""
    data = dict(data)
    if "core" in data:  # as records had it before 0.2
        core = data.pop("core")
        data["cores"] = () if core is None else (core,)
    tuples = ("raw_ms", "raw_reference_ms", "cores", "not_delegated")
    return Latency(**{**data, **{name: tuple(data[name]) for name in tuples if name in data}})
