"""A Gaussian process over lists of options: what is expected of a network, and how surely.

Choices are compared by whether they are the same, and in no other way: an option need not be a number. With
d_i = 1 where choice i differs, the covariance of two networks is

    a · exp(-Σ θ_i d_i)  +  b · (1 - Σ θ_i d_i / Σ θ_i)

The first term tells interactions of all orders, and dies away with distance; the second is a sum of one effect a
choice, which reaches everywhere. One θ a choice weighs it in both. On Accel-NASBench's table of trained networks
(28 choices; accuracy of 1,000 networks from 50, 100, 200 and 400 others, three draws) the root mean square error
was 1.71, 1.21, 1.02 and 0.78 points; with one θ for all 1.84, 1.32, 1.14 and 1.00; and 95 to 96 % of the networks
lay within two standard deviations.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Options = NDArray[np.int64]
"""[networks, choices]: which option each network has, as a number."""

NOISE, AMPLITUDE, LINEAR = range(3)
"""Places in `Hyperparameters` of the logarithms of the noise's variance, of a and of b; those of θ follow."""

PRIOR_MIDDLE = (np.log(0.05), np.log(0.5), np.log(0.5))
PRIOR_WIDTH = (1.5, 1.0, 1.0)
"""Normal, of these logarithms; outcomes have variance 1. So a twentieth of it is noise, within a factor of 4.5."""
THETA_SUM = 2.0
"""Σ θ in the middle of the prior: networks that differ in all choices keep exp(-2) of a in common."""
THETA_WIDTH = 1.0

FARTHEST = 5.0
"""Widths of the prior from its middle: beyond them lies nothing that is probable, and a line search that strays
there meets matrices that have no Cholesky factor."""
ITERATIONS = 30
"""Of L-BFGS: on that table the errors were the same to four digits with 100, and with 15 to three."""


def _start(choices: int) -> tuple[Floats, Floats]:
    """Middle and width of the prior."""
    middle = np.concatenate([PRIOR_MIDDLE, np.full(choices, np.log(THETA_SUM / choices))])
    return middle, np.concatenate([PRIOR_WIDTH, np.full(choices, THETA_WIDTH)])


def _covariance(distance: Floats, hyperparameters: Floats) -> Floats:
    """From Σ θ_i d_i, which it may overwrite."""
    total = np.exp(hyperparameters[LINEAR + 1 :]).sum()
    linear = np.exp(hyperparameters[LINEAR]) * (1 - distance / total)
    found: Floats = np.exp(hyperparameters[AMPLITUDE] - distance) + linear
    return found


def fitted(options: Options, outcomes: Floats) -> tuple[Floats, float]:
    """The most probable hyperparameters, and the logarithm of their posterior density, but for a constant.

    `outcomes` [networks] have mean 0 and variance 1.

    Raises:
        ValueError: no network.
    """
    count, choices = options.shape
    if count == 0:
        raise ValueError("a Gaussian process is fitted to at least one network")
    values = int(options.max()) + 1
    has = _has(options, values)
    middle, width = _start(choices)
    identity = np.eye(count)

    def loss(p: Floats) -> tuple[float, Floats]:
        """Negative logarithm of the posterior density, and its gradient (Rasmussen and Williams 2006, 5.9)."""
        theta = np.exp(p[LINEAR + 1 :])
        total = theta.sum()
        distance = total - (has * np.tile(theta, values)) @ has.T
        near = np.exp(p[AMPLITUDE] - distance)
        linear = np.exp(p[LINEAR]) * (1 - distance / total)
        factor = cholesky(near + linear + np.exp(p[NOISE]) * identity, lower=True, check_finite=False)
        weights = cho_solve((factor, True), outcomes, check_finite=False)
        pull = 0.5 * (cho_solve((factor, True), identity, check_finite=False) - np.outer(weights, weights))
        gradient = np.empty_like(p)
        gradient[NOISE] = np.exp(p[NOISE]) * np.trace(pull)
        gradient[AMPLITUDE] = (pull * near).sum()
        gradient[LINEAR] = (pull * linear).sum()
        by_distance = -pull * near - pull * np.exp(p[LINEAR]) / total
        by_total = np.exp(p[LINEAR]) * (pull * distance).sum() / total**2
        by_same = ((by_distance @ has) * has).sum(axis=0).reshape(values, choices).sum(axis=0)
        gradient[LINEAR + 1 :] = theta * (by_distance.sum() - by_same + by_total)
        off = (p - middle) / width
        value = 0.5 * outcomes @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(value), gradient + off / width

    found = minimize(
        loss,
        middle,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([middle - FARTHEST * width, middle + FARTHEST * width], axis=1),
        options={"maxiter": ITERATIONS},
    )
    return found.x, -float(found.fun)


