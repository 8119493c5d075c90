"""Policy-gradient losses of a controller that makes several choices for one reward: pure, to be minimised."""

import torch
from torch import Tensor


def clipped_surrogate(
    log_probs: Tensor, asked_log_probs: Tensor, advantages: Tensor, matters: Tensor, *, clip: float
) -> Tensor:
    """PPO's clipped surrogate (Schulman et al., 2017, arXiv 1707.06347, equation 7), negated.

    Every choice is one action of an episode whose only reward comes at its end, so each has its own
    ratio pi(a) / pi_asked(a) and all of a trial share one advantage.

    Args:
        log_probs: [batch, choices], of the policy that is learning; the gradient flows through it.
        asked_log_probs: [batch, choices], of the policy that asked for the trial.
        advantages: [batch], reward less baseline.
        matters: [batch, choices], 1 where the choice has a place in the network, else 0.
        clip: how far the ratio may leave 1 before it stops counting (epsilon).

    Returns:
        A scalar: summed over choices, mean over the batch.
    """
    # Masked before the exponential: infinity times zero would poison the sum.
    ratios = torch.exp((log_probs - asked_log_probs) * matters)
    gains = advantages.unsqueeze(1)  # [batch, 1]
    surrogates = torch.minimum(ratios * gains, ratios.clamp(1 - clip, 1 + clip) * gains)
    return -(surrogates * matters).sum(dim=1).mean()


def reinforce(log_probs: Tensor, advantages: Tensor, matters: Tensor) -> Tensor:
    """REINFORCE with a baseline (Williams, 1992), negated: -mean of advantage times log-probability.

    Args:
        log_probs: [batch, choices], of the policy that is learning; the gradient flows through it.
        advantages: [batch], reward less baseline.
        matters: [batch, choices], 1 where the choice has a place in the network, else 0.

    Returns:
        A scalar: summed over choices, mean over the batch.
    """
    return -(advantages.unsqueeze(1) * log_probs * matters).sum(dim=1).mean()


def negative_entropy(entropies: Tensor, matters: Tensor) -> Tensor:
    """The entropy bonus, negated, over the choices that matter.

    Args:
        entropies: [batch, choices], in nats.
        matters: [batch, choices], 1 where the choice has a place in the network, else 0.

    Returns:
        A scalar: summed over choices, mean over the batch.
    """
    return -(entropies * matters).sum(dim=1).mean()
