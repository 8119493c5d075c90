"""Tests of run.py."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from contenders import contender_named
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from problems import Params, Problem
from records import RunRecord, append_record
from results import CONVERGED_AFTER
from run import Arguments, missing_runs, run

Heard = tuple[tuple[float, ...], tuple[float, ...]]
"""Values of a trial, and its constraints."""

ACCURACY = {"small": 50.0, "large": 70.0}
LATENCY = {"small": 2.0, "large": 6.0}


def seen(params: Params, rng: np.random.Generator) -> tuple[float, float]:
    """Accuracy with noise, and latency."""
    return ACCURACY[params["size"]] + rng.standard_normal(), LATENCY[params["size"]]


POSED = Problem(
    name="made up",
    family="accel",
    choices={"size": CategoricalDistribution(("small", "large"))},
    values=lambda params: (ACCURACY[params["size"]], LATENCY[params["size"]]),
    seen=seen,
    reward=lambda values: values[0] - 10 * values[1],
    reference=(0.0, 10.0),
    limit=4.0,
)


class Listener(RandomSampler):
    """Draws at random, and keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.told: dict[str, set[Heard]] = {}
        """By size all that it heard."""

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Called when a trial has been told."""
        super().after_trial(study, trial, state, values)
        heard = (tuple(values or ()), tuple(trial.constraints.values()))
        self.told.setdefault(trial.params["size"], set()).add(heard)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bayesian", lambda accuracy, latency: ((accuracy, latency), ())),
        ("gp", lambda accuracy, latency: ((accuracy - 10 * latency,), ())),
        ("gp, limited", lambda accuracy, latency: ((accuracy,), (latency / 4 - 1,))),
    ],
)
def test_each_is_told_its_own_of_what_is_seen_and_of_a_repeat_the_same(
    name: str, told: Callable[[float, float], Heard]
) -> None:
    listener = Listener()
    record = run(POSED, contender_named(name), listener, seed=0, most=25)
    seen_of = {latency: accuracy for _, latency, accuracy in record["values"]}
    assert len(record["values"]) == 2
    assert listener.told == {size: {told(seen_of[LATENCY[size]], LATENCY[size])} for size in ACCURACY}


def test_all_samplers_see_the_same_of_a_network_with_one_seed_and_another_with_another() -> None:
    def accuracies(draws: int, seed: int) -> dict[float, float]:
        record = run(POSED, contender_named("random"), RandomSampler(seed=draws), seed=seed, most=25)
        return {latency: accuracy for _, latency, accuracy in record["values"]}

    assert accuracies(0, seed=0) == accuracies(1, seed=0) != accuracies(0, seed=1)


def test_runs_that_are_there_and_long_enough_are_not_made_again(tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl.xz"

    def append(seed: int, sampler: str, *, most: int, ended: bool = False, **settings: int) -> None:
        run = RunRecord(
            problem=POSED.name,
            sampler=sampler,
            seed=seed,
            settings=settings,
            most=most,
            asks=most,
            seconds=1.0,
            ended=ended,
            values=[],
        )
        append_record(records, run)

    append(0, "bayesian", most=300)
    append(1, "bayesian", most=299)
    append(2, "bayesian", most=100, ended=True)
    append(3, "bayesian", most=300, initial=10)
    append(4, "bayesian", most=299)
    append(4, "bayesian", most=2000)
    arguments = Arguments(macro=tmp_path, records=records, seeds=6, most=300)
    assert [seed for *_, seed in missing_runs(arguments, [POSED], ["bayesian"])] == [1, 3, 5]
    # GP is run to 200 networks at most.
    append(0, "gp", most=200)
    assert [seed for *_, seed in missing_runs(arguments, [POSED], ["gp"])] == [1, 2, 3, 4, 5]


def test_ours_recommend_a_network_at_each_checkpoint_and_to_the_end_where_a_run_ends_by_itself() -> None:
    space = {f"layer{index}": POSED.choices["size"] for index in range(7)}  # 128 networks

    def values(params: Params) -> tuple[float, float]:
        return fmean(ACCURACY[size] for size in params.values()), fmean(
            LATENCY[size] for size in params.values()
        )

    def noisy(params: Params, rng: np.random.Generator) -> tuple[float, float]:
        accuracy, latency = values(params)
        return accuracy + rng.standard_normal(), latency

    # A large layer brings 20 points, and costs 16 by its latency.
    posed = Problem(
        name="made up",
        family="accel",
        choices=space,
        values=values,
        seen=noisy,
        reward=lambda values: values[0] - 4 * values[1],
        reference=(0.0, 10.0),
        target=4.0,
    )
    ours = replace(contender_named("evolution"), asks=20)
    record = run(posed, ours, RandomSampler(seed=0), seed=0, most=500)
    assert record["ended"]
    assert len(record["values"]) > 100
    assert sorted(record["recommended"]) == [100, 200, 500]
    highest, within = record["recommended"][500]
    assert highest == (70.0, 6.0)
    assert within == (58.571429, 3.7142857)  # three large ones of seven
    assert max(record["values"], key=lambda row: row[2] - 4 * row[1])[:2] != highest  # a lucky one
    assert "recommended" not in run(posed, contender_named("random"), RandomSampler(seed=0), seed=0, most=100)


def test_the_processes_of_a_pool_end_with_the_one_that_began_them() -> None:
    script = (
        "import time, run\n"
        "pool = run.create_pool(2)\n"
        "[pool.submit(time.sleep, 300) for _ in range(2)]\n"
        "print(len(pool._processes), flush=True)"
    )
    began = subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, stdout=subprocess.PIPE
    )
    assert began.stdout is not None
    assert began.stdout.readline() == b"2\n"
    began.kill()
    began.communicate(timeout=30)  # to the end of the output, which the two hold open


def test_repeats_are_not_charged_until_there_are_too_many() -> None:
    few, many = (
        run(POSED, contender_named("random"), RandomSampler(seed=0), seed=0, most=most) for most in (25, 500)
    )
    assert [few["asks"], few["ended"], len(few["values"])] == [50, False, 2]
    assert [many["ended"], len(many["values"])] == [True, 2]
    assert CONVERGED_AFTER < many["asks"] < CONVERGED_AFTER + 20
