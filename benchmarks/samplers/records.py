"""One file for each run of a sampler on a problem."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from contenders import Settings, names, settings_of
from numpy.typing import NDArray
from problems import Problem

NAMED_AT = 100
"""Different networks after which it is looked at which of them seems best."""

Floats = NDArray[np.float64]


def path_of(records: Path, problem: str, name: str, seed: int) -> Path:
    """Where the record of a run is."""
    return records / re.sub("[^a-z0-9.]+", "-", f"{problem} {name} {seed}.json".lower())


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Puts it there, whole or not at all."""
    half = path.with_suffix(".part")
    half.write_text(json.dumps(record))
    half.replace(path)


def is_there(path: Path, most: int, settings: Settings) -> bool:
    """Whether the run was made with these settings, and went so far; others are made anew."""
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    return record["settings"] == settings and (record["ended"] or record["most"] >= most)


@dataclass(frozen=True, kw_only=True)
class Runs:
    """All runs of a sampler on a problem."""

    problem: Problem
    values: Mapping[int, Floats]
    """By seed: [networks, (accuracy, latency, accuracy seen)]."""
    length: float
    """Networks that all of them were given, but for those that ended by themselves."""
    each_ms: float
    """Mean time of an ask with its tell, all updates included."""

    def found(self, at: int) -> dict[int, float]:
        """By seed the best reward without noise of the first `at` networks."""
        return {seed: float(self._rewards(rows[:at], 0).max()) for seed, rows in self.values.items()}

    def curves(self, most: int) -> Floats:
        """[runs, networks]: the same after each of `most` networks; one that ended stays where it was."""
        found = np.empty((len(self.values), most))
        for curve, rows in zip(found, self.values.values(), strict=True):
            best = np.maximum.accumulate(self._rewards(rows[:most], 0))
            curve[: len(best)], curve[len(best) :] = best, best[-1]
        return found

    def named(self, at: int) -> dict[int, tuple[float, float]]:
        """By seed the reward without noise, and the latency, of the network that seemed best."""
        found = {}
        for seed, rows in self.values.items():
            best = int(self._rewards(rows[:at], 2).argmax())
            found[seed] = float(self._rewards(rows[best : best + 1], 0)[0]), float(rows[best, 1])
        return found

    def within(self, at: int) -> list[float]:
        """The latency of the most accurate network, as seen, that keeps to the target; infinite where none does."""
        target = self.problem.target
        assert target is not None
        found = []
        for rows in self.values.values():
            kept = rows[:at][rows[:at, 1] <= target]
            found.append(float(kept[kept[:, 2].argmax(), 1]) if len(kept) else math.inf)
        return found

    def _rewards(self, rows: Floats, accuracy: int) -> Floats:
        reward = self.problem.reward
        assert reward is not None
        return np.array([reward((row[accuracy], row[1])) for row in rows.tolist()])


def read(records: Path, problem: Problem, most_seeds: int) -> dict[str, Runs]:
    """By sampler, those that there are, with the settings of today."""
    found = {}
    for name in names():
        settings = settings_of(name, problem.family)
        paths = [path_of(records, problem.name, name, seed) for seed in range(most_seeds)]
        runs = {
            seed: record
            for seed, path in enumerate(paths)
            if path.exists() and (record := json.loads(path.read_text()))["settings"] == settings
        }
        if runs:
            found[name] = Runs(
                problem=problem,
                values={seed: np.array(one["values"]) for seed, one in runs.items()},
                length=min((one["most"] for one in runs.values() if not one["ended"]), default=math.inf),
                each_ms=1000 * fmean(one["seconds"] / one["asks"] for one in runs.values()),
            )
    return found
