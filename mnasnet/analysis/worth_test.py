"""Tests of worth.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from mnasnet.analysis.conftest import SPACE
from mnasnet.analysis.worth import Array, Effect, Worth, contrasts, discoveries, fit, worth


def drawn(networks: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Choices of so many networks of the paper's space, drawn at random."""
    return [
        {name: d.choices[rng.integers(len(d.choices))] for name, d in SPACE.distributions.items()}
        for _ in range(networks)
    ]


def found(measured: Worth) -> dict[tuple[str, str], Effect]:
    """The effects by choice and option."""
    return {(effect.choice, effect.option): effect for effect in measured.effects}


def test_an_effect_is_the_mean_less_the_mean_of_the_other_options() -> None:
    params = [{"kernel": k} for k in (3, 3, 3, 5, 5, 5)]
    (effect,) = worth(params, [1, 2, 3, 5, 6, 7]).effects  # means 2 and 6
    assert (effect.choice, effect.option, effect.others, effect.networks) == ("kernel", "5", ("3",), 3)
    assert effect.value == pytest.approx(4)
    # Student's two-sample interval: pooled variance (2 + 2) / 4, times 1/3 + 1/3, 4 degrees of freedom
    half = stdtrit(4, 0.975) * np.sqrt(1 * (1 / 3 + 1 / 3))
    assert (effect.low, effect.high) == pytest.approx((4 - half, 4 + half))


def test_of_three_options_each_is_held_against_the_mean_of_the_other_two() -> None:
    params = [{"filters": f} for f in (0.75, 0.75, 1.0, 1.0, 1.25, 1.25)]
    effects = found(worth(params, [0, 2, 3, 5, 9, 11]))  # means 1, 4 and 10
    assert effects["filters", "0.75"].value == pytest.approx(1 - (4 + 10) / 2)
    assert effects["filters", "1.0"].value == pytest.approx(4 - (1 + 10) / 2)
    assert effects["filters", "1.25"].value == pytest.approx(10 - (1 + 4) / 2)


def test_with_enough_networks_an_effect_is_at_equal_other_choices() -> None:
    # op goes with kernel in 6 of 8 networks; only op does anything, and alone kernel would look good too.
    ops = ["mb", "mb", "mb", "sep", "sep", "sep", "mb", "sep"]
    kernels = [5, 5, 5, 3, 3, 3, 3, 5]
    params = [{"op": op, "kernel": kernel} for op, kernel in zip(ops, kernels, strict=True)]
    measured = worth(params, [10.0 if op == "mb" else 0.0 for op in ops])
    assert measured.adjusted
    effects = found(measured)
    assert effects["kernel", "5"].value == pytest.approx(0, abs=1e-9)
    assert effects["op", "sep"].value == pytest.approx(-10)


def test_choices_that_always_come_together_are_not_told_apart() -> None:
    params = [{"op": op, "kernel": kernel} for op, kernel in [("mb", 5), ("sep", 3)] * 6]
    measured = worth(params, [1, 0, 1.1, 0.1] * 3)
    assert not measured.adjusted
    assert found(measured)["kernel", "5"].value == pytest.approx(1)


@pytest.mark.parametrize("networks", [60, 240])
def test_planted_effects_are_found_and_noise_is_not(networks: int) -> None:
    rng = np.random.default_rng(0)
    params = drawn(networks, rng)
    planted = [5.0 * (chosen["block1.op"] == "conv") for chosen in params]
    measured = worth(params, list(planted + rng.normal(0, 1, networks)))
    assert measured.adjusted == (networks == 240)
    effects = found(measured)
    conv = effects["block1.op", "conv"]
    assert conv.clear
    assert conv.low < 5 < conv.high
    assert measured.effects[0] is conv
    assert {effect.choice for effect in measured.effects if effect.clear} == {"block1.op"}


@pytest.mark.parametrize("networks", [12, 60, 200])
def test_an_interval_holds_the_truth_95_times_in_100(networks: int) -> None:
    rng = np.random.default_rng(1)
    held: list[bool] = []
    clear: list[bool] = []
    for _ in range(20):
        effects = worth(drawn(networks, rng), list(rng.normal(0, 1, networks))).effects
        held += [effect.low <= 0 <= effect.high for effect in effects]
        clear += [effect.clear for effect in effects]
    # 20 × about 100 effects: a binomial standard deviation of half a per cent, more as they hang together
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)
    assert np.mean(clear) < 0.002


def test_with_too_few_networks_nothing_is_said() -> None:
    assert worth([{"op": "mb"}] * 2 + [{"op": "sep"}] * 3, [1, 2, 3, 4, 5]).effects == ()
    assert worth([], []).networks == 0


def test_a_choice_of_which_one_option_was_tried_is_left_out() -> None:
    params = [{"op": "mb", "kernel": k} for k in (3, 3, 3, 5, 5, 5)]
    assert [effect.choice for effect in worth(params, [1, 2, 3, 4, 5, 6]).effects] == ["kernel"]


def test_where_nothing_varies_nothing_stands_out() -> None:
    params = [{"op": op} for op in ("mb", "sep")] * 4
    (effect,) = worth(params, [50.0] * 8).effects
    assert effect.value == pytest.approx(0)
    assert not effect.clear


@given(values=st.lists(st.floats(-10, 10), min_size=6, max_size=12), shift=st.floats(-100, 100))
def test_a_constant_added_to_every_value_changes_no_effect(values: list[float], shift: float) -> None:
    x = np.eye(3)[np.arange(len(values)) % 3]  # [networks, options]
    y: Array = np.array(values)
    contrast = contrasts(["op"] * 3)
    for one, other in zip(fit(x, y, contrast), fit(x, y + shift, contrast), strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_the_example_of_benjamini_and_hochberg() -> None:
    # Benjamini and Hochberg 1995, section 3.2: of 15 p values the four smallest are discoveries.
    small = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    large = [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    chances = np.array([*small, *large])
    assert discoveries(chances).tolist() == [True] * 4 + [False] * 11
