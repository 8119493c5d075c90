"""How long a network takes, from how long others did: what its operators cost, and what is more than their sum.

In three parts, each of which explains what the one before leaves over:

1. Rates. An operator takes an overhead and a time for each multiply-add, each value of its maps and each weight,
   with rates of its sort. Fitted to logarithms of latencies, since a latency's error is relative.
2. Corrections. Each operator's time is off by a factor that changes smoothly with its channels and its map and is
   alike for alike ones only: a Gaussian process over operators, which the networks see added up, each operator with
   its share of the time. So thousands of shapes are told from hundreds of networks.
3. What is not additive: a Gaussian process over how a network's time is shared out between operators.

The second and third together are one Gaussian process over networks, whose strengths are those that make the
measured latencies most likely; it gives the standard deviation of each prediction as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import least_squares, minimize

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Z_95
from mnasnet.meters.operators import Operator, Sort, operators

FloatArray = NDArray[np.float64]

SORTS: tuple[Sort, ...] = get_args(Sort)

USUAL_RATES = {
    "pointwise": (1.0, 1e-4, 4e-4, 2e-4),
    "spatial": (1.0, 1e-4, 4e-4, 2e-4),
    "depthwise": (1.0, 3e-4, 4e-4, 2e-4),
    "pool": (1.0, 1e-4, 4e-4, 2e-4),
    "dense": (1.0, 2e-4, 4e-4, 2e-4),
    "elementwise": (1.0, 1e-4, 4e-4, 2e-4),
}
"""Microseconds of a small core for an operator, a multiply-add, a value and a weight: where the fit begins."""
RATE_SPREAD = 1.5
"""Standard deviation that the logarithm of a rate is believed to have around the usual one."""
RATE_NOISE = 0.05
"""Of a logarithm of a latency around what rates alone can say."""

LENGTHS = (2.0, 0.5)
"""Doublings of channels or map over which corrections are alike: slow changes, and steps of a kernel's tile."""

USUAL_STRENGTHS = (0.1, 0.3, 0.1, 0.05, 0.05, 0.01)
"""Standard deviations, as logarithms of latency: what all have in common, corrections at each of `LENGTHS` and of
each shape for itself, what is not additive, and the noise of a measurement. Where the fit begins."""
STRENGTH_SPREAD = 1.5
"""Of the logarithm of a strength around the usual one."""


@dataclass(frozen=True, kw_only=True)
class PredictorParameters:
    """What was learned from measurements, beside the measurements."""

    rates: tuple[float, ...]
    """Logarithms; of each of `SORTS` those for an operator, a multiply-add, a value and a weight."""
    strengths: tuple[float, ...]
    """As `USUAL_STRENGTHS`."""
    stretch: float
    """What standard deviations are multiplied by, at least 1, so that 95 % of the networks measured lie within 1.96
    of them when each is predicted from the others."""


class Predictor:
    """Predicts latencies, in the unit of those measured, from the networks that were measured."""

    def __init__(
        self, measured: Sequence[Architecture], latencies: Sequence[float], parameters: PredictorParameters
    ) -> None:
        """`parameters` as `fit_predictor` found them for the same measurements."""
        self.parameters = parameters
        self._networks = _Networks.from_architectures(measured, np.array(parameters.rates))
        self._residuals = np.log(latencies) - self._networks.log_base
        parts = _parts(self._networks, self._networks, self._networks)
        covariance = _covariance(parts, parameters.strengths)
        covariance[np.diag_indices_from(covariance)] += parameters.strengths[-1] ** 2
        self._lower = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._lower, True), self._residuals)

    def __call__(self, architectures: Sequence[Architecture]) -> tuple[FloatArray, FloatArray]:
        """Of each network the latency, and the standard deviation of a measurement's logarithm around its own."""
        networks = _Networks.from_architectures(architectures, np.array(self.parameters.rates))
        cross = _covariance(_parts(networks, self._networks, self._networks), self.parameters.strengths)
        variance = _variance(networks, self.parameters.strengths)
        # [measured, networks]
        variance -= (solve_triangular(self._lower, cross.T, lower=True) ** 2).sum(0)
        spread = np.sqrt(np.maximum(variance, 0.0) + self.parameters.strengths[-1] ** 2)
        return np.exp(networks.log_base + cross @ self._weights), self.parameters.stretch * spread

    def unknown(self, architectures: Sequence[Architecture]) -> FloatArray:
        """What is not known of the logarithms of their latencies: the covariance of each with each."""
        networks = _Networks.from_architectures(architectures, np.array(self.parameters.rates))
        cross = _covariance(_parts(networks, self._networks, self._networks), self.parameters.strengths)
        explained = solve_triangular(self._lower, cross.T, lower=True)
        own = _covariance(_parts(networks, networks, self._networks), self.parameters.strengths)
        remains: FloatArray = own - explained.T @ explained
        return remains

    def left_out(self) -> tuple[FloatArray, FloatArray]:
        """Of each network measured how far off its logarithm is when it is predicted from the others, and the
        standard deviation that this prediction has, not stretched (Rasmussen and Williams 2006, equation 5.12)."""
        precision = np.diag(cho_solve((self._lower, True), np.eye(len(self._weights))))
        return self._weights / precision, 1 / np.sqrt(precision)


