"""What is kept of a run, and what all runs of a sampler on a problem come to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from contenders import contender_named, names, settings_of
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from problems import Problem
from records import RunRecord, last_runs

from mnasnet.samplers.expectation import expected_values

CHECKPOINTS = (100, 200, 500, 1000, 2000)
"""Different networks, after which runs are looked at."""
NAMED_AT = 100
"""Different networks after which it is looked at which of them seems best."""
CONVERGED_AFTER = 200
"""Repeats in a row, after which a run has ended."""
DIGITS = 8
"""Significant ones, of each value that is kept."""

Floats = NDArray[np.float64]

INDEX, ACCURACY, LATENCY, SEEN = range(4)
"""Columns of a run's values: how many networks were before, accuracy and latency without noise, accuracy seen."""

Outcome = tuple[float, float]
"""Accuracy and latency of a network, without noise."""


def improvements(values: Sequence[Sequence[float]], problem: Problem) -> list[list[float]]:
    """Of all networks of a run, (accuracy, latency, accuracy seen), those that were better than all before.

    By the reward without noise, by the reward as seen, as seen among those within the target; or on the front.
    """
    found: list[list[float]] = []
    highest = {"true": -math.inf, "seen": -math.inf, "within": -math.inf}
    front: list[Outcome] = []
    for index, (accuracy, latency, seen) in enumerate(values):
        if problem.reward is None:
            better = not any(one >= accuracy and other <= latency for one, other in front)
            if better:
                front.append((accuracy, latency))
        else:
            within = problem.target is not None and latency <= problem.target
            here = {
                "true": problem.reward((accuracy, latency)),
                "seen": problem.reward((seen, latency)),
                "within": seen if within else -math.inf,
            }
            better = any(here[name] > highest[name] for name in here)
            highest = {name: max(highest[name], here[name]) for name in here}
        if better:
            found.append([index, *map(rounded, (accuracy, latency, seen))])
    return found


def recommend(
    trials: Sequence[FrozenTrial], values: Sequence[Sequence[float]], problem: Problem
) -> tuple[Outcome, Outcome | None]:
    """Of the networks of `trials`, whose `values` are as of `improvements`, those expected to be the best.

    Returns:
        The one of the highest reward, of a hard one within the limit where any is; and the most accurate one that
        keeps to the target, None where none does.
    """
    accuracies, latencies = [seen for *_, seen in values], [latency for _, latency, _ in values]
    if (expected := expected_values(trials)) is not None:
        accuracies = expected.tolist()
    reward = problem.reward
    assert reward is not None

    def outcome(index: int) -> Outcome:
        accuracy, latency, _ = values[index]
        return rounded(accuracy), rounded(latency)

    within = [n for n, one in enumerate(latencies) if problem.target is not None and one <= problem.target]

    def merit(index: int) -> tuple[bool, float]:
        keeps = problem.limit is None or latencies[index] <= problem.limit
        return keeps, reward((accuracies[index], latencies[index]))

    highest = max(range(len(values)), key=merit)
    return outcome(highest), outcome(max(within, key=lambda n: accuracies[n])) if within else None


def rounded(value: float) -> float:
    """To the digits that are kept."""
    return float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True, kw_only=True)
