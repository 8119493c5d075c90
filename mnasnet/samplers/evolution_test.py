"""Regularized evolution keeps the contract, gets better, and asks for nothing twice."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import TrialState

from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.sampler_contract import (
    SPACE,
    MakeSampler,
    SamplerContract,
    asked,
    new_study,
    reward_of_contract,
    run,
)


class TestEvolution(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: EvolutionSampler(seed, reward=reward_of_contract, population=6, tournament=3)


def test_it_asks_for_nothing_twice_also_ahead_and_of_failed_trials() -> None:
    study = new_study(EvolutionSampler(population=8, tournament=4))
    order, running = random.Random(0), []
    for _ in range(150):
        running.append(study.ask(SPACE))
        if len(running) == 8:
            trial = running.pop(order.randrange(8))
            if trial.number % 4:
                study.tell(trial, float(sum(trial.params.values())))
            else:
                study.tell(trial, state=TrialState.FAIL)
    assert len({str(params) for params in asked(study)}) == 150


def test_a_space_that_is_used_up_is_asked_again() -> None:
    study = new_study(EvolutionSampler(population=2, tournament=1))
    run(study, 12, dict(list(SPACE.items())[:1]) | {"other": SPACE["choice3"]})
    assert len({str(params) for params in asked(study)}) == 4


def test_what_does_not_matter_makes_no_new_network() -> None:
    def canonical(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value for name, value in params.items() if name != "choice5"}

    study = new_study(EvolutionSampler(canonical=canonical, population=8, tournament=4))
    run(study, 60)
    assert len({str(canonical(params)) for params in asked(study)}) == 60


def changes_from_parents(study: Study, population: int) -> list[int]:
    """How many choices each later trial has changed of the best that was alive."""
    trials, found = study.trials, []
    for number in range(population, len(trials)):
        alive = trials[number - population : number]
        parent = max(alive, key=lambda one: (one.values[0], one.number))
        found.append(sum(trials[number].params[name] != parent.params[name] for name in SPACE))
    return found


def test_a_trial_is_the_best_of_the_youngest_with_one_choice_changed_or_more_where_that_is_known() -> None:
    study = new_study(EvolutionSampler(population=8, tournament=8))
    for _ in range(40):
        trial = study.ask(SPACE)
        study.tell(trial, float(sum(trial.params.values())))
    changes = changes_from_parents(study, 8)
    assert min(changes) == 1
    assert changes.count(1) > len(changes) / 2


def test_it_gets_better() -> None:
    study = new_study(EvolutionSampler(population=10, tournament=5))
    for _ in range(80):
        trial = study.ask(SPACE)
        study.tell(trial, float(sum(trial.params.values())))
    values = [trial.value or 0.0 for trial in study.trials]
    assert sum(values[-20:]) / 20 > sum(values[:20]) / 20 + 1
    assert max(values) >= 11  # of the 576 points 7 are


def test_options_that_are_equal_do_not_stop_it() -> None:
    study = new_study(EvolutionSampler(population=2, tournament=1))
    run(study, 8, {"same": CategoricalDistribution([1, True]), "other": SPACE["choice0"]})
    assert len(study.trials) == 8


@pytest.mark.parametrize("wrong", [{"population": 0}, {"tournament": 0}, {"seed": -1}, {"seed": "a"}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(wrong)):
        EvolutionSampler(**wrong)
