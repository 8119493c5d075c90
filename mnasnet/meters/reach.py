"""Before any training: which latencies the networks of a space have on a device."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from scipy.stats import binom

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Latency, Precision
from mnasnet.arch.zoo import ZOO
from mnasnet.devices.device import Device, DeviceError, UnsuitableError
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.meters.comparison import LAUNCHES
from mnasnet.meters.latency_meter import Untrained
from mnasnet.meters.table_meter import TableDevice
from mnasnet.space.extremes import largest_network, random_network, smallest_network
from mnasnet.space.space import Space

SAMPLE = 15
"""Random networks: their median has an interval from the fourth to the twelfth of them."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A network and its latency."""

    name: str
    architecture: Architecture
    latency: Latency
    interval_ms: tuple[float, float]
    """95 %, of the milliseconds; the record's own is that of the ratio to MobileNetV2."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a space can reach on a device, all measured, or predicted by a table."""

    smallest: Reached
    """The fastest of all that were measured of the space; that of the fewest multiply-adds is among them."""
    largest: Reached
    """The slowest of them; that of the most multiply-adds is among them."""
    sample: tuple[Reached, ...]
    """Random networks of the space, the fastest first."""
    zoo: tuple[Reached, ...]
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
        rank = order_rank(len(sample_ms))
        return sample_ms[rank], sample_ms[-1 - rank]

    def share_within(self, target_ms: float) -> float:
        """Of the random networks, how many keep to the target, as a fraction."""
        return sum(ms <= target_ms for ms in self._sample_ms()) / len(self.sample)

    def _sample_ms(self) -> list[float]:
        return [one.latency.median_ms for one in self.sample]


def order_rank(count: int) -> int:
    """Of `count` sorted values, how many lie outside a 95 % interval of their median, at either end.

    How many values lie below the median is binomial with p = 1/2. Fewer than 6 values say less than 95 %, and their
    interval is all of them.
    """
    return max(0, int(binom.ppf(0.025, count, 0.5)) - 1)


def reach(
    device: Device,
    space: Space,
    *,
    image_size: int,
    in_channels: int,
    classes: int,
    width: float,
    precision: Precision = "fp32",
    sample: int = SAMPLE,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Reach:
    """Times the extremes of `space`, `sample` random networks of it and the zoo's, with random weights.

    Raises:
        DeviceError: the device cannot run them, or was lost.
    """
    generator = random.Random(seed)
    of_space = {"fewest multiply-adds": smallest_network(space), "most multiply-adds": largest_network(space)}
    for number in range(sample):
        of_space[f"random {number}"] = random_network(space, generator)

    def sized(network: Architecture) -> Architecture:
        return network.sized(image_size=image_size, in_channels=in_channels, classes=classes, width=width)

    zoo = {name: sized(network.architecture) for name, network in ZOO.items()}
    with Untrained(device, sized(MOBILENET_V2), agreed=None, precision=precision) as timed:
        total = len(of_space) + len(zoo) + 1
        progress("timing MobileNetV2", 0, total)
        unit = timed.calibrate(launches=LAUNCHES)
        reached: dict[str, Reached] = {}
        unknown: list[str] = []
        for done, (name, architecture) in enumerate({**of_space, **zoo}.items(), start=1):
            progress(f"timing {name}", done, total)
            try:
                latency = timed(architecture)
            except (DeviceError, UnsuitableError):
                if not isinstance(device, TableDevice) or name not in zoo:
                    raise
                unknown.append(name)  # a table refuses what lies outside of its space
            else:
                reached[name] = Reached(
                    name=name,
                    architecture=architecture,
                    latency=latency,
                    interval_ms=latency.interval_ms(unit),
                )
        progress("timing", total, total)
    own = [reached[name] for name in of_space]
    return Reach(
        smallest=min(own, key=_ms),
        largest=max(own, key=_ms),
        sample=tuple(sorted(own[2:], key=_ms)),
        zoo=tuple(sorted((reached[name] for name in zoo if name in reached), key=_ms)),
        unknown=tuple(unknown),
    )


def _ms(reached: Reached) -> float:
    return reached.latency.median_ms


def verdict_lines(found: Reach, target_ms: float) -> Iterator[str]:
    """Whether a target can be reached, and what it leaves to choose from."""
    low, high = found.smallest, found.largest
    fastest = f"{low.latency.median_ms:.4g} ms"
    if target_ms < low.interval_ms[0]:
        yield (
            f"{target_ms:.4g} ms is out of reach: the fastest found takes {fastest}; lower `width` "
            "or `image_size`, or take `precision` int8"
        )
    elif target_ms < low.interval_ms[1]:
        yield f"{target_ms:.4g} ms is at the very edge: the fastest found takes {fastest}"
    elif target_ms >= high.interval_ms[1]:
        yield f"{target_ms:.4g} ms is within reach of every network tried: latency will decide next to nothing"
    else:
        share = found.share_within(target_ms)
        yield f"{target_ms:.4g} ms is within reach: {share:.0%} of {len(found.sample)} random networks keep to it"


def rows(found: Reach) -> Sequence[tuple[str, float, float, float, int | None]]:
    """Name, latency, its interval, and multiply-adds; the fastest first."""
    own = [("space, fastest", found.smallest), ("space, slowest", found.largest)]
    ranked: list[tuple[str, float, float, float, int | None]] = [
        (
            name,
            one.latency.median_ms,
            *one.interval_ms,
            count_multiply_adds(one.architecture.lowered()),
        )
        for name, one in [*own, *((one.name, one) for one in found.zoo)]
    ]
    ranked.append(("space, median", found.median_ms, *found.median_interval_ms, None))
    return sorted(ranked, key=lambda row: row[1])
