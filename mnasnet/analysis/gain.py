"""Gain: how a finalist differs from the control, with intervals, and whether that is more than noise."""

import math
from dataclasses import dataclass
from typing import Literal

from mnasnet.base.words import decimals
from mnasnet.study.card import Card

Verdict = Literal["gain", "trade", "no gain"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Finalist less control, with a 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out: more than noise."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A finalist against the control."""

    points: Difference
    """Test accuracy in percentage points; above 0 the finalist is the more accurate one."""
    latency_ms: Difference
    """Below 0 the finalist is the faster one."""
    control_ms: float
    """The control's latency."""
    guessed_among: int | None
    """Of how many classes the finalist may have guessed; None where it is better than that."""
    caveat: str | None
    """What was not the same for both, besides the network; None where nothing differed."""

    @property
    def verdict(self) -> Verdict:
        """`gain`: clearly better in accuracy or latency, and clearly worse in neither; `trade`: clearly
        better in one and clearly worse in the other; `no gain`: clearly better in neither, or a finalist that may
        have guessed.

        An unclear difference counts as none, so `gain` does not prove the other value equal: its interval
        says how much may still have been lost.
        """
        better = self.points.low > 0 or self.latency_ms.high < 0
        worse = self.points.high < 0 or self.latency_ms.low > 0
        if not better or self.guessed_among is not None:
            return "no gain"
        return "trade" if worse else "gain"

    def sentence(self) -> str:
        """Both differences with their intervals, and the verdict."""
        points, latency = self.points, self.latency_ms
        places = decimals(self.control_ms)
        share = 100 * latency.value / self.control_ms
        accuracy = f"{points.value:+.1f} points [{points.low:+.1f}, {points.high:+.1f}]"
        time = (
            f"{latency.value:+.{places}f} ms [{latency.low:+.{places}f}, {latency.high:+.{places}f}] "
            f"({share:+.0f} %)"
        )
        caveat = "" if self.caveat is None else f"; {self.caveat}"
        return f"{accuracy} and {time} against MobileNetV2: {self._in_words()}{caveat}"

    def _in_words(self) -> str:
        if self.guessed_among is not None:
            return f"no gain, the finalist is no better than guessing among {self.guessed_among} classes"
        accuracy = _word(self.points, above="more accurate", below="less accurate")
        speed = _word(self.latency_ms, above="slower", below="faster")
        match accuracy, speed:
            case None, None:
                return "no gain, both differences are inside the noise"
            case None, _:
                return f"{self.verdict}, {speed}; no clear difference in accuracy"
            case _, None:
                return f"{self.verdict}, {accuracy}; no clear difference in latency"
            case _:
                return f"{self.verdict}, {accuracy} and {speed}"


def gain(finalist: Card, control: Card) -> Gain:
    """How `finalist` differs from `control`.

    Accuracy: Newcombe's hybrid score interval of a difference of two proportions (Newcombe 1998, Statistics in
    Medicine 17, 873-890, method 10), from the Wilson intervals. Both networks saw the same images, but a card
    keeps counts, not which image was right, so nothing is paired and the interval is wider than it need be.
    It is over images, not over training seeds. Latency: the same construction, of which Newcombe's is one
    case, from the intervals of the two medians (MOVER: Zou and Donner 2008, Statistics in Medicine 27,
    1693-1702).

    Raises:
        ValueError: the cards are of different data, so that their accuracies do not compare.
    """
    if finalist.fingerprint != control.fingerprint:
        raise ValueError(
            f"{finalist.name} was tested on the data {finalist.fingerprint} and {control.name} on "
            f"{control.fingerprint}: accuracies on different data do not compare"
        )
    ours, theirs = finalist.quality, control.quality
    points = difference(
        100 * ours.value, _times(100, ours.interval), 100 * theirs.value, _times(100, theirs.interval)
    )
    caveats = []
    if ours.epochs != theirs.epochs:
        caveats.append(f"the finalist learned for {ours.epochs} epochs, the control for {theirs.epochs}")
    if finalist.latency.predicted != control.latency.predicted:
        caveats.append("one of the latencies is predicted and the other measured, which does not compare")
    latency_ms = difference(
        finalist.latency.median_ms,
        (finalist.latency.low_ms, finalist.latency.high_ms),
        control.latency.median_ms,
        (control.latency.low_ms, control.latency.high_ms),
    )
    return Gain(
        points=points,
        latency_ms=latency_ms,
        control_ms=control.latency.median_ms,
        guessed_among=len(finalist.classes) if ours.may_be_guessed(len(finalist.classes)) else None,
        caveat="; ".join(caveats) or None,
    )


def difference(
    a: float, a_interval: tuple[float, float], b: float, b_interval: tuple[float, float]
) -> Difference:
    """a − b of two independent estimates with 95 % intervals, with a 95 % interval of its own (MOVER).

    Low is d − √((a − a_low)² + (b_high − b)²), high is d + √((a_high − a)² + (b − b_low)²).
    """
    (a_low, a_high), (b_low, b_high) = a_interval, b_interval
    value = a - b
    return Difference(
        value=value,
        low=value - math.hypot(a - a_low, b_high - b),
        high=value + math.hypot(a_high - a, b - b_low),
    )


def _times(factor: float, interval: tuple[float, float]) -> tuple[float, float]:
    return factor * interval[0], factor * interval[1]


def _word(difference: Difference, *, above: str, below: str) -> str | None:
    if not difference.clear:
        return None
    return above if difference.value > 0 else below
