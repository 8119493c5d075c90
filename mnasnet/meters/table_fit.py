"""A table fitted to what a calibration measured, and held against other ways to predict the same networks."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Z_95, DeviceCard, Format, Latency
from mnasnet.devices.device import DeviceError
from mnasnet.devices.timing import utc_now
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.meters.calibration import Calibration, CalibrationRequest, Measurements
from mnasnet.meters.prediction import FloatArray, fit_predictor
from mnasnet.meters.table import MeasuredNetwork, PredictionQuality, Table
from mnasnet.space.space import Space

BOOTSTRAPS = 1000
"""Of the networks held out, for the interval of a rank correlation."""


def fit_table(
    measurements: Measurements,
    request: CalibrationRequest,
    *,
    format: Format,
    card: DeviceCard,
    unit: Latency,
) -> Calibration:
    """The table that measurements give, held against the networks held out and against other ways to predict."""
    training, held_out = measurements.training, measurements.held_out
    predictor = fit_predictor([one.architecture for one in training], [one.ratio for one in training])
    networks = [one.architecture for one in held_out]
    truth = np.array([one.ratio for one in held_out])
    predicted, spread = predictor(networks)
    ways = {
        "the table": predicted,
        "multiply-adds alone": _by_multiply_adds(training, networks),
        f"{len(measurements.drawn)} random networks": _by_choices(
            measurements.drawn, networks, request.space
        ),
        "the device again": np.array(measurements.second_ratios),
    }
    generator = np.random.default_rng(0)
    table = Table(
        device=request.device_name,
        format=format,
        precision=request.precision,
        space=request.space.name,
        width=request.size.width,
        card=card,
        reference=request.size.reference,
        unit=unit,
        measured=tuple(training),
        held_out=tuple(held_out),
        second_ratios=tuple(measurements.second_ratios),
        qualities=tuple(rate_predictions(way, ratios, truth, generator) for way, ratios in ways.items()),
        coverage=float((np.abs(np.log(predicted / truth)) <= Z_95 * spread).mean()),
        parameters=predictor.parameters,
        calibrated_at=utc_now(),
    )
    refused = sum(_refuses(table, one) for one in networks)
    return Calibration(table=table, seconds=measurements.seconds, refused=refused)


def _refuses(table: Table, network: Architecture) -> bool:
    try:
        table.predict(network)
    except DeviceError:
        return True
    return False


def _by_multiply_adds(training: Sequence[MeasuredNetwork], networks: Sequence[Architecture]) -> FloatArray:
    """Latency as a power of multiply-adds: the straight line between their logarithms."""
    adds = np.log([count_multiply_adds(one.architecture.lowered()) for one in training])
    line = np.polyfit(adds, np.log([one.ratio for one in training]), 1)
    found: FloatArray = np.exp(
        np.polyval(line, np.log([count_multiply_adds(one.lowered()) for one in networks]))
    )
    return found


def _by_choices(
    training: Sequence[MeasuredNetwork], networks: Sequence[Architecture], space: Space
) -> FloatArray:
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
    found: FloatArray = np.maximum(ridge.predict([chosen(one) for one in networks]), ratios.min())
    return found


def rate_predictions(
    way: str, predicted: FloatArray, truth: FloatArray, generator: np.random.Generator
) -> PredictionQuality:
    """How well latencies predicted in some `way` agree with measured ones."""
    errors = np.abs(predicted / truth - 1)
    # How often each network is drawn in each bootstrap, [bootstraps, networks], the sample itself in front.
    draws = generator.integers(len(truth), size=(BOOTSTRAPS, len(truth)))
    times = np.array([np.bincount(draw, minlength=len(truth)) for draw in [np.arange(len(truth)), *draws]])
    tau = _kendall(predicted, truth, times)
    low, high = np.quantile(tau[1:], (0.025, 0.975))
    return PredictionQuality(
        way=way,
        within_10=float((errors <= 0.1).mean()),
        within_5=float((errors <= 0.05).mean()),
        mean_error=float(errors.mean()),
        tau=float(tau[0]),
        tau_low=float(low),
        tau_high=float(high),
    )


def _kendall(one: FloatArray, other: FloatArray, times: NDArray[np.int64]) -> FloatArray:
    """Kendall's τ-b of two series in which each value stands so many times, for each row of `times`."""
    order, order_of_other = (np.sign(values[:, None] - values) for values in (one, other))

    def summed(pairs: FloatArray) -> FloatArray:
        found: FloatArray = ((times @ pairs) * times).sum(1)
        return found

    pairs = np.sqrt(summed(order**2) * summed(order_of_other**2))
    # Without pairs there is no order: a draw of one network alone.
    return summed(order * order_of_other) / np.maximum(pairs, 1.0)


QUALITY_HEADINGS = (
    "prediction by",
    "within ± 10 %",
    "± 5 %",
    "mean error",
    "Kendall's τ",
    "95 % interval of τ",
)
"""Of `quality_rows`."""


def quality_rows(table: Table) -> list[tuple[str, ...]]:
    """The ways to predict a latency, side by side; one text for each of `QUALITY_HEADINGS`."""
    return [
        (
            one.way,
            f"{one.within_10:.0%}",
            f"{one.within_5:.0%}",
            f"{one.mean_error:.1%}",
            f"{one.tau:.3f}",
            f"{one.tau_low:.3f} to {one.tau_high:.3f}",
        )
        for one in table.qualities
    ]


def calibration_lines(calibration: Calibration) -> Iterator[str]:
    """What stands under the table of `quality_rows`: what it was made of, and what its intervals are worth."""
    table = calibration.table
    common = table.measured[0].architecture
    yield (
        f"from {len(table.measured)} networks of {table.space} at {common.image_size} px and width "
        f"{table.width:g}, {table.precision}, measured in {calibration.seconds / 60:.1f} min; tested on "
        f"{len(table.held_out)} others, each measured twice"
    )
    yield f"device: {table.card.name}, {table.unit.runtime}, threads: {table.card.threads}"
    yield f"{table.coverage:.0%} of the table's 95 % intervals hold what was measured"
    if calibration.refused:
        yield (
            f"{calibration.refused} of the {len(table.held_out)} would be refused, as outside of what was "
            "calibrated: give more --minutes"
        )
