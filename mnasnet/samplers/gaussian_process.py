"""A Gaussian process over lists of options: what is expected of a network, and how surely.

With d_i from 0 to 1, which says how far apart two networks are in choice i, their covariance is

    a · exp(-Σ θ_i d_i)  +  b · (1 - Σ θ_i d_i / Σ θ_i)

The first term tells interactions of all orders, and dies away with distance; the second is a sum of one effect a
choice, which reaches everywhere. One θ a choice weighs it in both. Options that are numbers lie on a line, in their
order and equally far apart, since they need not be of one scale; others are all equally far from each other.

On Accel-NASBench's table of trained networks, half of whose choices are among numbers, the order takes about a
tenth from the error (`benchmarks/evidence.jsonl`, gp-ordered-options). Of the networks 92 to 96 % lie within two
standard deviations (`benchmarks/evidence.jsonl`, gp-two-deviations).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]
Options = NDArray[np.int64]
"""[networks, choices]: which option each network has, as a number."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Networks as numbers: how far apart two are in a choice is the sum of |x - x'| over its columns."""

    columns: Floats
    """[networks, columns]"""
    choice: NDArray[np.int64]
    """[columns]: the choice that each belongs to."""

    @classmethod
    def of(cls, options: Options, choices: Sequence[tuple[Any, ...]]) -> "Points":
        """Networks by their options, of which `choices` lists all of each choice: two or more."""
        tables = [
            _on_a_line(one) if all(isinstance(option, int | float) for option in one) else _corners(len(one))
            for one in choices
        ]
        return cls(
            columns=np.concatenate(
                [table[row] for table, row in zip(tables, options.T, strict=True)], axis=1
            ),
            choice=np.repeat(np.arange(len(tables)), [table.shape[1] for table in tables]),
        )

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Points":
        return replace(self, columns=self.columns[which])

    def and_also(self, others: "Points") -> "Points":
        """These, and others of the same choices."""
        return replace(self, columns=np.concatenate([self.columns, others.columns]))


@cache
def _on_a_line(options: tuple[float, ...]) -> Floats:
    """[options, 1]: from 0 to 1 in their order."""
    ranks: Floats = np.argsort(np.argsort(options)) / (len(options) - 1)
    return ranks[:, None]


@cache
def _corners(count: int) -> Floats:
    """[options, options]: all 1 apart."""
    return np.eye(count) / 2


NOISE, AMPLITUDE, LINEAR = range(3)
"""Places among hyperparameters of the logarithms of the noise's variance, of a and of b; those of θ follow."""

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
"""Of L-BFGS: with 100 the errors on that table are the same (`benchmarks/evidence.jsonl`, gp-iterations)."""


def _prior(choices: int) -> tuple[Floats, Floats]:
    """Its middle and its width, [3 + choices] each."""
    middle = np.concatenate([PRIOR_MIDDLE, np.full(choices, np.log(THETA_SUM / choices))])
    return middle, np.concatenate([PRIOR_WIDTH, np.full(choices, THETA_WIDTH)])


def _covariance(distance: Floats, hyperparameters: Floats) -> Floats:
    """From Σ θ_i d_i."""
    total = np.exp(hyperparameters[LINEAR + 1 :]).sum()
    linear = np.exp(hyperparameters[LINEAR]) * (1 - distance / total)
    found: Floats = np.exp(hyperparameters[AMPLITUDE] - distance) + linear
    return found


def fitted(points: Points, outcomes: Floats) -> tuple[Floats, float]:
    """The most probable hyperparameters [3 + choices], and the logarithm of their density, but for a constant.

    `outcomes` [networks] have mean 0 and variance 1.

    Raises:
        ValueError: no network.
    """
    count, choices = len(points), int(points.choice[-1]) + 1
    if count == 0:
        raise ValueError("a Gaussian process is fitted to at least one network")
    # [choices, networks × networks]: d_i.
    apart = np.stack(
        [
            cdist(mine, mine, "cityblock").ravel()
            for mine in (points.columns[:, points.choice == choice] for choice in range(choices))
        ]
    )
    middle, width = _prior(choices)
    found = minimize(
        _loss,
        middle,
        args=(apart, outcomes, middle, width),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([middle - FARTHEST * width, middle + FARTHEST * width], axis=1),
        options={"maxiter": ITERATIONS},
    )
    return found.x, -float(found.fun)


