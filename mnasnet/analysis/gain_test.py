"""Tests of gain.py."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.analysis.conftest import card
from mnasnet.analysis.gain import Difference, Gain, difference, gain


def test_the_interval_of_newcombes_example() -> None:
    # Newcombe 1998, Table II, 56/70 - 48/80, method 10: 0.0524 to 0.3339; Wilson: 0.6917-0.8771, 0.4904-0.7004
    found = difference(56 / 70, (0.691728, 0.877138), 48 / 80, (0.490440, 0.700439))
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_equal_half_widths_combine_as_the_root_of_their_squares() -> None:
    found = difference(7, (4, 10), 5, (1, 9))
    assert (found.value, found.low, found.high) == (2, 2 - math.hypot(3, 4), 2 + math.hypot(3, 4))


@given(
    a=st.floats(0, 100),
    b=st.floats(0, 100),
    below=st.floats(0, 10),
    above=st.floats(0, 10),
    half=st.floats(0, 10),
)
def test_turned_round_a_difference_changes_its_sign(
    a: float, b: float, below: float, above: float, half: float
) -> None:
    found = difference(a, (a - below, a + above), b, (b - half, b + half))
    turned = difference(b, (b - half, b + half), a, (a - below, a + above))
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert found.low <= found.value <= found.high


def test_a_predicted_latency_beside_a_measured_one_is_said() -> None:
    finalist, control = card(480, 0.45), card(465, 0.5, control=True)
    assert gain(finalist, control).caveat is None
    table = replace(control, latency=replace(control.latency, predicted=True))
    assert "one of the latencies is predicted and the other measured" in gain(finalist, table).sentence()


def test_a_gain_is_in_points_and_milliseconds() -> None:
    found = gain(card(480, 0.45, half=0.03), card(465, 0.5, half=0.04, control=True))
    assert found.points.value == pytest.approx(96.0 - 93.0)
    assert found.latency_ms.value == pytest.approx(-0.05)
    assert (found.latency_ms.low, found.latency_ms.high) == pytest.approx((-0.1, 0.0))  # ± √(0.03² + 0.04²)


BETTER, SAME, WORSE = (1.0, 3.0), (-1.0, 2.0), (-3.0, -1.0)
"""Intervals of an advantage; in milliseconds the advantage is negative."""


@pytest.mark.parametrize(
    ("points", "saved_ms", "verdict", "words"),
    [
        (BETTER, BETTER, "gain", "more accurate and faster"),
        (BETTER, SAME, "gain", "more accurate; no clear difference in latency"),
        (SAME, BETTER, "gain", "faster; no clear difference in accuracy"),
        (BETTER, WORSE, "trade", "more accurate and slower"),
        (WORSE, BETTER, "trade", "less accurate and faster"),
        (SAME, SAME, "no gain", "both differences are inside the noise"),
        (SAME, WORSE, "no gain", "slower; no clear difference in accuracy"),
        (WORSE, SAME, "no gain", "less accurate; no clear difference in latency"),
        (WORSE, WORSE, "no gain", "less accurate and slower"),
    ],
)
def test_a_gain_is_clearly_better_in_one_value_and_clearly_worse_in_none(
    points: tuple[float, float], saved_ms: tuple[float, float], verdict: str, words: str
) -> None:
    found = Gain(
        points=_between(*points),
        latency_ms=_between(-saved_ms[1], -saved_ms[0]),
        control_ms=20.0,
        guessed_among=None,
        caveat=None,
    )
    assert found.verdict == verdict
    assert f"against MobileNetV2: {verdict}, " in found.sentence()
    assert words in found.sentence()


def test_a_finalist_that_may_have_guessed_is_no_gain_however_fast() -> None:
    control = card(260, 0.5, control=True)  # of 500 images of two classes
    assert gain(card(280, 0.1), control).verdict == "gain"
    found = gain(card(260, 0.1), control)
    assert found.verdict == "no gain"
    assert "MobileNetV2: no gain, the finalist is no better than guessing among 2 classes" in found.sentence()


def test_an_interval_that_touches_zero_is_noise() -> None:
    assert not Difference(value=1, low=0, high=2).clear


def test_the_sentence_gives_both_values_with_intervals() -> None:
    sentence = gain(card(480, 0.45, half=0.003), card(480, 0.5, half=0.004, control=True)).sentence()
    assert "+0.0 points [-2.5, +2.5] and -0.050 ms [-0.055, -0.045] (-10 %) against MobileNetV2" in sentence


def test_other_epochs_than_the_controls_are_said() -> None:
    sentence = gain(card(480, 0.45, epochs=20), card(480, 0.5, control=True)).sentence()
    assert sentence.endswith("; the finalist learned for 20 epochs, the control for 10")


def test_accuracies_on_other_data_are_not_compared() -> None:
    control = replace(card(480, 0.5, control=True), fingerprint="2a2a")
    with pytest.raises(ValueError, match=r"1f0c and mobilenet-v2 on 2a2a"):
        gain(card(480, 0.45), control)


def _between(low: float, high: float) -> Difference:
    return Difference(value=(low + high) / 2, low=low, high=high)
