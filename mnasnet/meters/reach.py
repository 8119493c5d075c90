"""Before any training: which latencies the networks of a space have on a device."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from scipy.stats import binom

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Latency
from mnasnet.arch.zoo import ZOO
from mnasnet.base.progress import StageProgress
from mnasnet.devices.device import DeviceError, UnsuitableError
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.meters.network_size import NetworkSize
from mnasnet.space.extremes import largest_network, random_network, smallest_network
from mnasnet.space.space import Space

SAMPLE_NETWORKS = 15
"""Random networks: their median has an interval from the fourth to the twelfth of them."""


@dataclass(frozen=True, kw_only=True)
class NetworkLatency:
    """A network and its latency."""

    name: str
    architecture: Architecture
    latency: Latency
    interval_ms: tuple[float, float]
    """95 %, of the milliseconds; the record's own is that of the ratio to MobileNetV2."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a space can reach on a device, all measured, or predicted by a table."""

    smallest: NetworkLatency
    """The fastest of all that were measured of the space; that of the fewest multiply-adds is among them."""
    largest: NetworkLatency
    """The slowest of them; that of the most multiply-adds is among them."""
    sample: tuple[NetworkLatency, ...]
    """Random networks of the space, the fastest first."""
    zoo: tuple[NetworkLatency, ...]
    """The networks that have a name, at the same width and image size, the fastest first."""
    unknown: tuple[str, ...] = ()
    """Those of them that a table cannot tell."""

    @property
    def median_ms(self) -> float:
        """Of the random networks."""
        return median(self._sample_ms())

    @property
    def median_interval_ms(self) -> tuple[float, float]:
        """95 % interval of the space's median latency, by the order of the sample."""
        sample_ms = self._sample_ms()
        rank = median_rank(len(sample_ms))
        return sample_ms[rank], sample_ms[-1 - rank]

    def share_within(self, target_ms: float) -> float:
        """Of the random networks, how many keep to the target, as a fraction."""
        return sum(ms <= target_ms for ms in self._sample_ms()) / len(self.sample)

    def _sample_ms(self) -> list[float]:
        return [one.latency.median_ms for one in self.sample]


def median_rank(count: int) -> int:
    """Of `count` sorted values, how many lie outside a 95 % interval of their median, at either end.

    How many values lie below the median is binomial with p = 1/2. Fewer than 6 values say less than 95 %, and their
    interval is all of them.
    """
    return max(0, int(binom.ppf(0.025, count, 0.5)) - 1)


def measure_reach(
    meter: ReferencedMeter,
    space: Space,
    size: NetworkSize,
    *,
    sample: int = SAMPLE_NETWORKS,
    seed: int = 0,
    progress: StageProgress = lambda stage, done, total: None,
) -> Reach:
    """Measures the extremes of `space`, `sample` random networks of it and the zoo's, with random weights.

    `space`, the reference of `meter` and `size` are of the same size.

    Raises:
        UnsuitableError: no such network can be measured there.
        DeviceError: the device cannot run them, or was lost.
    """
    generator = random.Random(seed)
    in_space = {"fewest multiply-adds": smallest_network(space), "most multiply-adds": largest_network(space)}
    for number in range(sample):
        in_space[f"random {number}"] = random_network(space, generator)
    zoo = {name: size.resize(network.architecture) for name, network in ZOO.items()}
    total = len(in_space) + len(zoo) + 1
    progress("timing MobileNetV2", 0, total)
    unit = meter.measure_reference(launches=RELIABLE_LAUNCHES)
    measured: dict[str, NetworkLatency] = {}
    unknown: list[str] = []
    for number, (name, architecture) in enumerate({**in_space, **zoo}.items(), start=1):
        progress(f"timing {name}", number, total)
        try:
            latency = meter.measure_network(architecture)
        except (DeviceError, UnsuitableError):
            if meter.calibrated_device is None or name not in zoo:
                raise
            unknown.append(name)  # a table refuses what lies outside of its space
            continue
        measured[name] = NetworkLatency(
            name=name,
            architecture=architecture,
            latency=latency,
            interval_ms=latency.interval_ms(unit),
        )
    progress("timing", total, total)
    own = [measured[name] for name in in_space]
    return Reach(
        smallest=min(own, key=_latency_ms),
        largest=max(own, key=_latency_ms),
        sample=tuple(sorted(own[2:], key=_latency_ms)),
        zoo=tuple(sorted((measured[name] for name in zoo if name in measured), key=_latency_ms)),
        unknown=tuple(unknown),
    )


def _latency_ms(network: NetworkLatency) -> float:
    return network.latency.median_ms


def target_lines(reach: Reach, target_ms: float) -> Iterator[str]:
    """Whether a target can be reached, and what it leaves to choose from."""
    low, high = reach.smallest, reach.largest
    fastest = f"{low.latency.median_ms:.4g} ms"
    if target_ms < low.interval_ms[0]:
        yield (
            f"{target_ms:.4g} ms is out of reach: the fastest found takes {fastest}; lower --width "
            "or --image-size, or take --precision int8"
        )
    elif target_ms < low.interval_ms[1]:
        yield f"{target_ms:.4g} ms is at the very edge: the fastest found takes {fastest}"
    elif target_ms >= high.interval_ms[1]:
        yield f"{target_ms:.4g} ms is within reach of every network tried: latency will decide next to nothing"
    else:
        share = reach.share_within(target_ms)
        yield f"{target_ms:.4g} ms is within reach: {share:.0%} of {len(reach.sample)} random networks keep to it"


def reach_rows(reach: Reach) -> Sequence[tuple[str, float, float, float, int | None]]:
    """Name, latency, its interval, and multiply-adds; the fastest first."""
    own = [("space, fastest", reach.smallest), ("space, slowest", reach.largest)]
    ranked: list[tuple[str, float, float, float, int | None]] = [
        (
            name,
            one.latency.median_ms,
            *one.interval_ms,
            count_multiply_adds(one.architecture.lowered()),
        )
        for name, one in [*own, *((one.name, one) for one in reach.zoo)]
    ]
    ranked.append(("space, median", reach.median_ms, *reach.median_interval_ms, None))
    return sorted(ranked, key=lambda row: row[1])
