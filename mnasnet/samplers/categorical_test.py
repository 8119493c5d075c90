"""What our samplers have in common, in spaces whose choices depend on one another or are not all made."""

from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.categorical import Canonical, CategoricalSampler
from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.ppo import PPOSampler, PPOSettings
from mnasnet.samplers.sampler_contract import SPACE, asked, new_study

LAYERED: dict[str, BaseDistribution] = {
    "stem": CategoricalDistribution([32]),
    "layers": CategoricalDistribution([0, 1, 2]),
    "kernel": CategoricalDistribution([3, 5, 7]),
}


def canonical(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without layers there is no kernel; the choice of one option is asked for as well."""
    return {name: value for name, value in params.items() if params["layers"] or name != "kernel"} | {
        "stem": params["stem"]
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda hook: EvolutionSampler(canonical=hook, population=2, tournament=2),
        lambda hook: BayesianSampler(canonical=hook, initial=2),
    ],
    ids=["evolution", "bayesian"],
)
def test_networks_that_differ_in_nothing_that_matters_are_asked_for_once(
    make: Callable[[Canonical], CategoricalSampler],
) -> None:
    study = new_study(make(canonical))
    for _ in range(7):  # as many as there are
        trial = study.ask(LAYERED)
        study.tell(trial, float(trial.params["layers"] + trial.params["kernel"]))
    assert len({str(canonical(params)) for params in asked(study)}) == 7


OURS = pytest.mark.parametrize(
    "make",
    [
        lambda: EvolutionSampler(population=4, tournament=2),
        lambda: BayesianSampler(initial=4),
        lambda: PPOSampler(settings=PPOSettings(batch=3, hidden=16)),
    ],
    ids=["evolution", "bayesian", "ppo"],
)


@OURS
def test_trials_pruned_before_they_made_all_choices_take_none_from_the_others(
    make: Callable[[], CategoricalSampler],
) -> None:
    first = dict(list(SPACE.items())[:1])
    whole, resumed = new_study(make()), new_study(make())
    for number in range(24):
        is_cut = number % 7 == 0  # the first one, and some later ones
        resumed.sampler = make()
        for study in (whole, resumed):
            trial = study.ask(first if is_cut else SPACE)
            if is_cut:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, float(sum(trial.params.values())))
        if number:
            assert whole.sampler.infer_relative_search_space(whole, whole.trials[-1]) == SPACE
    assert asked(resumed) == asked(whole)


@OURS
@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e99, 1e200, -1e307])
def test_values_of_any_size_do_not_stop_it(make: Callable[[], CategoricalSampler], scale: float) -> None:
    study = new_study(make())
    for _ in range(16):
        trial = study.ask(SPACE)
        study.tell(trial, scale * (1.0 + sum(trial.params.values())))
    assert len(study.trials) == 16


@pytest.mark.parametrize(
    ("make", "trials"),
    [(lambda: BayesianSampler(), 40), (lambda: PPOSampler(settings=PPOSettings(batch=4, hidden=16)), 200)],
    ids=["bayesian", "ppo"],
)
def test_one_penalty_does_not_hide_how_all_others_differ(
    make: Callable[[], CategoricalSampler], trials: int
) -> None:
    study = optuna.create_study(direction="minimize", sampler=make())
    for number in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, 1e6 if number == 5 else -float(sum(trial.params.values())))
    last = [sum(trial.params.values()) for trial in study.trials[-trials // 4 :]]
    assert sum(last) / len(last) > 7  # 8.4 and 9.3; with no floor 5.6 and 5.9