@dataclass(frozen=True, kw_only=True)
class GaussianProcess:
    """What some networks' outcomes say of all others."""

    options: Options
    hyperparameters: Floats
    mean: float
    spread: float
    """Of the outcomes that were seen, in their unit."""
    factor: Floats
    """Cholesky's, lower, of the covariance of what was seen."""
    weights: Floats

    @classmethod
    def of(cls, options: Options, outcomes: Floats, hyperparameters: Floats) -> "GaussianProcess":
        """From networks and their outcomes, with hyperparameters of `fitted`."""
        mean, spread = float(outcomes.mean()), float(outcomes.std()) or 1.0
        covariance = _covariance(_distance(options, options, hyperparameters), hyperparameters)
        noise = np.exp(hyperparameters[NOISE]) * np.eye(len(options))
        factor = cholesky(covariance + noise, lower=True, check_finite=False)
        return cls(
            options=options,
            hyperparameters=hyperparameters,
            mean=mean,
            spread=spread,
            factor=factor,
            weights=cho_solve((factor, True), (outcomes - mean) / spread),
        )

    def expecting(self, options: Options) -> "GaussianProcess":
        """The same with further networks, whose outcomes are what is expected of them."""
        p = self.hyperparameters
        across = _covariance(_distance(options, self.options, p), p)
        among = _covariance(_distance(options, options, p), p) + np.exp(p[NOISE]) * np.eye(len(options))
        # Cholesky's factor of the larger matrix, of which the old one is the upper left part.
        side = solve_triangular(self.factor, across.T, lower=True, check_finite=False)
        corner = cholesky(among - side.T @ side, lower=True, check_finite=False)
        factor = np.block([[self.factor, np.zeros_like(side)], [side.T, corner]])
        # What turns out as expected leaves all other expectations as they are.
        return replace(
            self,
            options=np.concatenate([self.options, options]),
            factor=factor,
            weights=np.concatenate([self.weights, np.zeros(len(options))]),
        )

    def __call__(self, options: Options) -> tuple[Floats, Floats]:
        """What is expected of each network, and its standard deviation without noise, in the outcomes' unit."""
        p = self.hyperparameters
        covariance = _covariance(_distance(options, self.options, p), p)
        explained = solve_triangular(self.factor, covariance.T, lower=True, check_finite=False)
        variance = np.exp(p[AMPLITUDE]) + np.exp(p[LINEAR]) - (explained**2).sum(axis=0)
        return (
            covariance @ self.weights * self.spread + self.mean,
            np.sqrt(np.maximum(variance, 1e-12)) * self.spread,
        )


def _distance(one: Options, other: Options, hyperparameters: Floats) -> Floats:
    """Σ θ_i d_i, as what two have in common subtracted from all: that is a product of matrices."""
    theta = np.exp(hyperparameters[LINEAR + 1 :])
    values = int(max(one.max(initial=0), other.max(initial=0))) + 1
    found: Floats = theta.sum() - (_has(one, values) * np.tile(theta, values)) @ _has(other, values).T
    return found


def _has(options: Options, values: int) -> Floats:
    """[networks, values × choices]: 1 where a network has that option, option by option and within it by choice."""
    return np.concatenate([options == value for value in range(values)], axis=1).astype(float)
