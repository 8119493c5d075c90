"""Tests of results.py."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from comparison import hypervolume
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial
from problems import Problem
from records import RunRecord
from results import Outcome, Runs, improvements, reach_of, recommend, runs_by_sampler

from mnasnet.measures.reward import hard


def problem(*, rewarded: bool) -> Problem:
    """Made-up networks, to which only the reward and the target matter."""
    reward = hard(4.0)
    return Problem(
        name="made up",
        family="accel",
        choices={},
        values=lambda params: (0.0, 0.0),
        seen=lambda params, rng: (0.0, 0.0),
        reward=(lambda values: 100 * reward(quality=values[0] / 100, latency_ms=values[1]))
        if rewarded
        else None,
        reference=(40.0, 10.0),
        target=4.0 if rewarded else None,
    )


def one_run(posed: Problem, rows: list[list[float]]) -> Runs:
    """One run."""
    return Runs(
        problem=posed,
        values={0: np.array(rows)},
        recommendations={0: {}},
        reach={0: 300},
        each_ms=0,
        repeating=0,
    )


def record_of(
    seed: int,
    *,
    sampler: str = "tpe",
    most: int = 10,
    asks: int = 10,
    ended: bool = False,
    further: bool = False,
) -> RunRecord:
    """A run that found one network."""
    return RunRecord(
        problem="made up",
        sampler=sampler,
        seed=seed,
        settings={},
        most=most,
        asks=asks,
        seconds=1.0,
        ended=ended,
        values=[[0, 50.0, 3.0, 50.0]],
        further=further,
    )


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_of_a_run_says_what_all_of_it_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [
        [accuracy, latency, accuracy + noise]
        for accuracy, latency, noise in zip(
            rng.uniform(50, 60, 300), rng.uniform(2, 9, 300), rng.standard_normal(300), strict=True
        )
    ]
    whole = [[index, *row] for index, row in enumerate(values)]
    posed = problem(rewarded=True)
    assert posed.reward is not None
    few, every = one_run(posed, improvements(values, posed)), one_run(posed, whole)
    assert len(few.values[0]) < 100
    for at in (1, 50, 300):
        assert few.found(at)[0] == pytest.approx(every.found(at)[0], rel=1e-6)
        assert few.named(at)[0] == pytest.approx(every.named(at)[0], rel=1e-6)
        assert few.within(at) == pytest.approx(every.within(at), rel=1e-6)
    highest = few.found(300)[0]
    assert few.reached(highest) == {0: np.argmax([posed.reward(row[:2]) for row in values]) + 1}
    assert few.reached(highest + 1) == {0: np.inf}
    assert few.curves(300) == pytest.approx(every.curves(300), rel=1e-6)
    free = problem(rewarded=False)
    assert hypervolume(np.array(improvements(values, free)), free.reference) == pytest.approx(
        hypervolume(np.array(whole), free.reference), rel=1e-6
    )


@pytest.mark.parametrize(
    ("latencies", "limit", "highest", "within"),
    [
        # One point more takes 5.002 ms, and is worth 66 · 4 / 5.002.
        ((2.0, 3.0, 5.0), None, (65.0, 3.002), (65.0, 3.002)),
        # At 4.002 ms 65 points are worth more than 64 at 2.002, but are over the limit.
        ((2.0, 4.0, 5.0), None, (65.0, 4.002), (64.0, 2.002)),
        ((2.0, 4.0, 5.0), 4.0, (64.0, 2.002), (64.0, 2.002)),
        # None keeps to 4 ms.
        ((5.0, 6.0, 7.0), 4.0, (64.0, 5.002), None),
    ],
)
def test_recommended_are_the_highest_reward_within_a_limit_and_the_most_accurate_within_the_target(
    latencies: tuple[float, float, float], limit: float | None, highest: Outcome, within: Outcome | None
) -> None:
    options_of_each = (0, 1, 2)
    choices = CategoricalDistribution(options_of_each)
    trials, values = [], []
    for options in itertools.product(options_of_each, repeat=4):
        accuracy, latency = 58.0 + sum(options), latencies[options[0]] + 0.001 * options[1]
        # One of the networks within 4 ms, or the fastest, was lucky.
        seen = accuracy + (4.0 if options == (0, 0, 1, 1) else 0.0)
        params = {f"layer{index}": option for index, option in enumerate(options)}
        distributions: dict[str, BaseDistribution] = dict.fromkeys(params, choices)
        trials.append(create_trial(values=[seen, latency], params=params, distributions=distributions))
        values.append((accuracy, latency, seen))
    posed = replace(problem(rewarded=True), limit=limit)
    assert recommend(trials, values, posed) == (highest, within)


def test_a_hypervolume_is_the_area_between_a_front_and_its_reference() -> None:
    # 10 points from 5 ms on and 20 from 8 ms on, to 10 ms; others are beaten, or beyond the reference.
    rows = [
        [0, 50.0, 5.0, 0.0],
        [1, 60.0, 8.0, 0.0],
        [2, 49.0, 6.0, 0.0],
        [3, 39.0, 1.0, 0.0],
        [4, 70.0, 11.0, 0.0],
    ]
    assert hypervolume(np.array(rows), (40.0, 10.0)) == 10 * 3 + 20 * 2


def test_runs_count_as_far_as_they_went_and_beside_one_that_ended_as_far_as_all_did() -> None:
    def reach(*runs: tuple[int, bool]) -> list[float]:
        records = {seed: record_of(seed, most=most, ended=e) for seed, (most, e) in enumerate(runs)}
        return list(reach_of(records).values())

    assert reach((200, False), (500, False)) == [200, 500]
    # What found the best ended after 200, and what did not went on: by itself it would be those without luck.
    assert reach((200, True), (500, False), (1000, False)) == [500, 500, 500]
    assert reach((200, True), (500, False), (200, False)) == [200, 200, 200]
    assert reach((200, True), (500, True)) == [np.inf, np.inf]


def test_runs_that_went_no_further_since_they_repeated_themselves_are_counted() -> None:
    posed = problem(rewarded=True)
    records = [
        record_of(seed, sampler=name, asks=asks, ended=ended)
        for seed, (asks, ended) in enumerate([(20, False), (12, False), (20, True)])
        for name in ("tpe", "nsga2")
    ]
    # Two asks a network are all that TPE has, and NSGA-II has ten.
    assert {name: runs.repeating for name, runs in runs_by_sampler(records, posed).items()} == {
        "tpe": 1,
        "nsga2": 0,
    }


def test_further_runs_are_kept_apart_from_all_others() -> None:
    posed = problem(rewarded=True)
    records = [record_of(0), record_of(30, further=True)]
    assert list(runs_by_sampler(records, posed)["tpe"].values) == [0]
    assert list(runs_by_sampler(records, posed, further=True)["tpe"].values) == [30]
