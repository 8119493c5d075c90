"""Bayesian optimisation keeps the contract, and needs few trials."""

import pytest

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.sampler_contract import MakeSampler, SamplerContract, reward_of_contract


class TestBayesian(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: BayesianSampler(seed, reward=reward_of_contract, initial=6)


class TestBayesianWithoutAReward(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: BayesianSampler(seed, initial=6)
