"""Reward: one number from accuracy and latency (equations 2 and 3), in the paper's own symbols."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mnasnet.base.errors import RequestError


class Reward(Protocol):
    """What the controller maximises. Accuracy is a fraction, latency is in milliseconds."""

    @property
    def target_ms(self) -> float:
        """T, the latency aimed at."""
        ...

    def __call__(self, *, accuracy: float, latency_ms: float) -> float:
        """The reward of a network of this accuracy and latency."""
        ...


@dataclass(frozen=True, kw_only=True)
class WeightedProduct:
    """ACC(m) · (LAT(m)/T)^w with w = α where LAT ≤ T and β elsewhere (equations 2 and 3)."""

    target_ms: float
    alpha: float = -0.07
    beta: float = -0.07

    def __post_init__(self) -> None:
        _check_target(self.target_ms)

    def __call__(self, *, accuracy: float, latency_ms: float) -> float:
        """The reward; `accuracy` as a fraction, `latency_ms` in milliseconds."""
        w = self.alpha if latency_ms <= self.target_ms else self.beta
        return float(accuracy * (latency_ms / self.target_ms) ** w)


@dataclass(frozen=True, kw_only=True)
class Absolute:
    """ACC(m) + β · |LAT(m)/T − 1| (TuNAS, Bender et al. 2020, section 3): the target itself is wanted.

    TuNAS tunes β to the problem; the default takes MnasNet's −0.07 for a start.
    """

    target_ms: float
    beta: float = -0.07

    def __post_init__(self) -> None:
        _check_target(self.target_ms)

    def __call__(self, *, accuracy: float, latency_ms: float) -> float:
        """The reward; `accuracy` as a fraction, `latency_ms` in milliseconds."""
        return accuracy + self.beta * abs(latency_ms / self.target_ms - 1)


def soft(target_ms: float) -> WeightedProduct:
    """The paper's default, α = β = −0.07: latency and accuracy are traded all along the front."""
    return WeightedProduct(target_ms=target_ms)


def hard(target_ms: float) -> WeightedProduct:
    """α = 0, β = −1: no gain below the target, a sharp penalty above it (Figure 3, top)."""
    return WeightedProduct(target_ms=target_ms, alpha=0.0, beta=-1.0)


def absolute(target_ms: float) -> Absolute:
    """The absolute reward of TuNAS."""
    return Absolute(target_ms=target_ms)


REWARDS: Mapping[str, Callable[[float], Reward]] = {"soft": soft, "hard": hard, "absolute": absolute}


def exponent(*, worth: float, times: float = 2.0) -> float:
    """w at which a network `times` as slow is as good when its accuracy is (1 + `worth`) times as high.

    Solves a · (1 + worth) · (times · l/T)^w = a · (l/T)^w (section 3): 5 % for twice the latency gives
    −0.0704, which the paper rounds to −0.07.

    Raises:
        ValueError: `times` is not above 1 or `worth` not above −1.
    """
    if not (times > 1 and worth > -1):
        raise ValueError(f"times must be above 1 and worth above -1, not {times} and {worth}")
    return -math.log(1 + worth) / math.log(times)


def _check_target(target_ms: float) -> None:
    if not (math.isfinite(target_ms) and target_ms > 0):
        raise RequestError("give a number above 0", field="target_ms", value=target_ms)
