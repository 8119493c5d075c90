"""A table for a device: which networks to measure, and how well the table does on those that it has not seen."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Z_95, DeviceCard, Format, Latency, Precision
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.meters.comparison import LAUNCHES
from mnasnet.meters.extent import Extent
from mnasnet.meters.latency_meter import Untrained
from mnasnet.meters.prediction import fitted, informative
from mnasnet.meters.table import Accordance, Measured, Table
from mnasnet.space.extremes import largest_network, random_network, smallest_network
from mnasnet.space.space import Space

Floats = NDArray[np.float64]

DRAWN = 100
"""Random networks that every table is made of, beside those chosen first: the prediction from whole networks has
these and no others."""
MOST = 800
"""What more of them would gain is lost in the noise of a measurement, and the fit would take minutes."""
HELD_OUT = (50, 100)
"""Networks that the table is tested on, at least and at most; each is measured twice."""
HELD_OUT_SHARE = 0.25
"""Of all measurements, for these tests, between the two."""
POOL = 1000
"""Random networks to choose from."""
DRAWS = 5
"""For each different network wanted of a space; one that gives fewer is too small to calibrate on."""
PACE = 10
"""Measurements that tell how many the minutes hold."""
BOOTSTRAPS = 1000
TRIES = 3
"""For a measurement that fails."""
TIMING = "timing networks"
"""What most of the minutes go into, as `step` hears it."""
FAILED_AT_MOST = 10
"""Networks that fail so often are left out of the table; where there are more, it is the device that fails."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A table and what it took."""

    table: Table
    seconds: float
    """Of measuring."""
    refused: int
    """Networks held out that lie outside of what was calibrated; in the table's errors they count all the same."""


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What a calibration measured, in units of the reference."""

    training: Sequence[Measured]
    """In the order in which they were measured."""
    drawn: Sequence[Measured]
    """Of these, the ones that were not chosen for what they tell."""
    held_out: Sequence[Measured]
    again: Sequence[float]
    """Of each network held out the second measurement; all of them come after the first ones."""
    seconds: float


def calibrate(
    device: Device,
    *,
    called: str,
    space: Space,
    image_size: int,
    classes: int,
    in_channels: int,
    width: float,
    minutes: float,
    precision: Precision = "fp32",
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    step: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Calibration:
    """Measures networks of `space` on `device` for so many minutes, fits a table to them and tests it.

    `called` is the device as the user named it; `space` was made with the same sizes. `step` hears what is done,
    how far it is and how far it will go, `say` what the user should read.

    Raises:
        RequestError: the minutes hold too few measurements, or the space too few networks.
        DeviceError: the device cannot run the networks, was lost, or is a table itself.
    """
    begun = time.monotonic()
    card = device.card()
    reference = MOBILENET_V2.sized(
        image_size=image_size, in_channels=in_channels, classes=classes, width=width
    )
    with Untrained(device, reference, agreed=None, precision=precision, say=say) as timed:
        step("timing MobileNetV2", 0, 1)
        agreed = timed.calibrate(launches=LAUNCHES)
        step("timing MobileNetV2", 1, 1)
        if agreed.predicted:
            raise DeviceError(f"{called} is a table already: name the device itself")
        measurements = measure(
            timed,
            space=space,
            minutes=minutes,
            begun=begun,
            seed=seed,
            step=step,
            clock=time.monotonic,
        )
    say(f"fitting the table to {len(measurements.training)} networks")
    return fit(
        measurements,
        called=called,
        space=space,
        width=width,
        precision=precision,
        format=timed.format,
        card=card,
        reference=reference,
        agreed=agreed,
    )


def measure(
    time_one: Callable[[Architecture], Latency],
    *,
    space: Space,
    minutes: float,
    begun: float,
    seed: int,
    step: Callable[[str, int, int], None],
    clock: Callable[[], float],
) -> Measurements:
    """Measures what a table is made of and, between them, the networks that it is tested on.

    The first are the ends of the space, networks that between them have the fewest and the most channels of every
    kind of operator on every map, and `DRAWN` random ones; after them come those that tell most about all others.
    The minutes are counted from `begun`, in seconds of `clock`; a device that has become slower since its pace was
    taken ends late rather than with less than a table needs.

    Raises:
        RequestError: the minutes hold too few measurements, or the space too few networks.
        DeviceError: as of `time_one`, for more than `FAILED_AT_MOST` networks.
    """
    held_out, pool = _drawn(space, random.Random(seed))
    chosen, drawn = _first(space, pool, besides=held_out)
    queue = [*chosen, *drawn]
    first = len(queue)
    training: list[Measured] = []
    started = clock()
    failed = 0

    def attempt(network: Architecture) -> float | None:
        """Its latency in units of the reference; None where it fails each time."""
        nonlocal failed
        for _ in range(TRIES):
            try:
                return time_one(network).ratio
            except DeviceLostError:
                raise
            except DeviceError as error:
                last = error
        failed += 1
        if failed > FAILED_AT_MOST:
            raise last
        return None

    def train() -> None:
        network = queue.pop(0)
        ratio = attempt(network)
        if ratio is not None:
            training.append(Measured(architecture=network, ratio=ratio))

    least = first + 2 * HELD_OUT[0]
    while len(training) < PACE:
        step(TIMING, len(training), least)
        train()
    each_s = (clock() - started) / PACE
    end = begun + 60 * minutes
    fits = PACE + int((end - clock()) / each_s)
    if fits < least:
        needed = math.ceil((started - begun + (least + least // 10) * each_s) / 60)
        raise RequestError(
            f"a measurement takes {each_s:.2g} s there, and a table needs {least} of them: give `minutes` {needed}",
            field="minutes",
            value=minutes,
        )
    count = min(HELD_OUT[1], max(HELD_OUT[0], int(HELD_OUT_SHARE * fits / 2)))
    held_out, spare = held_out[:count], held_out[count:]
    tested: list[float] = []
    while True:
        done = max((clock() - started) / (end - started), len(training) / MOST)
        if not queue and done < 1:
            queue += _next(training, pool)
        if done >= 1 and len(tested) == 2 * count and (len(training) >= first or not queue):
            break
        measured = len(training) + len(tested)
        step(TIMING, measured, max(least, round(measured / min(done, 1.0))))
        if len(tested) < 2 * count and (len(tested) < 2 * count * done or not queue):
            ratio = attempt(held_out[len(tested) % count])
            if ratio is not None:
                tested.append(ratio)
            elif len(tested) < count and spare:
                held_out[len(tested)] = spare.pop(0)
        elif queue:
            train()
        else:
            break
    random_ones = {one.digest() for one in drawn}
    return Measurements(
        training=training,
        drawn=[one for one in training if one.architecture.digest() in random_ones],
        held_out=[
            Measured(architecture=one, ratio=ratio)
            for one, ratio in zip(held_out, tested[:count], strict=True)
        ],
        again=tested[count:],
        seconds=clock() - begun,
    )


def _drawn(space: Space, generator: random.Random) -> tuple[list[Architecture], list[Architecture]]:
    """Different random networks: those to hold out, and those to choose from."""
    drawn: dict[str, Architecture] = {}
    wanted = HELD_OUT[1] + POOL
    for _ in range(DRAWS * wanted):
        network = random_network(space, generator)
        drawn.setdefault(network.digest(), network)
        if len(drawn) == wanted:
            break
    if len(drawn) < HELD_OUT[1] + DRAWN:
        raise RequestError(
            f"the space has few networks ({len(drawn)} found): search it by measuring, without a table"
        )
    networks = list(drawn.values())
    return networks[: HELD_OUT[1]], networks[HELD_OUT[1] :]


def _first(
    space: Space, pool: Sequence[Architecture], *, besides: Sequence[Architecture]
) -> tuple[list[Architecture], list[Architecture]]:
    """The ends of the space and, by greed, networks that cover what all of `pool` has; and `DRAWN` others of it."""
    away = {one.digest() for one in besides}
    ends = [one for one in (smallest_network(space), largest_network(space)) if one.digest() not in away]
    extent = Extent.of([*ends, *pool])
    corners = [extent.corners(one) for one in pool]
    missing = set().union(*corners).difference(*(extent.corners(one) for one in ends))
    chosen = {one.digest(): one for one in ends}
    while missing:
        best = max(range(len(pool)), key=lambda index: len(corners[index] & missing))
        missing -= corners[best]
        chosen[pool[best].digest()] = pool[best]
    return list(chosen.values()), [one for one in pool if one.digest() not in chosen][:DRAWN]


def _next(training: Sequence[Measured], pool: Sequence[Architecture]) -> list[Architecture]:
    """The networks of `pool` that tell most, as many as there are already."""
    known = {one.architecture.digest() for one in training}
    unknown = [one for one in pool if one.digest() not in known]
    if not unknown:
        return []
    predictor = fitted([one.architecture for one in training], [one.ratio for one in training])
    return informative(predictor, unknown, len(training))


def fit(
    measurements: Measurements,
    *,
    called: str,
    space: Space,
    width: float,
    precision: Precision,
    format: Format,
    card: DeviceCard,
    reference: Architecture,
    agreed: Latency,
) -> Calibration:
    """The table that measurements give, held against the networks held out and against other ways to predict."""
    training, held_out = measurements.training, measurements.held_out
    predictor = fitted([one.architecture for one in training], [one.ratio for one in training])
    networks = [one.architecture for one in held_out]
    truth = np.array([one.ratio for one in held_out])
    predicted, spread = predictor(networks)
    ways = {
        "the table": predicted,
        "multiply-adds alone": _by_multiply_adds(training, networks),
        f"{len(measurements.drawn)} random networks": _by_choices(measurements.drawn, networks, space),
        "the device again": np.array(measurements.again),
    }
    generator = np.random.default_rng(0)
    table = Table(
        device=called,
        format=format,
        precision=precision,
        space=space.name,
        width=width,
        card=card,
        reference=reference,
        agreed=agreed,
        measured=tuple(training),
        held_out=tuple(held_out),
        again=tuple(measurements.again),
        accordance=tuple(accordance(way, told, truth, generator) for way, told in ways.items()),
        coverage=float((np.abs(np.log(predicted / truth)) <= Z_95 * spread).mean()),
        fit=predictor.fit,
        calibrated_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    refused = sum(_refuses(table, one) for one in networks)
    return Calibration(table=table, seconds=measurements.seconds, refused=refused)


def _refuses(table: Table, network: Architecture) -> bool:
    try:
        table.predict(network)
    except DeviceError:
        return True
    return False


def _by_multiply_adds(training: Sequence[Measured], networks: Sequence[Architecture]) -> Floats:
    """Latency as a power of multiply-adds: the straight line between their logarithms."""
    adds = np.log([count_multiply_adds(one.architecture.lowered()) for one in training])
    line = np.polyfit(adds, np.log([one.ratio for one in training]), 1)
    found: Floats = np.exp(np.polyval(line, np.log([count_multiply_adds(one.lowered()) for one in networks])))
    return found


def _by_choices(training: Sequence[Measured], networks: Sequence[Architecture], space: Space) -> Floats:
    """Latency as a sum over the choices of whole networks, by ridge regression.

    On this project's host it did better than the logarithm's sum and than a Gaussian process over choices.
    """
    options = [(name, option) for name, choice in space.distributions.items() for option in choice.choices]

    def chosen(architecture: Architecture) -> list[float]:
        params = space.encode(architecture)
        return [float(params.get(name) == option) for name, option in options]

    ratios = np.array([one.ratio for one in training])
    ridge = RidgeCV(alphas=np.logspace(-3, 3, 13))
    ridge.fit([chosen(one.architecture) for one in training], ratios)
    found: Floats = np.maximum(ridge.predict([chosen(one) for one in networks]), ratios.min())
    return found


def accordance(way: str, told: Floats, truth: Floats, generator: np.random.Generator) -> Accordance:
    """How well latencies told in some `way` agree with measured ones."""
    errors = np.abs(told / truth - 1)
    # How often each network is drawn in each bootstrap, [bootstraps, networks], the sample itself in front.
    draws = generator.integers(len(truth), size=(BOOTSTRAPS, len(truth)))
    times = np.array([np.bincount(draw, minlength=len(truth)) for draw in [np.arange(len(truth)), *draws]])
    tau = _kendall(told, truth, times)
    low, high = np.quantile(tau[1:], (0.025, 0.975))
    return Accordance(
        way=way,
        within_10=float((errors <= 0.1).mean()),
        within_5=float((errors <= 0.05).mean()),
        mean_error=float(errors.mean()),
        tau=float(tau[0]),
        tau_low=float(low),
        tau_high=float(high),
    )


def _kendall(one: Floats, other: Floats, times: NDArray[np.int64]) -> Floats:
    """Kendall's τ-b of two series in which each value stands so many times, for each row of `times`."""
    order, order_of_other = (np.sign(values[:, None] - values) for values in (one, other))

    def summed(pairs: Floats) -> Floats:
        found: Floats = ((times @ pairs) * times).sum(1)
        return found

    pairs = np.sqrt(summed(order**2) * summed(order_of_other**2))
    # Without pairs there is no order: a draw of one network alone.
    return summed(order * order_of_other) / np.maximum(pairs, 1.0)