def fit_predictor(measured: Sequence[Architecture], latencies: Sequence[float]) -> Predictor:
    """The predictor that measurements give, of which there must be at least 20."""
    logs = np.log(latencies)
    rates = _rates(_loads(measured), logs)
    networks = _Networks.from_architectures(measured, rates)
    parts = _parts(networks, networks, networks)
    strengths = _strengths(parts, logs - networks.log_base)
    parameters = PredictorParameters(
        rates=tuple(rates.tolist()), strengths=tuple(strengths.tolist()), stretch=1.0
    )
    predictor = Predictor(measured, latencies, parameters)
    off, spread = predictor.left_out()
    # One more network lies below the k-th of n with a chance of k / (n + 1).
    share = min(1.0, 0.95 * (len(off) + 1) / len(off))
    within = float(np.quantile(np.abs(off) / spread, share, method="higher"))
    # Strengths were fitted to the same networks, and flatter them: never less than they say.
    predictor.parameters = replace(parameters, stretch=max(1.0, within / Z_95))
    return predictor


def choose_informative(predictor: Predictor, pool: Sequence[Architecture], count: int) -> list[Architecture]:
    """The networks of `pool` to measure next, at most `count` and one after the other.

    Each is the one after which least is left unknown of all of `pool` (an I-optimal design, chosen greedily): the
    sum of its squared covariances over its own variance, given all that was measured or chosen before.
    """
    unknown = predictor.unknown(pool)
    noise = predictor.parameters.strengths[-1] ** 2
    left = np.ones(len(pool), dtype=bool)
    chosen = []
    for _ in range(min(count, len(pool))):
        gain = np.where(left, (unknown**2).sum(0) / (np.diag(unknown) + noise), -np.inf)
        best = int(gain.argmax())
        left[best] = False
        chosen.append(pool[best])
        unknown -= np.outer(unknown[best], unknown[best]) / (unknown[best, best] + noise)
    return chosen


def _loads(architectures: Sequence[Architecture]) -> FloatArray:
    """What each network asks for of each rate, in the order of `PredictorParameters.rates`."""
    return np.array([sum(_load(operator) for operator in operators(one)) for one in architectures])


def _load(operator: Operator) -> FloatArray:
    load = np.zeros((len(SORTS), 4))
    load[SORTS.index(operator.sort)] = 1, operator.multiply_adds, operator.values, operator.weights
    return load.ravel()


def _rates(loads: FloatArray, logs: FloatArray) -> FloatArray:
    usual = np.log([rate for sort in SORTS for rate in USUAL_RATES[sort]])
    usual += (logs - np.log(loads @ np.exp(usual))).mean()

    def off(rates: FloatArray) -> FloatArray:
        return np.concatenate(
            [(np.log(loads @ np.exp(rates)) - logs) / RATE_NOISE, (rates - usual) / RATE_SPREAD]
        )

    def slope(rates: FloatArray) -> FloatArray:
        taken = loads * np.exp(rates)
        return np.concatenate(
            [taken / taken.sum(1, keepdims=True) / RATE_NOISE, np.eye(len(rates)) / RATE_SPREAD]
        )

    found: FloatArray = least_squares(off, usual, jac=slope).x
    return found


