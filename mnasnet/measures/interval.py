"""Intervals: 95 % of a proportion, and of sums and differences of what has an interval."""

import math
from collections.abc import Sequence

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""

Interval = tuple[float, float]
"""Low and high end of a 95 % interval."""


def wilson_interval(correct: int, images: int) -> Interval:
    """95 % score interval of a proportion (Wilson 1927), as fractions."""
    p, z2 = correct / images, Z_95**2
    middle = (p + z2 / (2 * images)) / (1 + z2 / images)
    half = Z_95 / (1 + z2 / images) * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2))
    # Rounding must not leave the proportion itself outside.
    return min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))


def mean_interval(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """95 % interval of the mean of independent estimates, from their own (MOVER: Zou and Donner 2008, Statistics in
    Medicine 27, 1693-1702): low is m − √Σ(v − low)² / n, high is m + √Σ(high − v)² / n.
    """
    count = len(values)
    mean = sum(values) / count
    below = math.hypot(*(value - low for value, (low, _) in zip(values, intervals, strict=True)))
    above = math.hypot(*(high - value for value, (_, high) in zip(values, intervals, strict=True)))
    return mean - below / count, mean + above / count
