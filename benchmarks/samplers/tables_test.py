"""Tests of tables.py, choosing.py and comparison.py."""

from dataclasses import replace

import numpy as np
from choosing import choosing_lines
from comparison import median_text, p_better, p_sooner
from problems import Problem
from results import Runs
from tables import further_lines, recommended_lines, regret_lines, summary_lines


def runs(*rewards: float, length: int) -> Runs:
    """Six equal runs of so many networks, each of a latency of 1, with these accuracies first."""
    posed = Problem(
        name="made up",
        family="accel",
        choices={},
        values=lambda params: (0.0, 0.0),
        seen=lambda params, rng: (0.0, 0.0),
        reward=lambda values: values[0],
        reference=(0.0, 10.0),
    )
    rows = np.array([[index, reward, 1.0, reward] for index, reward in enumerate(rewards)])
    return Runs(
        problem=posed,
        values=dict.fromkeys(range(6), rows),
        recommendations={seed: {} for seed in range(6)},
        reach=dict.fromkeys(range(6), length),
        each_ms=0,
        repeating=0,
    )


def test_the_lowest_regret_stands_out_few_seeds_are_said_and_shorter_runs_are_no_row() -> None:
    rewarded = {
        "long": {
            "ppo": runs(1.0, 8.0, length=500),
            "evolution": runs(8.0, length=500),
            "random": runs(2.0, 7.5, length=500),
        },
        "short": {"random": runs(9.0, length=100)},
    }
    assert list(summary_lines(rewarded, {"long": 10.0, "short": 10.0})) == [
        "| sampler | long | short |",
        "|---|---|---|",
        "| ppo | **2.000** (6) |  |",
        "| evolution | **2.000** (6) |  |",
        "| random | 2.500 (6) |  |",
    ]


def test_a_mean_is_of_the_runs_that_were_given_as_many_networks_and_says_how_many() -> None:
    mixed = runs(1.0, 8.0, length=500)
    values = {**mixed.values, 4: np.array([[0, 7.0, 1.0, 7.0]]), 5: np.array([[0, 9.0, 1.0, 9.0]])}
    mixed = replace(mixed, values=values, reach={**mixed.reach, 4: 1000, 5: 2000})
    (*_, row) = regret_lines(mixed.problem, {"ppo": mixed}, 10.0)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[4:9] == ["2.000 ± 0.258"] * 3 + ["2.000 ± 1.000 (2)", "1.000 (1)"]


def test_the_median_is_of_runs_that_got_there() -> None:
    assert median_text([10, 30, np.inf]) == "30"
    assert median_text([10, 30, np.inf, np.inf]) == "30"  # half of them
    assert median_text([10, np.inf, np.inf]) == ""


def test_p_is_that_of_the_signs_of_the_seeds_that_both_have() -> None:
    ours, theirs = {0: 3.0, 1: 5.0, 2: 9.0}, {0: 2.0, 1: 1.0, 3: 0.0}
    assert p_better(ours, theirs) == 0.25  # of the four ways to flip two signs, one is as good
    assert p_better(theirs, ours) == 1
    assert p_better(ours, ours) == 1
    assert p_better(ours, {0: 2.0}) is None


def test_who_needs_fewer_networks_to_the_best_is_sooner() -> None:
    soon, late, never = (runs(*rewards, length=500) for rewards in ([9.0], [1.0, 2.0, 9.0], [1.0, 2.0]))
    assert p_sooner(soon, late, 9.0) == p_sooner(late, never, 9.0) == 0.5**6  # all six seeds
    assert p_sooner(never, late, 9.0) == 1
    assert p_sooner(soon, runs(1.0, length=100), 9.0) is None


def test_what_is_recommended_is_compared_with_what_was_named_in_the_same_run() -> None:
    other = runs(9.0, length=500)
    # The named have a reward of 8.
    recommended = {0: {200: ((8.5, 1.0), None)}, 1: {200: ((7.7, 1.0), None)}}
    some = runs(1.0, 8.0, length=500)
    some = replace(some, recommendations={**some.recommendations, **recommended})
    _, _, *rows = recommended_lines({"made up": {"ppo": some, "random": other}})
    assert rows == ["| made up | ppo | 6 |  | 0.100 ± 0.400 (2) |  |  |  |"]
    assert list(recommended_lines({"made up": {"random": other}})) == []


def test_further_searches_are_counted_by_themselves() -> None:
    posed = replace(runs(1.0, length=1).problem, target=2.0)
    # Both named have a reward of 8; one of those recommended is far below its target.
    recommendations = {
        seed: {100: first, 200: ((9.0, 2.0), None)}
        for seed, first in enumerate([((8.5, 2.0), None), ((7.9, 1.0), None)])
    }
    rows = np.array([[0, 8.0, 1.0, 8.0]])
    some = replace(
        runs(1.0, length=200),
        problem=posed,
        values=dict.fromkeys(range(2), rows),
        recommendations=recommendations,
        reach=dict.fromkeys(range(2), 200),
    )
    _, _, row = further_lines({posed.name: some})
    assert row == "| made up | 2 | 50 | 100 | 0.200 ± 0.300 | 1.000 ± 0.000 |"
    assert list(further_lines({})) == []


def test_a_lead_has_its_p_and_what_is_behind_has_none() -> None:
    found = {
        "accel soft 4 ms": {
            "bayesian": runs(9.0, length=2000),
            "ppo": runs(1.0, 8.0, length=2000),
            "random": runs(7.0, length=2000),
        }
    }
    _, _, *rows = choosing_lines(found, {"accel soft 4 ms": 10.0})
    assert [row.split("|")[-2].strip() for row in rows] == [
        "`random` 3.000 (p 0.0156)",  # 1/2⁶: of all ways to flip six equal differences one is as good
        "`bayesian` 1.000; `random` 3.000 (p 0.0156)",
    ]
