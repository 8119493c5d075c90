"""Bayesian optimisation keeps the contract, and needs few trials."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mnasnet.samplers import bayesian, surrogate
from mnasnet.samplers.bayesian import FIT, MOST, BayesianSampler, _kept
from mnasnet.samplers.categorical import Known
from mnasnet.samplers.improvement import HighestReward
from mnasnet.samplers.sampler_contract import (
    SPACE,
    MakeSampler,
    SamplerContract,
    asked,
    new_study,
    reward_of_contract,
)
from mnasnet.samplers.surrogate import Model


class TestBayesian(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: BayesianSampler(seed, reward=reward_of_contract, initial=6)


class TestBayesianWithoutAReward(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: BayesianSampler(seed, initial=6)


def searched(sampler: BayesianSampler, trials: int, *, ahead: int = 1) -> optuna.Study:
    """A study of the sum of all choices, which is 12 at most."""
    study = new_study(sampler)
    running = []
    for _ in range(trials):
        running.append(study.ask(SPACE))
        if len(running) == ahead:
            trial = running.pop(0)
            study.tell(trial, float(sum(trial.params.values())))
    return study


@pytest.mark.parametrize("ahead", [1, 8])
def test_it_finds_the_best_of_576_in_40_trials(ahead: int) -> None:
    study = searched(BayesianSampler(initial=10), 40, ahead=ahead)
    assert max(trial.values[0] for trial in study.trials if trial.values) == 12
    assert len({str(params) for params in asked(study)}) == 40


def test_it_asks_again_for_nothing_that_failed() -> None:
    study = new_study(BayesianSampler(initial=6))
    for number in range(30):
        trial = study.ask(SPACE)
        if number > 6 and number % 2:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, float(sum(trial.params.values())))
    assert len({str(params) for params in asked(study)}) == 30


def test_a_reward_with_a_kink_is_kept_to() -> None:
    def hard(values: Sequence[float]) -> float:
        return values[0] if values[1] <= 6 else values[0] * 6 / values[1]

    near_best = 0
    for seed in range(3):
        study = new_study(BayesianSampler(seed, reward=hard, initial=10), objectives=2)
        for _ in range(25):
            trial = study.ask(SPACE)
            total = float(sum(trial.params.values()))
            study.tell(trial, [10 + total - 0.1 * trial.params["choice0"], 1 + total])
        near_best += sum(hard(trial.values) >= 14.9 for trial in study.trials[10:])
    assert near_best > 20  # of 45; 31, and 7 by random search


def logarithms(study: optuna.Study) -> list[Any]:
    return [trial.system_attrs[FIT]["logarithms"][0] for trial in study.trials if FIT in trial.system_attrs]


def test_a_value_without_a_logarithm_may_come_at_any_time() -> None:
    study = new_study(BayesianSampler(initial=6))
    for number in range(24):
        trial = study.ask(SPACE)
        # Of logarithms while all are positive: they are products of what was chosen.
        product = float(np.prod([1.0 + option for option in trial.params.values()]))
        study.tell(trial, -1.0 if number == 21 else product)
    assert logarithms(study)[0] == {"origin": 0.0, "sign": 1}
    assert logarithms(study)[-1] != {"origin": 0.0, "sign": 1}


def test_a_few_networks_that_learnt_nothing_do_not_hide_how_the_good_ones_differ() -> None:
    study = new_study(BayesianSampler(initial=20))
    for _ in range(40):
        trial = study.ask(SPACE)
        # What is lacking to 93 is a product of what was chosen: from 0.2 to some 50.
        lacking = 0.2 * np.prod(
            [1.0 + (option + place) % 3 for place, option in enumerate(trial.params.values())]
        )
        study.tell(trial, 93.0 - float(lacking))
    assert logarithms(study)[-1]["sign"] == -1
    assert study.best_value == pytest.approx(92.8)


def test_a_logarithm_serves_also_those_that_it_was_not_fitted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surrogate, "FIT_MOST", 6)  # of 12: every other one
    study = new_study(BayesianSampler(initial=12))
    for number in range(16):
        trial = study.ask(SPACE)
        # A few that learnt nothing, and one far above the others that the fit leaves out.
        study.tell(trial, 50.0 if number == 3 else -100.0 if number == 4 else number / 10)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 16


def test_what_is_known_of_pruned_trials_teaches() -> None:
    def pruned_of(seed: int, known: Known | None) -> int:
        def reward(values: Sequence[float]) -> float | None:
            return values[0] if values[1] <= 6 else None

        study = new_study(BayesianSampler(seed, reward, initial=10, known=known), objectives=2)
        for _ in range(30):
            trial = study.ask(SPACE)
            first, *others = trial.params.values()
            latency = 1.0 + first + sum(others)
            trial.set_user_attr("latency", latency)
            if latency > 6:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, [float(sum(others) - first), latency])
        done = study.get_trials(states=[TrialState.COMPLETE])
        assert max(trial.values[0] for trial in done) == 5
        return 30 - len(done)

    knowing = sum(pruned_of(seed, lambda trial: (None, trial.user_attrs["latency"])) for seed in range(4))
    assert knowing < 0.8 * sum(pruned_of(seed, None) for seed in range(4))  # 35 and 51


def test_a_reward_that_fails_where_no_network_can_be_stops_nothing() -> None:
    failed = []

    def reward(values: Sequence[float]) -> float:
        try:
            return values[0] - 2 * math.sqrt(values[1])
        except ValueError:
            failed.append(values)
            raise

    study = new_study(BayesianSampler(reward=reward, initial=10), objectives=2)
    for _ in range(60):
        trial = study.ask(SPACE)
        first, *others = trial.params.values()
        study.tell(trial, [float(sum(others)), max(0.0, first + sum(others) - 5.0)])
    assert failed


@pytest.mark.parametrize("known", [(5.0,), (None, 5.0, 5.0), 5.0])
def test_what_is_known_has_one_value_an_objective(known: Any) -> None:
    study = new_study(
        BayesianSampler(reward=reward_of_contract, initial=2, known=lambda trial: known), objectives=2
    )
    study.tell(study.ask(SPACE), [1.0, 2.0])
    study.tell(study.ask(SPACE), state=TrialState.PRUNED)
    with pytest.raises(
        ValueError, match=r"known gave .*5\.0.* for trial 1: give one value for each of the 2"
    ):
        study.ask(SPACE)


def test_a_reward_is_asked_of_tuples_without_nan_also_where_only_some_trials_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bayesian, "MOST", 12)

    def reward(values: Sequence[float]) -> float | None:
        assert isinstance(values, list | tuple)
        assert not np.isnan(values).any()
        return values[0] * min(1.0, 6 / max(values[1], 1e-9)) if values else None

    study = new_study(
        BayesianSampler(reward=reward, initial=6, known=lambda trial: (trial.user_attrs["accuracy"], None)),
        objectives=2,
    )
    for number in range(40):
        trial = study.ask(SPACE)
        total = float(sum(trial.params.values()))
        trial.set_user_attr("accuracy", total)
        if number % 3:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, [total, 1.0 + total])
    assert len({str(params) for params in asked(study)}) == 40


def test_without_a_reward_it_goes_along_the_front() -> None:
    on_it, different = 0, 0
    for seed in range(3):
        study = new_study(BayesianSampler(seed, initial=10), objectives=2)
        for _ in range(40):
            trial = study.ask(SPACE)
            good = sum(trial.params[f"choice{i}"] for i in (1, 2, 4, 5))
            study.tell(trial, [float(good), float(good + trial.params["choice0"] + trial.params["choice3"])])
        first = [trial.values[0] for trial in study.trials if trial.values[0] == trial.values[1]]
        on_it, different = on_it + len(first), different + len(set(first))
    assert on_it > 70  # of 120; 94, and 23 by random search
    assert different > 20  # of 33; 25, and 17 by random search


@pytest.mark.parametrize("directions", [["minimize", "maximize"], ["maximize"] * 2, ["minimize"] * 2])
def test_a_front_may_be_of_objectives_in_any_direction(directions: list[str]) -> None:
    study = optuna.create_study(
        directions=[StudyDirection[one.upper()] for one in directions], sampler=BayesianSampler(initial=10)
    )
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    for _ in range(50):
        trial = study.ask(SPACE)
        good = sum(trial.params[f"choice{i}"] for i in (1, 2, 4, 5))
        bad = good + trial.params["choice0"] + trial.params["choice3"]
        study.tell(trial, [float(signs[0] * good), float(-signs[1] * bad)])
    on_it = {
        tuple(trial.values) for trial in study.best_trials if abs(trial.values[0]) == abs(trial.values[1])
    }
    assert len(on_it) >= 5


def test_three_objectives_want_a_reward() -> None:
    study = optuna.create_study(directions=["maximize"] * 3, sampler=BayesianSampler())
    with pytest.raises(ValueError, match="3 objectives"):
        study.ask(SPACE)


def test_where_all_are_too_slow_it_looks_for_faster_ones() -> None:
    def trials_until_one_is_trained(seed: int, known: Known | None) -> int:
        study = new_study(
            BayesianSampler(seed, reward=lambda values: values[0], initial=10, known=known), objectives=2
        )
        for number in range(200):
            trial = study.ask(SPACE)
            trial.set_user_attr("ms", 1.0 + sum(trial.params.values()))
            if trial.user_attrs["ms"] < 2:  # one of 576
                return number
            study.tell(trial, state=TrialState.PRUNED)
        return 200

    for seed in range(4):
        assert trials_until_one_is_trained(seed, lambda trial: (None, trial.user_attrs["ms"])) < 30
        assert trials_until_one_is_trained(seed, None) > 30


# 0.2 and 9.8 have, as often as here, a standard deviation of 1e-17 to rounding.
@pytest.mark.parametrize(("value", "times"), [(0.2, 3), (9.8, 10), (0.1, 10), (0.07, 20)])
def test_trials_that_all_came_to_the_same_do_not_stop_it(value: float, times: int) -> None:
    study = new_study(
        BayesianSampler(reward=lambda values: values[0], initial=times, known=lambda trial: (None, 9.0)),
        objectives=2,
    )
    for number in range(times + 10):
        trial = study.ask(SPACE)
        if number % 2 and number >= times:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, [value, 1.0 + sum(trial.params.values())])
    assert len({str(params) for params in asked(study)}) == times + 10


def test_of_very_many_trials_the_best_half_and_the_newest_are_kept() -> None:
    values = np.random.default_rng(0).random((MOST + 500, 1))
    kept = _kept(values, HighestReward(reward=lambda values: values[0]))
    best = np.argsort(-values[:, 0])[: MOST // 2]
    newest = np.setdiff1d(np.arange(len(values)), best)[-(MOST // 2) :]
    assert kept.tolist() == sorted([*best, *newest])


def test_it_predicts_from_those_that_are_kept_and_from_those_that_are_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bayesian, "MOST", 12)
    seen = []

    class Watched(BayesianSampler):
        def _best(self, model: Model, *others: Any) -> dict[str, Any] | None:
            seen.append(len(model.processes[0].points))
            return super()._best(model, *others)

    searched(Watched(initial=10), 22, ahead=4)  # three are running when one is asked for, once four have been
    assert seen == [13, 14, *[15] * 7]


@pytest.mark.parametrize(
    "wrong", [{"initial": 0}, {"initial": 1.5}, {"seed": -1}, {"seed": None}, {"reward": 3}, {"known": 0.1}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(wrong)):
        BayesianSampler(**wrong)