HEADINGS = ("prediction by", "within ± 10 %", "± 5 %", "mean error", "Kendall's τ", "95 % interval of τ")
"""Of `rows`."""


def rows(table: Table) -> list[tuple[str, ...]]:
    """The ways to tell a latency, side by side; one text for each of `HEADINGS`."""
    return [
        (
            one.way,
            f"{one.within_10:.0%}",
            f"{one.within_5:.0%}",
            f"{one.mean_error:.1%}",
            f"{one.tau:.3f}",
            f"{one.tau_low:.3f} to {one.tau_high:.3f}",
        )
        for one in table.accordance
    ]


def report_lines(found: Calibration) -> Iterator[str]:
    """What stands under the table of `rows`: what it was made of, and what its intervals are worth."""
    table = found.table
    common = table.measured[0].architecture
    yield (
        f"from {len(table.measured)} networks of {table.space} at {common.image_size} px and width "
        f"{table.width:g}, {table.precision}, measured in {found.seconds / 60:.1f} min; tested on "
        f"{len(table.held_out)} others, each measured twice"
    )
    yield f"device: {table.card.name}, {table.agreed.runtime}, threads: {table.card.threads}"
    yield f"{table.coverage:.0%} of the table's 95 % intervals hold what was measured"
    if found.refused:
        yield (
            f"{found.refused} of the {len(table.held_out)} would be refused, as outside of what was calibrated: "
            "give more `minutes`"
        )
