"""What our samplers have in common, in a space whose choices depend on one another."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.categorical import Canonical, CategoricalSampler
from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.sampler_contract import asked, new_study

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
