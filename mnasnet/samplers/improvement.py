"""What is gained by a network whose values are expected, but not sure: of reward, or of the area before a front.

Objectives are taken to be independent. A reward may have a kink at a latency, and networks near to it are wanted: a
slope says nothing there, so that the last objective goes through the cases of `Model.cases`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import logsumexp, ndtr

from mnasnet.samplers.categorical import TOO_LARGE
from mnasnet.samplers.gaussian_process import Floats, Options
from mnasnet.samplers.surrogate import Model

TAIL = -30.0
"""Standard deviations below which expected improvement is taken from its asymptote, which is within 0.4 % there:
farther below the two terms of the formula cancel."""

MARGIN = 0.1
"""Of the extent of both objectives, by which the reference of a front lies beyond the worst that is there: else its
ends are worth nothing (`benchmarks/evidence.jsonl`, front-margin)."""

Improvement = Callable[[Floats, Floats], Floats]
"""From a case of `Model.cases` to the logarithm of what is gained in it, expected [networks]."""


class Aim(Protocol):
    """What is wanted of the objectives."""

    def order(self, values: Floats) -> Floats:
        """[networks]: the higher the better, of `values` [networks, objectives]; -inf where worth nothing."""

    def beyond(self, there: Floats) -> Improvement:
        """What is gained where networks of these values [networks, objectives] are there already."""


def log_gains(model: Model, options: Options, improvement: Improvement) -> Floats:
    """Logarithm of what is expected to be gained by each network."""
    gains = [improvement(values, moved) for values, moved in model.cases(options)]
    found: Floats = logsumexp(gains, axis=0) - math.log(len(gains))
    return found


@dataclass(frozen=True, kw_only=True)
class HighestReward:
    """The one network of the highest reward."""

    reward: Callable[[Sequence[float]], float | None]
    """Of the values of all objectives; None, NaN or `TOO_LARGE` where they are worth nothing."""

    def order(self, values: Floats) -> Floats:
        """The rewards; -inf also where a value is NaN, of which a reward is not asked."""
        rewards = np.full(len(values), math.nan)
        told = ~np.isnan(values).any(axis=1)
        with np.errstate(all="ignore"):
            rewards[told] = np.array([self._reward_of(tuple(one)) for one in values[told]], dtype=float)
        return np.where(np.abs(rewards) < TOO_LARGE, rewards, -math.inf)

    def _reward_of(self, values: Sequence[float]) -> float | None:
        # Values may be expected that no network can have, such as a latency of 0, and few rewards think of those.
        try:
            return self.reward(values)
        except (ArithmeticError, ValueError):
            return None

    def beyond(self, there: Floats) -> Improvement:
        """Over the best of them; what the other objectives may be off is taken to first order."""
        best = float(self.order(there).max())

        def improvement(values: Floats, moved: Floats) -> Floats:
            reward = self.order(values)
            if best == -math.inf:  # Then what counts is whether it is worth anything.
                return np.where(np.isfinite(reward), 0.0, -math.inf)
            with np.errstate(invalid="ignore"):  # -inf less -inf
                changes = np.stack([self.order(one) - reward for one in moved])
            # Where values begin to be worth nothing there is a step and no slope.
            spread = np.sqrt((np.where(np.isfinite(changes), changes, 0.0) ** 2).sum(axis=0))
            return log_expected_improvement(reward, spread, best)

        return improvement


@dataclass(frozen=True, kw_only=True)
class Front:
    """The whole front of two objectives, measured by the area before it: its hypervolume."""

    signs: Floats
    """[2]: 1 for what is to be high, -1 for what is to be low."""

    def order(self, values: Floats) -> Floats:
        """Minus the number of networks that are better; -inf where a value is NaN."""
        gains = self.signs * values
        at_least = (gains[:, None, :] >= gains[None, :, :]).all(axis=2)
        better = (at_least & ~at_least.T).sum(axis=0)
        return np.where(np.isnan(values).any(axis=1), -math.inf, -better)

    def beyond(self, there: Floats) -> Improvement:
        """Area that is gained, from somewhat beyond the worst of them in both objectives.

        With the last objective y known it is Σ_j w_j(y) E[max(0, x - x_j)], the other one being x: the front has
        steps, of height x_j, and w_j is how much of a step's length y reaches over. As in Emmerich, Deutz and
        Klinkenberg (CEC 2011), who have both objectives normal.
        """
        gains = self.signs * there
        lowest = gains.min(axis=0) - MARGIN * np.ptp(gains, axis=0)
        steps = [(lowest[0], math.inf)]  # height, and up to where
        for x, y in gains[np.lexsort((-gains[:, 0], -gains[:, 1]))]:
            if x > steps[-1][0]:
                steps.append((x, y))
        heights, ends = np.array(steps).T
        begins = np.append(ends[1:], lowest[1])

        def improvement(values: Floats, moved: Floats) -> Floats:
            x, y = (self.signs * values).T
            spread = np.abs(moved[0, :, 0] - values[:, 0])
            with np.errstate(divide="ignore"):  # log 0
                widths = np.log(np.clip(y[:, None] - begins, 0.0, ends - begins))
                higher = log_expected_improvement(x[:, None], spread[:, None], heights)
                found: Floats = logsumexp(widths + higher, axis=1)
            return found

        return improvement


def log_expected_improvement(mean: Floats, spread: Floats, target: float | Floats) -> Floats:
    """Logarithm of the expected max(0, normal(mean, spread) - target); -inf where there is none.

    σ (z Φ(z) + φ(z)) with z = (mean - target) / σ (Jones et al., 1998, equation 15); far below, where the two terms
    cancel, φ(z) / z².
    """
    with np.errstate(all="ignore"):
        z = (mean - target) / spread
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        near = np.log(z * ndtr(z) + density)
        far = -0.5 * z**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-z)
        found = np.where(z > TAIL, near, far) + np.log(spread)
        sure = np.where(mean > target, np.log(mean - target), -np.inf)
    found = np.where(spread > 0, found, sure)
    return np.where(np.isnan(found), -np.inf, found)
