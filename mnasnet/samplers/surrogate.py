"""A surrogate of trainings: what is expected of the objectives of a network, and how surely."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from mnasnet.samplers.gaussian_process import (
    Floats,
    GaussianProcess,
    Options,
    Points,
    fitted,
    spread_of,
    varies,
)

# Both set by hand.

FIT_MOST = 300
"""Finished trials that hyperparameters are fitted to: their time grows with the third power."""
SHIFTS = tuple(ndtri([0.1, 0.3, 0.5, 0.7, 0.9]))
"""Standard deviations: the middles of five equally probable parts. The means of five, nine and fifteen
parts were not told from them by regret (`benchmarks/evidence.jsonl`, surrogate-shifts)."""


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
        fits = [_fitted(points[known], column[known]) for column, known in columns_of(values)]
        return cls(
            finished=len(points),
            choices=choices,
            logarithms=tuple(logarithm for logarithm, _ in fits),
            hyperparameters=tuple(tuple(map(float, found)) for _, found in fits),
        )

    def serves(self, values: Floats, choices: tuple[str, ...]) -> bool:
        """Whether it is of these choices and as many objectives as `values` [trials, objectives] have, and they
        have the logarithms that it wants."""
        return (self.choices, len(self.logarithms)) == (choices, values.shape[1]) and all(
            logarithm is None or logarithm.serves(column[known])
            for logarithm, (column, known) in zip(self.logarithms, columns_of(values), strict=True)
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


def columns_of(values: Floats) -> Iterator[tuple[Floats, NDArray[np.bool_]]]:
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
    if not varies(few):
        return None, fitted(points, _standard(few))[0]
    highest = float(values.max())
    above = highest - float(np.median(values))
    candidates: list[Logarithm | None] = [None]
    candidates += [Logarithm(origin=0.0, sign=1)] if values.min() > 0 else []
    candidates += [Logarithm(origin=highest + above, sign=-1)] if highest + above > highest else []
    # Values that differ in their last digits may have one logarithm.
    candidates = [one for one in candidates if one is None or varies(one(few))]

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
    found: Floats = (values - values.mean()) / spread_of(values)
    return found


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is expected of networks that have not been tried."""

    processes: tuple[GaussianProcess, ...]
    """Of each objective, or of its logarithm."""
    logarithms: tuple[Logarithm | None, ...]
    points_of: Callable[[Options], Points]
    """How far apart networks are."""

    @classmethod
    def of(
        cls,
        options: Options,
        values: Floats,
        fit: Fit,
        points_of: Callable[[Options], Points],
    ) -> "Model":
        """From `options` [networks, choices] and their `values` [networks, objectives], NaN where not known.

        What is not known is expected. `fit` is to these networks or to some of them.
        """
        points, processes = points_of(options), []
        for (column, known), logarithm, hyperparameters in zip(
            columns_of(values), fit.logarithms, fit.hyperparameters, strict=True
        ):
            modelled = logarithm(column[known]) if logarithm else column[known]
            process = GaussianProcess.of(points[known], modelled, np.array(hyperparameters))
            processes.append(process if known.all() else process.expecting(points[~known]))
        return cls(
            processes=tuple(processes),
            logarithms=fit.logarithms,
            points_of=points_of,
        )

    def expecting(self, options: Options) -> "Model":
        """The same with further networks that turn out to be what is expected of them: where they are, little is
        left to be learnt."""
        points = self.points_of(options)
        return dataclasses.replace(
            self,
            processes=tuple(process.expecting(points) for process in self.processes),
        )

    def __call__(self, options: Options) -> Floats:
        """[networks, objectives]: what is expected of each."""
        points = self.points_of(options)
        return self._values([process.expected(points) for process in self.processes])

    def cases(self, options: Options) -> Iterator[tuple[Floats, Floats]]:
        """Equally probable cases, each with one value of the last objective, if it is not the only one.

        Yields:
            [networks, objectives] what is expected in that case, and [others, networks, objectives] the same with
            each of the other objectives, or with the only one, a standard deviation up.
        """
        points = self.points_of(options)
        told = [process(points) for process in self.processes]
        means, (last, spread) = [mean for mean, _ in told], told[-1]
        others = told[:-1] or told
        for shift in SHIFTS if len(told) > 1 else (0.0,):
            means[-1] = last + shift * spread
            moved = [[*means[:n], mean + off, *means[n + 1 :]] for n, (mean, off) in enumerate(others)]
            yield self._values(means), np.stack([self._values(one) for one in moved])

    def _values(self, modelled: Sequence[Floats]) -> Floats:
        columns = [
            logarithm.inverse(one) if logarithm else one
            for one, logarithm in zip(modelled, self.logarithms, strict=True)
        ]
        return np.stack(columns, axis=1)
