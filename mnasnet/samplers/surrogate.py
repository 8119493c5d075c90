"""A surrogate of trainings: what is expected of the objectives of a network, and of its worth."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mnasnet.samplers.gaussian_process import Floats, GaussianProcess, Options, Points, fitted

# All set by hand.

FIT_MOST = 300
"""Finished trials that hyperparameters are fitted to: their time grows with the third power."""
COSTS_MOST = 300
"""Costs of networks that were not tried, the newest, that predictions are made from."""
TAIL = -6.0
"""Standard deviations below which expected improvement is taken from its asymptote."""

Row = tuple[int, ...]
"""One network of `Options`."""

Worth = Callable[[Sequence[float]], float]
"""What is maximised, of the values of all objectives; -inf where they are worth nothing."""


@dataclass(frozen=True, kw_only=True)
class Logarithm:
    """Values by the logarithm of their distance from an origin that none of them reaches, still in their order."""

    origin: float
    sign: int
    """1 where they lie above the origin, -1 below."""

    def __call__(self, values: Floats) -> Floats:
        """y → ± log(± (y - origin))."""
        found: Floats = self.sign * np.log(self.sign * (values - self.origin))
        return found

    def inverse(self, logarithms: Floats) -> Floats:
        """The values again."""
        found: Floats = self.origin + self.sign * np.exp(self.sign * logarithms)
        return found

    def serves(self, values: Floats) -> bool:
        """Whether all of them lie on its side."""
        return bool((self.sign * (values - self.origin) > 0).all())


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Hyperparameters of each objective's process."""

    finished: int
    """Trials that had finished then."""
    choices: tuple[str, ...]
    logarithms: tuple[Logarithm | None, ...]
    """By which each objective is modelled; None where as it is."""
    hyperparameters: tuple[tuple[float, ...], ...]

    @classmethod
    def to(cls, points: Points, values: Floats, choices: tuple[str, ...]) -> "Fit":
        """To all finished trials, and their values [trials, objectives], NaN where not known."""
        fits = [_fitted(points[known], column[known]) for column, known in _columns(values)]
        return cls(
            finished=len(points),
            choices=choices,
            logarithms=tuple(logarithm for logarithm, _ in fits),
            hyperparameters=tuple(tuple(map(float, found)) for _, found in fits),
        )

    def serves(self, values: Floats, choices: tuple[str, ...]) -> bool:
        """Whether it is of these choices, and `values` [trials, objectives] have the logarithms that it wants."""
        return self.choices == choices and all(
            logarithm is None or logarithm.serves(column[known])
            for logarithm, (column, known) in zip(self.logarithms, _columns(values), strict=True)
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Fit":
        """What `dataclasses.asdict` made, through JSON."""
        return cls(
            finished=data["finished"],
            choices=tuple(data["choices"]),
            logarithms=tuple(None if one is None else Logarithm(**one) for one in data["logarithms"]),
            hyperparameters=tuple(tuple(one) for one in data["hyperparameters"]),
        )


def _columns(values: Floats) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
    """Each objective's values, and which of them are known."""
    for column in values.T:
        yield column, ~np.isnan(column)


def _fitted(points: Points, values: Floats) -> tuple[Logarithm | None, Floats]:
    """The logarithm of `values` that makes them most probable, or None, and the hyperparameters then.

    From 0, which a product of what was chosen wants, as latency; or down from above the best, as of accuracy, which
    saturates: what tells good networks from each other is then not lost beside a few that learnt nothing. The
    latter's origin is as far above the highest value as that is above the median.
    """
    some = np.unique(np.linspace(0, len(values) - 1, min(len(values), FIT_MOST)).astype(int))
    points, few = points[some], values[some]
    if few.std() == 0:
        return None, fitted(points, _standard(few))[0]
    above = values.max() - np.median(values)
    candidates: list[Logarithm | None] = [None]
    candidates += [Logarithm(origin=0.0, sign=1)] if values.min() > 0 else []
    candidates += [Logarithm(origin=float(values.max() + above), sign=-1)] if above > 0 else []

    def density(logarithm: Logarithm | None) -> tuple[float, Floats]:
        """Of the values themselves, as a logarithm and but for a constant; and the hyperparameters."""
        modelled = few if logarithm is None else logarithm(few)
        found, probable = fitted(points, _standard(modelled))
        slope = 0.0 if logarithm is None else float(np.log(np.abs(few - logarithm.origin)).sum())
        return probable - len(few) * math.log(modelled.std()) - slope, found

    densities = [density(one) for one in candidates]
    best = max(range(len(candidates)), key=lambda n: densities[n][0])
    return candidates[best], densities[best][1]


def _standard(values: Floats) -> Floats:
    found: Floats = (values - values.mean()) / (values.std() or 1.0)
    return found


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is expected of networks that have not been tried."""

    processes: tuple[GaussianProcess, ...]
    """Of each objective, or of its logarithm."""
    logarithms: tuple[Logarithm | None, ...]
    worth: Worth
    options: Options
    """The networks that it was made from."""
    points_of: Callable[[Options], Points]
    """How far apart networks are."""
    costs: Mapping[Row, float]
    """The last objective of networks of which it is known, and not expected."""

    @classmethod
    def of(
        cls,
        options: Options,
        values: Floats,
        fit: Fit,
        worth: Worth,
        points_of: Callable[[Options], Points],
        costs: Mapping[Row, float] | None = None,
    ) -> "Model":
        """From networks [networks, choices] that were tried, and their values [networks, objectives].

        What is not known of them, NaN, is expected.

        Args:
            options: the networks.
            values: theirs.
            fit: to these networks and values, or fewer.
            worth: what is made of the values.
            points_of: how far apart options are.
            costs: the last objective of further networks; None where nobody knows it without a trial.
        """
        points = points_of(options)
        tried = {} if costs is None else dict(zip(rows_of(options), values[:, -1].tolist(), strict=True))
        last = fit.logarithms[-1]
        # One beyond the logarithm's origin is known by itself, and teaches nothing of others until the next fit.
        further = [
            (row, cost)
            for row, cost in (costs or {}).items()
            if row not in tried and math.isfinite(cost) and (last is None or last.serves(np.array(cost)))
        ][-COSTS_MOST:]
        processes: list[GaussianProcess] = []
        for (column, known), logarithm, hyperparameters in zip(
            _columns(values), fit.logarithms, fit.hyperparameters, strict=True
        ):
            told, outcomes = points[known], column[known]
            if further and len(processes) == values.shape[1] - 1:
                told = told.and_also(points_of(np.array([row for row, _ in further])))
                outcomes = np.append(outcomes, [cost for _, cost in further])
            # Mean and spread are those of all, also of what was not tried: what asking costs first wins with a hard
            # reward is lost where they are those of the tried alone (-0.06 ± 0.08 points over 10 seeds).
            process = GaussianProcess.of(
                told, logarithm(outcomes) if logarithm else outcomes, np.array(hyperparameters)
            )
            processes.append(process if known.all() else process.expecting(points[~known]))
        return cls(
            processes=tuple(processes),
            logarithms=fit.logarithms,
            worth=worth,
            options=options,
            points_of=points_of,
            # Of a network that was tried and came to nothing, what was told before is truer than its values.
            costs={**tried, **(costs or {})},
        )

    def expecting(self, options: Options) -> "Model":
        """The same with further networks that turn out to be what is expected of them: where they are, little is
        left to be learnt."""
        points = self.points_of(options)
        return dataclasses.replace(
            self,
            processes=tuple(process.expecting(points) for process in self.processes),
            options=np.concatenate([self.options, options]),
        )

    def __call__(self, options: Options) -> tuple[Floats, Floats]:
        """The worth of what is expected, and its standard deviation to first order, of each network."""
        points = self.points_of(options)
        told = [process(points) for process in self.processes]
        costs = np.full(len(options), math.nan)
        if self.costs:
            costs[:] = [self.costs.get(row, math.nan) for row in rows_of(options)]

        def worths(moved: int | None) -> Floats:
            """With one objective a standard deviation off, or none."""
            columns = [mean + spread * (n == moved) for n, (mean, spread) in enumerate(told)]
            values = np.stack(
                [
                    logarithm.inverse(one) if logarithm else one
                    for one, logarithm in zip(columns, self.logarithms, strict=True)
                ],
                axis=1,
            )
            # What is known is not off.
            values[:, -1] = np.where(np.isnan(costs), values[:, -1], costs)
            # A latency below 0 may be expected of a network, and is worth nothing.
            with np.errstate(invalid="ignore"):
                return np.array([self.worth(one) for one in values])

        worth = worths(None)
        square = np.zeros_like(worth)
        for objective in range(len(told)):
            with np.errstate(invalid="ignore"):  # -inf less -inf
                change = worths(objective) - worth
            # Where values begin to be worth nothing there is a step and no slope.
            square += np.where(np.isfinite(change), change, 0.0) ** 2
        return worth, np.sqrt(square)


def rows_of(options: Options) -> list[Row]:
    """Each network of `options`."""
    return [tuple(row) for row in options.tolist()]


def log_expected_improvement(mean: Floats, spread: Floats, target: float) -> Floats:
    """Logarithm of the expected max(0, normal(mean, spread) - target); -inf where there is none.

    σ (z Φ(z) + φ(z)) with z = (mean - target) / σ (Jones et al., 1998, equation 15); far below, where the two terms
    cancel, φ(z) / z².
    """
    with np.errstate(all="ignore"):
        z = (mean - target) / spread
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        near = np.log(z * ndtr(z) + density)
        far = -0.5 * z**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-z)
        found = np.where(z > TAIL, near, far) + np.log(spread)
        sure = np.where(mean > target, np.log(mean - target), -np.inf)
    found = np.where(spread > 0, found, sure)
    return np.where(np.isnan(found), -np.inf, found)