def _strengths(parts: FloatArray, residuals: FloatArray) -> FloatArray:
    """Those that make the residuals most likely, given what is believed of strengths."""
    usual = np.log(USUAL_STRENGTHS)
    identity = np.eye(len(residuals))

    def surprise(strengths: FloatArray) -> tuple[float, FloatArray]:
        squares = np.exp(2 * strengths)
        lower = cholesky(np.einsum("p,pij->ij", squares[:-1], parts) + squares[-1] * identity, lower=True)
        inverse = cho_solve((lower, True), identity)
        weights = inverse @ residuals
        beliefs = (strengths - usual) / STRENGTH_SPREAD
        value = residuals @ weights / 2 + np.log(np.diag(lower)).sum() + beliefs @ beliefs / 2
        blame = inverse - np.outer(weights, weights)
        slopes = np.append(np.einsum("pij,ij->p", parts, blame), np.trace(blame))
        return value, slopes * squares + beliefs / STRENGTH_SPREAD

    found: FloatArray = minimize(surprise, usual, jac=True, method="L-BFGS-B").x
    return np.exp(found)


@dataclass(frozen=True, kw_only=True)
class _Networks:
    """Networks as their operators' shares in the time that the rates give."""

    log_base: FloatArray
    """Logarithm of the time that the rates give, `[networks]`."""
    shapes: tuple[Operator, ...]
    """The different operators of all of them."""
    shares: FloatArray
    """Of each operator in a network's time, `[networks, shapes]`."""

    @staticmethod
    def from_architectures(architectures: Sequence[Architecture], rates: FloatArray) -> "_Networks":
        column: dict[Operator, int] = {}
        cells = [
            (row, column.setdefault(operator, len(column)))
            for row, architecture in enumerate(architectures)
            for operator in operators(architecture)
        ]
        times = np.array([_load(operator) for operator in column]) @ np.exp(rates)
        counts = np.zeros((len(architectures), len(column)))
        np.add.at(counts, tuple(np.array(cells).T), 1)
        taken = counts * times
        base = taken.sum(1)
        return _Networks(log_base=np.log(base), shapes=tuple(column), shares=taken / base[:, None])


def _covariance(parts: FloatArray, strengths: Sequence[float]) -> FloatArray:
    found: FloatArray = np.einsum("p,pij->ij", np.square(strengths[:-1]), parts)
    return found


def _variance(networks: _Networks, strengths: Sequence[float]) -> FloatArray:
    """The diagonal of the covariance of `networks` with themselves."""
    alike = _alike(networks.shapes, networks.shapes)
    corrections = [((networks.shares @ one) * networks.shares).sum(1) for one in alike]
    ones = np.ones(len(networks.log_base))
    found: FloatArray = np.square(strengths[:-1]) @ np.array([ones, *corrections, ones])
    return found


def _parts(left: _Networks, right: _Networks, scale: _Networks) -> FloatArray:
    """Covariance of each network of `left` with each of `right`, for each strength but the last at 1.

    What is not additive is scaled by how the networks of `scale` spread.
    """
    corrections = [left.shares @ alike @ right.shares.T for alike in _alike(left.shapes, right.shapes)]
    one, other, own = (_profile(networks, scale) for networks in (left, right, scale))
    middle, spread = own.mean(0), own.std(0) + 1e-6
    one, other = (one - middle) / spread, (other - middle) / spread
    squared = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    profile = np.exp(-squared / (2 * one.shape[1]))
    return np.array([np.ones_like(profile), *corrections, profile])


def _alike(left: Sequence[Operator], right: Sequence[Operator]) -> list[FloatArray]:
    """How much alike corrections of operators are, for each of `LENGTHS` and for the same shape alone."""
    kinds = sorted({operator.kind for operator in (*left, *right)})

    def place(shapes: Sequence[Operator]) -> tuple[NDArray[np.int64], FloatArray]:
        sides = np.log2([(one.inputs, one.outputs, one.size) for one in shapes])
        return np.array([kinds.index(one.kind) for one in shapes]), sides

    (kind, one), (other_kind, other) = place(left), place(right)
    same = kind[:, None] == other_kind
    squared = np.maximum((one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T, 0.0)
    return [
        *(same * np.exp(-squared / (2 * length**2)) for length in LENGTHS),
        1.0 * (same & (squared < 1e-9)),
    ]


def _profile(networks: _Networks, scale: _Networks) -> FloatArray:
    """Columns that tell how a network's time is shared out: by sort and map, and the logarithm of all of it."""
    columns = {key: index for index, key in enumerate(sorted({(one.sort, one.size) for one in scale.shapes}))}
    belongs = np.zeros((len(networks.shapes), len(columns)))
    for row, one in enumerate(networks.shapes):
        if (one.sort, one.size) in columns:
            belongs[row, columns[one.sort, one.size]] = 1
    return np.column_stack([networks.shares @ belongs, networks.log_base])