class Runs:
    """All runs of a sampler on a problem."""

    problem: Problem
    values: Mapping[int, Floats]
    """By seed the `improvements` of the run, by the columns named above."""
    recommendations: Mapping[int, Mapping[int, tuple[Outcome, Outcome | None]]]
    """By seed, and by the `CHECKPOINTS` at which it was asked, what `recommend` found."""
    reach: Mapping[int, float]
    """By seed the most networks after which it counts."""
    each_ms: float
    """Mean time of an ask with its tell, all updates included."""
    repeating: int
    """How many of them went no further since they had repeated themselves as often as they were let."""

    @property
    def length(self) -> float:
        """Networks after which all of them count."""
        return min(self.reach.values())

    def first(self, at: int) -> dict[int, Floats]:
        """By seed those among the first `at` networks, of the runs that count there."""
        return {
            seed: rows[rows[:, INDEX] < at] for seed, rows in self.values.items() if self.reach[seed] >= at
        }

    def highest(self) -> float:
        """The best reward without noise of all networks of all runs."""
        return max(float(self._rewards(rows, ACCURACY).max()) for rows in self.values.values())

    def found(self, at: int) -> dict[int, float]:
        """By seed the best reward without noise of the first `at` networks."""
        return {seed: float(self._rewards(rows, ACCURACY).max()) for seed, rows in self.first(at).items()}

    def reached(self, reward: float) -> dict[int, float]:
        """By seed how many networks it took to one of this reward; infinite where `length` were not enough."""
        found = {}
        for seed, rows in self.values.items():
            there = rows[self._rewards(rows, ACCURACY) >= reward, INDEX]
            found[seed] = float(there[0]) + 1 if len(there) and there[0] < self.length else math.inf
        return found

    def curves(self, most: int) -> Floats:
        """[runs, networks]: `found` after each of `most` networks, at most `length`."""
        found = np.empty((len(self.values), most))
        for curve, rows in zip(found, self.first(most).values(), strict=True):
            best = np.maximum.accumulate(self._rewards(rows, ACCURACY))
            curve[:] = best[np.searchsorted(rows[:, INDEX], np.arange(most), side="right") - 1]
        return found

    def named(self, at: int) -> dict[int, tuple[float, float]]:
        """By seed the reward without noise, and the latency, of the network that seemed best."""
        found = {}
        for seed, rows in self.first(at).items():
            best = int(self._rewards(rows, SEEN).argmax())
            found[seed] = (
                float(self._rewards(rows[best : best + 1], ACCURACY)[0]),
                float(rows[best, LATENCY]),
            )
        return found

    def within(self, at: int) -> list[float]:
        """The latency of the most accurate network, as seen, that keeps to the target; infinite where none does."""
        target = self.problem.target
        assert target is not None
        found = []
        for rows in self.first(at).values():
            within = rows[rows[:, LATENCY] <= target]
            found.append(float(within[within[:, SEEN].argmax(), LATENCY]) if len(within) else math.inf)
        return found

    def recommended(self, at: int) -> dict[int, tuple[float, float]]:
        """As `named`, of the network that was expected to be the best; of the runs that were asked for it."""
        reward = self.problem.reward
        assert reward is not None
        found = {}
        for seed in self.first(at):
            if at in self.recommendations[seed]:
                highest, _ = self.recommendations[seed][at]
                found[seed] = (reward(highest), highest[1])
        return found

    def recommended_within(self, at: int) -> list[float]:
        """As `within`, of the network that was expected to be the most accurate; of the runs that were asked."""
        asked = [
            self.recommendations[seed][at] for seed in self.first(at) if at in self.recommendations[seed]
        ]
        return [math.inf if within is None else within[1] for _, within in asked]

    def _rewards(self, rows: Floats, accuracy: int) -> Floats:
        reward = self.problem.reward
        assert reward is not None
        return np.array([reward((row[accuracy], row[LATENCY])) for row in rows.tolist()])


def reach_of(runs: Mapping[int, RunRecord]) -> dict[int, float]:
    """By seed the most networks after which a record counts: as many as it was given.

    One that ended by itself stays what it is, and so goes as far as any other. But what it found let it end: it
    counts beside all others only, and they as far as the shortest that did not end.
    """
    going = [one.most for one in runs.values() if not one.ended]
    if len(going) == len(runs):
        return {seed: one.most for seed, one in runs.items()}
    return dict.fromkeys(runs, min(going, default=math.inf))


def runs_by_sampler(
    records: Iterable[RunRecord], problem: Problem, *, further: bool = False
) -> dict[str, Runs]:
    """By sampler, those that there are, with the settings of today; the `further` ones, or all others."""
    here = [one for one in records if one.problem == problem.name]
    found = {}
    for name in names():
        settings = settings_of(name, problem.family)
        runs = last_runs(here, problem=problem.name, sampler=name, settings=settings, further=further)
        if runs:
            found[name] = Runs(
                problem=problem,
                values={seed: np.array(runs[seed].values) for seed in sorted(runs)},
                recommendations={
                    seed: {int(at): both for at, both in (one.recommended or {}).items()}
                    for seed, one in runs.items()
                },
                reach=reach_of(runs),
                each_ms=1000
                * sum(one.seconds for one in runs.values())
                / sum(one.asks for one in runs.values()),
                repeating=sum(
                    not one.ended and one.asks >= contender_named(name).asks * one.most
                    for one in runs.values()
                ),
            )
    return found
