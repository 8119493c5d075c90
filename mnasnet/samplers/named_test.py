"""Samplers by name keep the contract, and a wrong name is answered with the right one."""

import subprocess
import sys
from functools import partial

import pytest
from optuna.samplers import NSGAIISampler, RandomSampler

from mnasnet.base.errors import RequestError
from mnasnet.samplers.named import SeededPerTrial, sampler_named
from mnasnet.samplers.sampler_contract import (
    SPACE,
    MakeSampler,
    SamplerContract,
    new_study,
    reward_of_contract,
    run,
)


class TestRandom(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: sampler_named("random", seed=seed)


class TestTPE(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: sampler_named("tpe", seed=seed)


class TestNSGA2(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: sampler_named("nsga2", seed=seed)


class TestNSGA2PastItsFirstGeneration(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return partial(SeededPerTrial, four_a_generation)


def four_a_generation(seed: int) -> NSGAIISampler:
    """NSGA-II whose first trials are few."""
    return NSGAIISampler(seed=seed, population_size=4)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nsgaii", "the nearest is 'nsga2', of ppo, bayesian, evolution, random, tpe, nsga2"),
        ("PPO", "the nearest is 'ppo', of ppo, bayesian, evolution, random, tpe, nsga2"),
        ("xyz", "give one of ppo, bayesian, evolution, random, tpe, nsga2"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_if_one_is_near_and_with_all(
    name: str, said: str
) -> None:
    with pytest.raises(RequestError, match=f"^`sampler` {name}: {said}$"):
        sampler_named(name, seed=0)


@pytest.mark.parametrize("name", ["ppo", "random"])
def test_a_negative_seed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0, got -1"):
        sampler_named(name, seed=-1)


def test_every_trial_has_one_sampler_with_a_seed_of_its_own() -> None:
    seeds: list[int] = []

    def make(seed: int) -> RandomSampler:
        seeds.append(seed)
        return RandomSampler(seed=seed)

    run(new_study(SeededPerTrial(make, 0)), 5)
    assert len(seeds) == len(set(seeds)) == 5


def test_ppo_by_name_learns_with_the_batch_it_is_given() -> None:
    from mnasnet.samplers.ppo import PPOSampler

    sampler = sampler_named("ppo", seed=0, reward=reward_of_contract, batch=2)
    assert isinstance(sampler, PPOSampler)
    study = new_study(sampler, objectives=2)
    run(study, 4)
    study.ask(SPACE)
    assert sampler.updates(study) == 2


def test_only_ppo_loads_torch() -> None:
    program = (
        "import sys; from mnasnet.samplers.named import sampler_named; sampler_named('tpe', seed=0);"
        "assert 'torch' not in sys.modules; sampler_named('ppo', seed=0); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
