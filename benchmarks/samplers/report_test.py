"""Tests of report.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from problems import Problem
from records import Runs, add, path_of
from report import (
    further_lines,
    median_of,
    p_of,
    recommended_lines,
    regret_lines,
    sooner_of,
    summary_lines,
    write_page,
)


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
    assert [line for line in summary_lines(rewarded, {"long": 10.0, "short": 10.0}) if line][1:] == [
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
    assert median_of([10, 30, np.inf]) == "30"
    assert median_of([10, 30, np.inf, np.inf]) == "30"  # half of them
    assert median_of([10, np.inf, np.inf]) == ""


def test_p_is_that_of_the_signs_of_the_seeds_that_both_have() -> None:
    ours, theirs = {0: 3.0, 1: 5.0, 2: 9.0}, {0: 2.0, 1: 1.0, 3: 0.0}
    assert p_of(ours, theirs) == 0.25  # of the four ways to flip two signs, one is as good
    assert p_of(theirs, ours) == 1
    assert p_of(ours, ours) == 1
    assert p_of(ours, {0: 2.0}) is None


def test_who_needs_fewer_networks_to_the_best_is_sooner() -> None:
    soon, late, never = (runs(*rewards, length=500) for rewards in ([9.0], [1.0, 2.0, 9.0], [1.0, 2.0]))
    assert sooner_of(soon, late, 9.0) == sooner_of(late, never, 9.0) == "0.0156"  # all six seeds
    assert sooner_of(never, late, 9.0) == "1.0000"
    assert sooner_of(soon, runs(1.0, length=100), 9.0) == ""


def test_what_is_recommended_is_compared_with_what_was_named_in_the_same_run() -> None:
    other = runs(9.0, length=500)
    # The named have a reward of 8.
    recommended = {0: {200: ((8.5, 1.0), None)}, 1: {200: ((7.7, 1.0), None)}}
    some = runs(1.0, 8.0, length=500)
    some = replace(some, recommendations={**some.recommendations, **recommended})
    _, _, _, *rows = recommended_lines({"made up": {"ppo": some, "random": other}})
    assert rows == ["| made up | ppo | 6 |  | 0.100 ± 0.400 (2) |  |  |  |"]
    assert list(recommended_lines({"made up": {"random": other}})) == []


def test_further_searches_are_counted_by_themselves(tmp_path: Path) -> None:
    posed = replace(runs(1.0, length=1).problem, target=2.0)
    record = {"settings": {}, "most": 200, "asks": 200, "seconds": 1.0, "ended": False}
    # Both named have a reward of 8; one of those recommended is far below its target.
    for seed, named in enumerate([((8.5, 2.0), None), ((7.9, 1.0), None)]):
        recommended = {"100": named, "200": ((9.0, 2.0), None)}
        rows = {"seed": seed, "recommended": recommended, "values": [[0, 8.0, 1.0, 8.0]]}
        add(path_of(tmp_path, posed.name, "bayesian"), {**record, **rows})
    _, _, _, row = further_lines(tmp_path, {posed.name: posed})
    assert row == "| made up | 2 | 50 | 100 | 0.200 ± 0.300 | 1.000 ± 0.000 |"
    assert list(further_lines(tmp_path / "empty", {posed.name: posed})) == []


def test_where_only_fronts_were_run_the_page_has_no_regrets(tmp_path: Path) -> None:
    posed = replace(runs(1.0, length=1).problem, name="front", reward=None)
    record = {"seed": 0, "settings": {}, "most": 100, "asks": 100, "seconds": 1.0, "ended": False}
    add(path_of(tmp_path, posed.name, "tpe"), {**record, "values": [[0, 50.0, 5.0, 50.0]]})
    page = tmp_path / "page.md"
    write_page(tmp_path, {posed.name: posed}, page)
    assert "## All of them" not in page.read_text()
    assert "| tpe | 1 |  | 100.000 |" in page.read_text()
