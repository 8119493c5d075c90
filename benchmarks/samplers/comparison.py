"""Samplers beside each other: the best known reward, means with their errors, tests, hypervolumes."""

import json
import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean, median_low, stdev

import numpy as np
from problems import Params, Problem
from results import ACCURACY, LATENCY, NAMED_AT, Floats, Runs
from scipy.stats import permutation_test

CLIMBED = Path(__file__).with_name("climbed.json")
"""By problem the best reward that hill climbs without noise found."""
CLIMBS = 30
"""On each problem."""
TESTED_AT = (100, 200)
"""Different networks after which samplers are tested against each other."""
FLIPS = 9999
"""Random ways to flip the signs of the differences, where there are more."""
ROUNDING = 1e-5
"""Of a reward in points that is kept with eight digits."""


def best_of(problem: Problem, runs: Mapping[str, Runs]) -> float:
    """The highest reward that there is, or that is known."""
    if problem.best is not None:
        return problem.best
    known: dict[str, float] = json.loads(CLIMBED.read_text())
    if problem.name not in known:
        known[problem.name] = max(climbed(problem, random.Random(seed)) for seed in range(CLIMBS))
        CLIMBED.write_text(json.dumps(known, indent=1) + "\n")
    return max(known[problem.name], *(one.highest() for one in runs.values()))


def climbed(problem: Problem, generator: random.Random) -> float:
    """From a random network to the first better one with one choice changed, until there is none."""
    reward = problem.reward
    assert reward is not None
    at: Params = {name: generator.choice(choice.choices) for name, choice in problem.choices.items()}
    best = reward(problem.values(at))
    while True:
        near = [{**at, name: option} for name, choice in problem.choices.items() for option in choice.choices]
        generator.shuffle(near)
        for one in near:
            if (higher := reward(problem.values(one))) > best:
                at, best = one, higher
                break
        else:
            return best


def regrets_of(some: Runs, best: float, at: int) -> list[float]:
    """Of each run, what its best network of the first `at` lacks to the `best` reward."""
    return [max(0.0, best - one) for one in some.found(at).values()]


def named_rewards(some: Runs) -> dict[int, float]:
    """By seed the reward without noise of the network that seemed best."""
    return {seed: reward for seed, (reward, _) in some.named(NAMED_AT).items()}


def recommended_gains(some: Runs, at: int) -> list[float]:
    """Of each run that recommends, the reward of that network over that of the named one, without noise."""
    named = some.named(at)
    return [reward - named[seed][0] for seed, (reward, _) in some.recommended(at).items()]


def p_better(mine: Mapping[int, float], theirs: Mapping[int, float]) -> float | None:
    """One-sided p of the mean difference over the seeds that both have, by flipping the sign of each seed's.

    None where they have fewer than two.
    """
    both = sorted(set(mine) & set(theirs))
    if len(both) < 2:
        return None
    differences = np.array([mine[seed] - theirs[seed] for seed in both])
    if not differences.any():
        return 1.0
    found = permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=FLIPS, rng=0
    )
    return float(found.pvalue)


def p_sooner(ours: Runs, other: Runs, best: float) -> float | None:
    """`p_better` of the networks needed to the `best`; in a run without it the last tested one counts as it."""

    def needed(one: Runs) -> dict[int, float]:
        reached = one.reached(best - ROUNDING)
        return {seed: -min(reached[seed], max(TESTED_AT)) for seed in one.first(max(TESTED_AT))}

    return p_better(needed(ours), needed(other))


def p_text(p: float | None) -> str:
    """Four decimals."""
    return "" if p is None else f"{p:.4f}"


def median_text(networks: Iterable[float]) -> str:
    """The middle one, where that many runs got there."""
    middle = median_low(networks)
    return f"{middle:.0f}" if math.isfinite(middle) else ""


def mean_text(values: Iterable[float], seeds: int) -> str:
    """Mean ± standard error, and how many they are where that is not all `seeds`; empty of none."""
    some = list(values)
    if not some:
        return ""
    error = f" ± {stdev(some) / math.sqrt(len(some)):.3f}" if len(some) > 1 else ""
    return f"{fmean(some):.3f}{error}{count_text(len(some), seeds)}"


def count_text(count: int, seeds: int) -> str:
    """In brackets how many, where that is fewer than `seeds`."""
    return f" ({count})" if count < seeds else ""


def hypervolume(rows: Floats, reference: tuple[float, float]) -> float:
    """Area between the front of accuracies and latencies and the `reference`."""
    rows = rows[(rows[:, ACCURACY] > reference[0]) & (rows[:, LATENCY] < reference[1])]
    rows = rows[np.argsort(rows[:, LATENCY])]
    until = np.append(rows[1:, LATENCY], reference[1])
    return float(
        ((np.maximum.accumulate(rows[:, ACCURACY]) - reference[0]) * (until - rows[:, LATENCY])).sum()
    )


def hypervolume_shares(problem: Problem, runs: Mapping[str, Runs], some: Runs, at: int) -> dict[int, float]:
    """By seed that of the first `at` networks, in per cent of that of the networks of all `runs` together."""
    every = np.concatenate([rows for one in runs.values() for rows in one.values.values()])
    whole = hypervolume(every, problem.reference)
    return {seed: 100 * hypervolume(rows, problem.reference) / whole for seed, rows in some.first(at).items()}


def latency_of_best(problem: Problem, runs: Mapping[str, Runs]) -> float:
    """Of the network of the highest reward without noise, of all that were found."""
    reward = problem.reward
    assert reward is not None
    rows = np.concatenate([rows for one in runs.values() for rows in one.values.values()])
    return float(max(rows.tolist(), key=lambda row: reward((row[ACCURACY], row[LATENCY])))[LATENCY])
