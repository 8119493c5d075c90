"""What the page needs of every run of a sampler on a problem, one line each, kept beside this file."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Settings, contender_named, names, settings_of
from numpy.typing import NDArray
from optuna.trial import FrozenTrial
from problems import Problem

from mnasnet.samplers.expectation import expected_values

RECORDS = Path(__file__).with_name("records")
"""A file for each sampler on each problem. Who changes what a sampler does deletes its files and runs it anew."""

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


def path_of(records: Path, problem: str, name: str) -> Path:
    """Where the runs of a sampler on a problem are."""
    problem, name = (re.sub("[^a-z0-9.]+", "-", one.lower()).strip("-") for one in (problem, name))
    return records / problem / f"{name}.jsonl"


def telling(values: Sequence[Sequence[float]], problem: Problem) -> list[list[float]]:
    """Of all networks of a run, (accuracy, latency, accuracy seen), those that were better than all before.

    By the reward without noise, by the reward as seen, as seen among those within the target; or on the front.
    """
    found: list[list[float]] = []
    highest = {"true": -math.inf, "seen": -math.inf, "within": -math.inf}
    front: list[tuple[float, float]] = []
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
            found.append([index, *(float(f"{one:.{DIGITS}g}") for one in (accuracy, latency, seen))])
    return found


Named = tuple[float, float]
"""Accuracy and latency, without noise, of a network that is named as the best."""


def recommendation(
    trials: Sequence[FrozenTrial], values: Sequence[Sequence[float]], problem: Problem
) -> tuple[Named, Named | None]:
    """Of the networks of `trials`, whose `values` are as of `telling`, those that are expected to be the best.

    Returns:
        The one of the highest reward, of a hard one within the limit where any is; and the most accurate one that
        keeps to the target, None where none does.
    """
    accuracies, latencies = [seen for *_, seen in values], [latency for _, latency, _ in values]
    if (expected := expected_values(trials)) is not None:
        accuracies = expected.tolist()
    reward = problem.reward
    assert reward is not None

    def named(index: int) -> Named:
        accuracy, latency, _ = values[index]
        return float(f"{accuracy:.{DIGITS}g}"), float(f"{latency:.{DIGITS}g}")

    within = [n for n, one in enumerate(latencies) if problem.target is not None and one <= problem.target]

    def merit(index: int) -> tuple[bool, float]:
        keeps = problem.limit is None or latencies[index] <= problem.limit
        return keeps, reward((accuracies[index], latencies[index]))

    highest = max(range(len(values)), key=merit)
    return named(highest), named(max(within, key=lambda n: accuracies[n])) if within else None


def add(path: Path, record: Mapping[str, Any]) -> None:
    """Puts a run behind the others, in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write((json.dumps(record, separators=(",", ":")) + "\n").encode())


def kept(path: Path, settings: Settings | None) -> dict[int, dict[str, Any]]:
    """By seed the last run with these settings.

    Raises:
        SystemExit: a record was cut short, as by a full disk.
    """
    found = {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            record = json.loads(line)
            if record["settings"] == settings:
                found[record["seed"]] = record
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(
                f"{path}, line {number}: no whole record ({error!r}); delete the line, and its run is made anew"
            ) from error
    return found


@dataclass(frozen=True, kw_only=True)
class Runs:
    """All runs of a sampler on a problem."""

    problem: Problem
    values: Mapping[int, Floats]
    """By seed: the networks that were better than all before (`telling`), by the columns named above."""
    recommendations: Mapping[int, Mapping[int, tuple[Named, Named | None]]]
    """By seed, and by the `CHECKPOINTS` at which it was asked, what the function of this name found."""
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


def reach_of(runs: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    """By seed the most networks after which a record counts: as many as it was given.

    One that ended by itself stays what it is, and so goes as far as any other. But what it found let it end: it
    counts beside all others only, and they as far as the shortest that did not end.
    """
    going = [one["most"] for one in runs.values() if not one["ended"]]
    if len(going) == len(runs):
        return {seed: one["most"] for seed, one in runs.items()}
    return dict.fromkeys(runs, min(going, default=math.inf))


def read(records: Path, problem: Problem) -> dict[str, Runs]:
    """By sampler, those that there are, with the settings of today."""
    found = {}
    for name in names():
        runs = kept(path_of(records, problem.name, name), settings_of(name, problem.family))
        if runs:
            found[name] = Runs(
                problem=problem,
                values={seed: np.array(runs[seed]["values"]) for seed in sorted(runs)},
                recommendations={
                    seed: {int(at): named for at, named in one.get("recommended", {}).items()}
                    for seed, one in runs.items()
                },
                reach=reach_of(runs),
                each_ms=1000
                * sum(one["seconds"] for one in runs.values())
                / sum(one["asks"] for one in runs.values()),
                repeating=sum(
                    not one["ended"] and one["asks"] >= contender_named(name).asks * one["most"]
                    for one in runs.values()
                ),
            )
    return found
