"""Tests of reward.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.base.errors import RequestError
from mnasnet.study.reward import REWARDS, absolute, exponent, hard, soft

fractions = st.floats(min_value=0.01, max_value=1)
milliseconds = st.floats(min_value=0.01, max_value=1e4)


def test_twice_the_latency_is_worth_five_percent() -> None:
    assert exponent(worth=0.05) == pytest.approx(-math.log2(1.05)) == pytest.approx(-0.0704, abs=5e-5)
    reward = soft(75)
    assert reward(accuracy=0.5 * 1.05, latency_ms=160) == pytest.approx(
        reward(accuracy=0.5, latency_ms=80), rel=1e-3
    )


def test_published_a1_a2_and_a3_are_equally_good_at_75_ms() -> None:
    # Table 1: 75.2 % at 78 ms, 75.6 % at 84 ms, 76.7 % at 103 ms
    reward = soft(75)
    for top1, latency_ms in ((0.752, 78), (0.756, 84), (0.767, 103)):
        assert reward(accuracy=top1, latency_ms=latency_ms) == pytest.approx(0.750, abs=5e-4)


def test_figure_3_at_accuracy_one_half_and_80_ms() -> None:
    # mnasnet-facts, section 3
    for latency_ms, expected in ((20, 0.5), (80, 0.5), (100, 0.4), (160, 0.25)):
        assert hard(80)(accuracy=0.5, latency_ms=latency_ms) == pytest.approx(expected)
    for latency_ms, expected in ((20, 0.5510), (40, 0.5249), (80, 0.5), (100, 0.4923), (160, 0.4763)):
        assert soft(80)(accuracy=0.5, latency_ms=latency_ms) == pytest.approx(expected, abs=5e-5)


def test_the_absolute_reward_loses_the_same_on_both_sides_of_the_target() -> None:
    reward = absolute(80)
    assert reward(accuracy=0.5, latency_ms=80) == 0.5
    assert reward(accuracy=0.5, latency_ms=60) == reward(accuracy=0.5, latency_ms=100) == 0.5 - 0.07 * 0.25


@given(name=st.sampled_from(sorted(REWARDS)), accuracy=fractions, latency_ms=milliseconds)
def test_at_the_target_every_reward_is_the_accuracy(name: str, accuracy: float, latency_ms: float) -> None:
    assert REWARDS[name](latency_ms)(accuracy=accuracy, latency_ms=latency_ms) == accuracy


@given(name=st.sampled_from(sorted(REWARDS)), target=milliseconds, latency_ms=milliseconds)
def test_a_more_accurate_network_of_the_same_latency_is_better(
    name: str, target: float, latency_ms: float
) -> None:
    reward = REWARDS[name](target)
    assert reward(accuracy=0.6, latency_ms=latency_ms) > reward(accuracy=0.5, latency_ms=latency_ms)


@given(target=milliseconds, other=milliseconds, accuracy=fractions, latency_ms=milliseconds)
def test_to_the_soft_reward_a_target_is_but_a_factor(
    target: float, other: float, accuracy: float, latency_ms: float
) -> None:
    ratio = soft(target)(accuracy=accuracy, latency_ms=latency_ms) / soft(other)(
        accuracy=accuracy, latency_ms=latency_ms
    )
    assert ratio == pytest.approx((target / other) ** 0.07)


@pytest.mark.parametrize("target", [0, -3, math.nan, math.inf])
def test_a_target_that_is_no_time_is_refused(target: float) -> None:
    with pytest.raises(RequestError, match=f"^`target_ms` {target}: give"):
        soft(target)


def test_an_exponent_needs_a_slower_network() -> None:
    with pytest.raises(ValueError, match="above 1"):
        exponent(worth=0.05, times=1)
