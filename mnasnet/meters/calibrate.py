"""A calibration: which networks to measure on a device, until the minutes are over, for a table of it."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Latency
from mnasnet.base.errors import RequestError
from mnasnet.base.progress import StageProgress
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.meters.calibration import Calibration, CalibrationRequest, Measurements
from mnasnet.meters.extent import Extent
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.meters.prediction import choose_informative, fit_predictor
from mnasnet.meters.table import MeasuredNetwork
from mnasnet.meters.table_fit import fit_table
from mnasnet.space.extremes import largest_network, random_network, smallest_network
from mnasnet.space.space import Space

RANDOM_NETWORKS = 100
"""That every table is made of, beside those chosen first: the prediction from whole networks has these and no
others."""
MOST_NETWORKS = 800
"""What more of them would gain is lost in the noise of a measurement, and the fit would take minutes."""
HELD_OUT_NETWORKS = (50, 100)
"""That the table is tested on, at least and at most; each is measured twice."""
HELD_OUT_SHARE = 0.25
"""Of all measurements, for these tests, between the two."""
POOL_NETWORKS = 1000
"""Random ones to choose from."""
DRAWS_PER_NETWORK = 5
"""For each different network wanted of a space; one that gives fewer is too small to calibrate on."""
PACE_NETWORKS = 10
"""Measurements that tell how many the minutes hold."""
TRIES_PER_NETWORK = 3
"""For a measurement that fails."""
MOST_FAILED_NETWORKS = 10
"""That are left out of the table; where there are more, it is the device that fails."""
TIMING_STAGE = "timing networks"
"""What most of the minutes go into, as `progress` hears it."""


def calibrate(
    device: Device,
    request: CalibrationRequest,
    *,
    say: Callable[[str], None] = lambda line: None,
    progress: StageProgress = lambda stage, done, total: None,
) -> Calibration:
    """Measures networks on `device` for the minutes that are asked for, fits a table to them and tests it.

    Raises:
        RequestError: the minutes hold too few measurements, or the space too few networks.
        UnsuitableError: the device can never measure what was asked for.
        DeviceError: the device cannot run the networks, or was lost.
    """
    begun_s = time.monotonic()
    card = device.read_card()
    reference = request.size.reference
    with LatencyMeter(device, reference, precision=request.precision, say=say) as meter:
        progress("timing MobileNetV2", 0, 1)
        unit = meter.measure_reference(launches=RELIABLE_LAUNCHES)
        progress("timing MobileNetV2", 1, 1)
        measurements = measure_networks(
            meter.measure_network, request, begun_s=begun_s, progress=progress, clock_s=time.monotonic
        )
        format = meter.format
    say(f"fitting the table to {len(measurements.training)} networks")
    return fit_table(measurements, request, format=format, card=card, unit=unit)


def measure_networks(
    measure: Callable[[Architecture], Latency],
    request: CalibrationRequest,
    *,
    begun_s: float,
    progress: StageProgress,
    clock_s: Callable[[], float],
) -> Measurements:
    """Measures what a table is made of and, between them, the networks that it is tested on.

    The first are the ends of the space, networks that between them have the fewest and the most channels of every
    kind of operator on every map, and `RANDOM_NETWORKS`; after them come those that tell most about all others.
    The minutes are counted from `begun_s`, in seconds of `clock_s`; a device that has become slower since its pace
    was taken ends late rather than with less than a table needs.

    Raises:
        RequestError: the minutes hold too few measurements, or the space too few networks.
        DeviceError: as of `measure`, for more than `MOST_FAILED_NETWORKS`.
    """
    held_out, pool = _draw_networks(request.space, random.Random(request.seed))
    chosen, drawn = _choose_first(request.space, pool, besides=held_out)
    campaign = _Campaign(measure=measure, pool=pool, held_out=held_out, queue=[*chosen, *drawn])
    first = len(campaign.queue)
    fewest = first + 2 * HELD_OUT_NETWORKS[0]
    started_s = clock_s()
    while len(campaign.training) < PACE_NETWORKS:
        progress(TIMING_STAGE, len(campaign.training), fewest)
        campaign.train_next()
    each_s = (clock_s() - started_s) / PACE_NETWORKS
    end_s = begun_s + 60 * request.minutes
    affordable = PACE_NETWORKS + int((end_s - clock_s()) / each_s)
    if affordable < fewest:
        needed = math.ceil((started_s - begun_s + (fewest + fewest // 10) * each_s) / 60)
        raise RequestError(
            f"--minutes {request.minutes:g}: a measurement takes {each_s:.2g} s there, and a table needs {fewest} "
            f"of them: give --minutes {needed}"
        )
    campaign.choose_tests(affordable)
    while True:
        done = max((clock_s() - started_s) / (end_s - started_s), len(campaign.training) / MOST_NETWORKS)
        if not campaign.queue and done < 1:
            campaign.refill_queue()
        enough = done >= 1 and len(campaign.training) >= first
        if campaign.is_tested and (enough or not campaign.queue):
            break
        measured = len(campaign.training) + len(campaign.tested)
        progress(TIMING_STAGE, measured, max(fewest, round(measured / min(done, 1.0))))
        if campaign.is_test_due(done):
            campaign.test_next()
        else:
            campaign.train_next()
    return campaign.collect(drawn, seconds=clock_s() - begun_s)


@dataclass(kw_only=True)
class _Campaign:
    """The measurements of a calibration while they are made: networks to train on, and others to test on."""

    measure: Callable[[Architecture], Latency]
    pool: Sequence[Architecture]
    """Networks that may be queued."""
    held_out: list[Architecture]
    """Networks to test on, each to be measured twice: all of them once, then all again."""
    queue: list[Architecture]
    """Networks to train on next."""
    spare: list[Architecture] = field(default_factory=list)
    """For those held out that cannot be measured."""
    training: list[MeasuredNetwork] = field(default_factory=list)
    tested: list[float] = field(default_factory=list)
    """Ratios of `held_out`, in order."""
    failed: int = 0
    """Networks that could not be measured."""

    def train_next(self) -> None:
        """Measures the first of the queue."""
        network = self.queue.pop(0)
        ratio = self._try_to_measure(network)
        if ratio is not None:
            self.training.append(MeasuredNetwork(architecture=network, ratio=ratio))

    def choose_tests(self, affordable: int) -> None:
        """Settles how many networks are held out, from how many measurements can be made in all."""
        fewest, most = HELD_OUT_NETWORKS
        count = min(most, max(fewest, int(HELD_OUT_SHARE * affordable / 2)))
        self.held_out, self.spare = self.held_out[:count], self.held_out[count:]

    @property
    def is_tested(self) -> bool:
        """Whether all networks held out were measured twice."""
        return len(self.tested) == 2 * len(self.held_out)

    def is_test_due(self, done: float) -> bool:
        """Whether tests are behind the share of all that is `done`, or nothing else is left."""
        return not self.is_tested and (len(self.tested) < 2 * len(self.held_out) * done or not self.queue)

    def test_next(self) -> None:
        """Measures the next of those held out; where it cannot be measured a spare one takes its place."""
        count = len(self.held_out)
        ratio = self._try_to_measure(self.held_out[len(self.tested) % count])
        if ratio is not None:
            self.tested.append(ratio)
        elif len(self.tested) < count and self.spare:
            self.held_out[len(self.tested)] = self.spare.pop(0)

    def refill_queue(self) -> None:
        """Queues the networks of the pool that tell most, as many as were measured already."""
        measured = {network.architecture.digest() for network in self.training}
        unmeasured = [network for network in self.pool if network.digest() not in measured]
        if unmeasured:
            predictor = fit_predictor(
                [network.architecture for network in self.training],
                [network.ratio for network in self.training],
            )
            self.queue += choose_informative(predictor, unmeasured, len(self.training))

    def collect(self, drawn: Sequence[Architecture], *, seconds: float) -> Measurements:
        """Everything measured; `drawn` are the random networks among those trained on."""
        count = len(self.held_out)
        random_digests = {network.digest() for network in drawn}
        return Measurements(
            training=self.training,
            drawn=[network for network in self.training if network.architecture.digest() in random_digests],
            held_out=[
                MeasuredNetwork(architecture=network, ratio=ratio)
                for network, ratio in zip(self.held_out, self.tested[:count], strict=True)
            ],
            second_ratios=self.tested[count:],
            seconds=seconds,
        )

    def _try_to_measure(self, network: Architecture) -> float | None:
        """Its latency in units of the reference; None where it fails each time.

        Raises:
            DeviceLostError: the device went away.
            DeviceError: too many networks have failed.
        """
        for _ in range(TRIES_PER_NETWORK):
            try:
                return self.measure(network).ratio
            except DeviceLostError:
                raise
            except DeviceError as error:
                last = error
        self.failed += 1
        if self.failed > MOST_FAILED_NETWORKS:
            raise last
        return None


def _draw_networks(space: Space, generator: random.Random) -> tuple[list[Architecture], list[Architecture]]:
    """Different random networks: those to hold out, and those to choose from."""
    drawn: dict[str, Architecture] = {}
    _, held_out = HELD_OUT_NETWORKS
    wanted = held_out + POOL_NETWORKS
    for _ in range(DRAWS_PER_NETWORK * wanted):
        network = random_network(space, generator)
        drawn.setdefault(network.digest(), network)
        if len(drawn) == wanted:
            break
    if len(drawn) < held_out + RANDOM_NETWORKS:
        raise RequestError(
            f"the space has few networks ({len(drawn)} found): search it by measuring, without a table"
        )
    networks = list(drawn.values())
    return networks[:held_out], networks[held_out:]


def _choose_first(
    space: Space, pool: Sequence[Architecture], *, besides: Sequence[Architecture]
) -> tuple[list[Architecture], list[Architecture]]:
    """The ends of the space and, by greed, networks that cover what all of `pool` has; and random others of it."""
    away = {network.digest() for network in besides}
    ends = [one for one in (smallest_network(space), largest_network(space)) if one.digest() not in away]
    extent = Extent.from_architectures([*ends, *pool])
    corners = [extent.corners(network) for network in pool]
    missing = set().union(*corners).difference(*(extent.corners(end) for end in ends))
    chosen = {end.digest(): end for end in ends}
    while missing:
        best = max(range(len(pool)), key=lambda index: len(corners[index] & missing))
        missing -= corners[best]
        chosen[pool[best].digest()] = pool[best]
    others = [network for network in pool if network.digest() not in chosen]
    return list(chosen.values()), others[:RANDOM_NETWORKS]