def _loss(p: Floats, apart: Floats, outcomes: Floats, middle: Floats, width: Floats) -> tuple[float, Floats]:
    """Negative logarithm of the posterior density, and its gradient (Rasmussen and Williams 2006, 5.9).

    `apart` [choices, networks²] is d_i of all pairs; `middle` and `width` [3 + choices] are the prior's.
    """
    count = len(outcomes)
    identity = np.eye(count)
    theta = np.exp(p[LINEAR + 1 :])
    total = theta.sum()
    distance = (theta @ apart).reshape(count, count)
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
    gradient[LINEAR + 1 :] = theta * (apart @ by_distance.ravel() + by_total)
    off = (p - middle) / width
    value = 0.5 * outcomes @ weights + np.log(np.diag(factor)).sum() + 0.5 * off @ off
    return float(value), gradient + off / width


@dataclass(frozen=True, kw_only=True)
class GaussianProcess:
    """What some networks' outcomes say of all others."""

    points: Points
    """The networks that were seen."""
    hyperparameters: Floats
    """[3 + choices]: logarithms, as of `fitted`."""
    mean: float
    spread: float
    """Both of the outcomes that were seen, in their unit."""
    factor: Floats
    """[seen, seen]: Cholesky's, lower, of the covariance of what was seen."""
    weights: Floats
    """[seen]: the inverse of that covariance, times the standardised outcomes."""

    @classmethod
    def of(cls, points: Points, outcomes: Floats, hyperparameters: Floats) -> "GaussianProcess":
        """From networks and their outcomes, with hyperparameters of `fitted`."""
        mean, spread = float(outcomes.mean()), spread_of(outcomes)
        covariance = _covariance(_distance(points, points, hyperparameters), hyperparameters)
        noise = np.exp(hyperparameters[NOISE]) * np.eye(len(points))
        factor = cholesky(covariance + noise, lower=True, check_finite=False)
        return cls(
            points=points,
            hyperparameters=hyperparameters,
            mean=mean,
            spread=spread,
            factor=factor,
            weights=cho_solve((factor, True), (outcomes - mean) / spread),
        )

    def expecting(self, points: Points) -> "GaussianProcess":
        """The same with further networks, whose outcomes are what is expected of them."""
        p = self.hyperparameters
        across = self._across(points)
        among = _covariance(_distance(points, points, p), p) + np.exp(p[NOISE]) * np.eye(len(points))
        # Cholesky's factor of the larger matrix, of which the old one is the upper left part.
        side = solve_triangular(self.factor, across.T, lower=True, check_finite=False)
        corner = cholesky(among - side.T @ side, lower=True, check_finite=False)
        factor = np.block([[self.factor, np.zeros_like(side)], [side.T, corner]])
        # What turns out as expected leaves all other expectations as they are.
        return replace(
            self,
            points=self.points.and_also(points),
            factor=factor,
            weights=np.concatenate([self.weights, np.zeros(len(points))]),
        )

    def expected(self, points: Points) -> Floats:
        """[networks]: what is expected of each, in the outcomes' unit."""
        return self._expected(self._across(points))

    def __call__(self, points: Points) -> tuple[Floats, Floats]:
        """[networks] each: what is expected, and its standard deviation but for noise, which takes far longer."""
        p = self.hyperparameters
        across = self._across(points)
        explained = solve_triangular(self.factor, across.T, lower=True, check_finite=False)
        variance = np.exp(p[AMPLITUDE]) + np.exp(p[LINEAR]) - (explained**2).sum(axis=0)
        return self._expected(across), np.sqrt(np.maximum(variance, 1e-12)) * self.spread

    def _across(self, points: Points) -> Floats:
        """[networks, those seen]: their covariance."""
        return _covariance(_distance(points, self.points, self.hyperparameters), self.hyperparameters)

    def _expected(self, across: Floats) -> Floats:
        found: Floats = across @ self.weights * self.spread + self.mean
        return found


def spread_of(outcomes: Floats) -> float:
    """Their standard deviation; 1 where they are all the same, whatever rounding makes of that."""
    return float(outcomes.std()) if varies(outcomes) else 1.0


def varies(outcomes: Floats) -> bool:
    """Whether they differ by anything whose square is not 0 to rounding."""
    return bool(np.ptp(outcomes) > 1e-100)


def _distance(one: Points, other: Points, hyperparameters: Floats) -> Floats:
    """Σ θ_i d_i."""
    theta = np.exp(hyperparameters[LINEAR + 1 :])[one.choice]
    found: Floats = cdist(one.columns * theta, other.columns * theta, "cityblock")
    return found
