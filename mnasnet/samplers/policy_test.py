"""The controller is a distribution over sequences of choices, and what it says of itself is consistent."""

import itertools
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnasnet.samplers.policy import Controller

OPTIONS = st.lists(st.integers(1, 4), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32 - 1)


def controller(options: list[int], seed: int = 0, init_range: float = 1.0) -> Controller:
    """A small controller, far from uniform unless asked for."""
    generator = torch.Generator().manual_seed(seed)
    return Controller(options, hidden=8, init_range=init_range, generator=generator)


@settings(max_examples=25)
@given(options=OPTIONS, seed=SEEDS)
def test_the_probabilities_of_all_sequences_sum_to_one(options: list[int], seed: int) -> None:
    every = torch.tensor(list(itertools.product(*(range(count) for count in options))))
    log_probs, _ = controller(options, seed).evaluate(every)
    assert log_probs.sum(dim=1).exp().sum().item() == pytest.approx(1.0, abs=1e-5)


@settings(max_examples=25)
@given(options=OPTIONS, seed=SEEDS)
def test_it_samples_options_that_exist_with_the_probabilities_it_gives_them(
    options: list[int], seed: int
) -> None:
    subject = controller(options, seed)
    uniforms = torch.rand(16, len(options), generator=torch.Generator().manual_seed(seed))
    actions, log_probs = subject.sample(uniforms)
    assert (actions >= 0).all()
    assert (actions < torch.tensor(options)).all()
    torch.testing.assert_close(log_probs, subject.evaluate(actions)[0].detach())


@settings(max_examples=25)
@given(options=OPTIONS, seed=SEEDS)
def test_the_entropy_is_between_zero_and_the_log_of_the_options(options: list[int], seed: int) -> None:
    subject = controller(options, seed)
    _, entropies = subject.evaluate(torch.zeros(1, len(options), dtype=torch.int64))
    assert (entropies >= -1e-6).all()
    assert (entropies <= torch.tensor([log(count) for count in options]) + 1e-5).all()


def test_the_first_entropy_is_minus_the_expected_log_probability() -> None:
    log_probs, entropies = controller([3]).evaluate(torch.arange(3).unsqueeze(1))
    expected = -(log_probs.exp() * log_probs).sum()
    torch.testing.assert_close(entropies[0, 0], expected)


def test_draws_spread_evenly_over_the_unit_interval_give_the_policy_back() -> None:
    subject = controller([3], seed=4)
    draws = 30_000
    actions, _ = subject.sample((torch.arange(draws) / draws).unsqueeze(1))
    shares = actions.flatten().bincount(minlength=3) / draws
    probabilities = subject.evaluate(torch.arange(3).unsqueeze(1))[0].exp().flatten().detach()
    torch.testing.assert_close(shares, probabilities, atol=1e-4, rtol=0)


def test_the_largest_draw_below_one_takes_an_option_that_exists() -> None:
    largest = torch.full((1, 3), 1 - 2**-24)
    assert controller([2, 4, 3]).sample(largest)[0].tolist() == [[1, 3, 2]]


def test_a_choice_depends_on_the_choices_before_it_and_not_on_those_after() -> None:
    subject = controller([2, 2, 2])
    log_probs, _ = subject.evaluate(torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0, 1]]))
    assert log_probs[0, 1] != log_probs[1, 1]
    assert torch.equal(log_probs[0, :2], log_probs[2, :2])


def test_it_starts_near_uniform() -> None:
    log_probs, _ = controller([2, 4], init_range=0.01).evaluate(torch.tensor([[0, 0]]))
    torch.testing.assert_close(log_probs.detach(), -torch.tensor([[log(2), log(4)]]), atol=1e-2, rtol=0)


def test_it_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    controller([2, 3]).sample(torch.zeros(1, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_choices_and_a_choice_without_options_are_refused() -> None:
    for options in ([], [2, 0]):
        with pytest.raises(ValueError, match="at least one option each"):
            controller(options)
