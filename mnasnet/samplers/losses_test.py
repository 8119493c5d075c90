"""The policy-gradient losses, worked by hand."""

from math import log

import pytest
import torch

from mnasnet.samplers.losses import clipped_surrogate, negative_entropy, reinforce

ALL = torch.ones(1, 1)


def surrogate(probability: float, asked: float, advantage: float) -> float:
    """The loss of one trial of one choice, whose probability went from `asked` to `probability`."""
    loss = clipped_surrogate(
        torch.tensor([[log(probability)]]),
        torch.tensor([[log(asked)]]),
        torch.tensor([advantage]),
        ALL,
        clip=0.2,
    )
    return loss.item()


def test_an_unmoved_policy_loses_its_advantage() -> None:
    assert surrogate(0.5, 0.5, 3.0) == pytest.approx(-3.0)


def test_a_good_choice_counts_until_it_is_a_fifth_likelier() -> None:
    assert surrogate(0.55, 0.5, 2.0) == pytest.approx(-1.1 * 2.0)
    assert surrogate(0.9, 0.5, 2.0) == pytest.approx(-1.2 * 2.0)


def test_a_bad_choice_counts_until_it_is_a_fifth_rarer() -> None:
    assert surrogate(0.45, 0.5, -2.0) == pytest.approx(0.9 * 2.0)
    assert surrogate(0.1, 0.5, -2.0) == pytest.approx(0.8 * 2.0)


def test_a_bad_choice_that_became_likelier_is_not_clipped() -> None:
    assert surrogate(0.9, 0.5, -2.0) == pytest.approx(1.8 * 2.0)


def test_the_surrogate_sums_over_choices_and_averages_over_trials() -> None:
    log_probs = torch.log(torch.tensor([[0.55, 0.5], [0.4, 0.5]]))
    asked = torch.log(torch.full((2, 2), 0.5))
    loss = clipped_surrogate(log_probs, asked, torch.tensor([1.0, -1.0]), torch.ones(2, 2), clip=0.2)
    first, second = 1.1 + 1.0, -(0.8 + 1.0)
    assert loss.item() == pytest.approx(-(first + second) / 2)


def test_reinforce_weighs_log_probabilities_by_the_advantage() -> None:
    log_probs = torch.log(torch.tensor([[0.5, 0.25], [0.5, 0.5]]))
    loss = reinforce(log_probs, torch.tensor([2.0, -1.0]), torch.ones(2, 2))
    assert loss.item() == pytest.approx(-(2 * (log(0.5) + log(0.25)) - (log(0.5) + log(0.5))) / 2)


def test_the_entropy_of_uniform_choices_is_the_log_of_their_options() -> None:
    entropies = torch.tensor([[log(3), log(4)]])
    assert negative_entropy(entropies, torch.ones(1, 2)).item() == pytest.approx(-(log(3) + log(4)))


def test_a_choice_that_does_not_matter_has_neither_loss_nor_gradient() -> None:
    matters = torch.tensor([[1.0, 0.0]])
    log_probs = torch.tensor([[log(0.5), -90.0]], requires_grad=True)
    asked = torch.tensor([[log(0.5), 90.0]])
    advantages = torch.tensor([1.0])
    loss = (
        clipped_surrogate(log_probs, asked, advantages, matters, clip=0.2)
        + reinforce(log_probs, advantages, matters)
        + negative_entropy(torch.tensor([[log(2), 5.0]]), matters)
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(-1.0 - log(0.5) - log(2))
    assert log_probs.grad is not None
    assert log_probs.grad[0, 0] != 0
    assert log_probs.grad[0, 1] == 0


def test_at_the_policy_that_asked_ppo_and_reinforce_take_the_same_step() -> None:
    asked = torch.log(torch.tensor([[0.3, 0.6], [0.2, 0.9]]))
    advantages, matters = torch.tensor([1.5, -0.5]), torch.ones(2, 2)
    log_probs = asked.clone().requires_grad_()
    (by_ppo,) = torch.autograd.grad(
        clipped_surrogate(log_probs, asked, advantages, matters, clip=0.2), log_probs
    )
    (by_reinforce,) = torch.autograd.grad(reinforce(log_probs, advantages, matters), log_probs)
    torch.testing.assert_close(by_ppo, by_reinforce)
