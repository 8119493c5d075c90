"""RMSProp: its steps worked out by hand beside torch's own, and the learning rate from first step to last."""

from math import cos, pi, sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mnasnet.train.rmsprop import RMSpropTF, learning_rate_at

STEPS = st.integers(1, 5000)
PEAKS = st.floats(1e-6, 10)
WARMUPS = st.floats(0, 0.5)


def weight(value: float) -> Tensor:
    """One number to be learnt, in double precision."""
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def optimizer_of(parameter: Tensor, *, learning_rate: float, weight_decay: float = 0.0) -> RMSpropTF:
    group = {"params": [parameter], "weight_decay": weight_decay}
    return RMSpropTF([group], learning_rate=learning_rate)


def test_the_first_two_steps_are_tensorflows() -> None:
    w = weight(1.0)
    optimizer = optimizer_of(w, learning_rate=0.1)

    w.grad = torch.full_like(w, 2.0)
    optimizer.step()
    mean_square = 0.9 * 1 + 0.1 * 2.0**2  # it starts at 1
    momentum = 0.1 * 2.0 / sqrt(mean_square + 0.001)  # epsilon inside the root, the rate in the buffer
    assert w.item() == pytest.approx(1 - momentum, rel=1e-12)

    w.grad = torch.full_like(w, -1.0)
    (group,) = optimizer.param_groups
    group["lr"] = 0.05
    before = w.item()
    optimizer.step()
    mean_square = 0.9 * mean_square + 0.1 * (-1.0) ** 2
    momentum = 0.9 * momentum + 0.05 * -1.0 / sqrt(mean_square + 0.001)
    assert w.item() == pytest.approx(before - momentum, rel=1e-12)


def test_the_first_step_of_torchs_own_is_nearly_twice_as_long() -> None:
    ours, theirs = weight(1.0), weight(1.0)
    for w, optimizer in (
        (ours, optimizer_of(ours, learning_rate=0.1)),
        (theirs, torch.optim.RMSprop([theirs], lr=0.1, alpha=0.9, momentum=0.9, eps=0.001)),
    ):
        w.grad = torch.full_like(w, 2.0)
        optimizer.step()
    assert 1 - ours.item() == pytest.approx(0.1 * 2 / sqrt(0.9 * 1 + 0.1 * 4 + 0.001))  # 0.175
    assert 1 - theirs.item() == pytest.approx(0.1 * 2 / (sqrt(0.1 * 4) + 0.001))  # 0.316


def test_a_falling_rate_does_not_shrink_the_steps_already_gathered() -> None:
    w = weight(1.0)
    optimizer = optimizer_of(w, learning_rate=0.1)
    w.grad = torch.full_like(w, 2.0)
    optimizer.step()
    first = 1 - w.item()
    (group,) = optimizer.param_groups
    group["lr"] = 0.0
    optimizer.step()
    assert w.item() == pytest.approx(1 - first - 0.9 * first)


def test_weights_decay_only_where_it_is_asked_for() -> None:
    decaying, lasting = weight(3.0), weight(3.0)
    groups: list[dict[str, object]] = [
        {"params": [decaying], "weight_decay": 0.1},
        {"params": [lasting], "weight_decay": 0.0},
    ]
    optimizer = RMSpropTF(groups, learning_rate=0.5)
    for w in (decaying, lasting):
        w.grad = torch.zeros_like(w)
    optimizer.step()
    gradient = 0.1 * 3.0  # of the penalty 0.1 · w²/2
    assert decaying.item() == pytest.approx(3 - 0.5 * gradient / sqrt(0.9 + 0.1 * gradient**2 + 0.001))
    assert lasting.item() == 3.0


def test_what_has_no_gradient_stays() -> None:
    learnt, frozen = weight(1.0), weight(1.0)
    optimizer = RMSpropTF([{"params": [learnt, frozen], "weight_decay": 0.1}], learning_rate=0.1)
    learnt.grad = torch.ones_like(learnt)
    optimizer.step()
    assert learnt.item() < 1
    assert frozen.item() == 1


def test_twenty_steps_rise_for_two_and_then_fall_on_half_a_cosine() -> None:
    rates = [learning_rate_at(step, steps=20, peak=0.004, warmup=0.1) for step in range(20)]
    assert rates[:2] == [0.002, 0.004]
    assert rates[2] == pytest.approx(0.004 * (1 + cos(pi * 1 / 19)) / 2)
    assert rates[19] == pytest.approx(0.004 * (1 + cos(pi * 18 / 19)) / 2)
    assert rates[19] < 0.01 * 0.004


@given(STEPS, PEAKS, WARMUPS, st.data())
def test_the_rate_is_positive_and_never_above_its_peak(
    steps: int, peak: float, warmup: float, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < learning_rate_at(step, steps=steps, peak=peak, warmup=warmup) <= peak


@given(st.integers(1, 300), PEAKS, WARMUPS)
def test_the_rate_rises_to_its_peak_within_the_warm_up_and_falls_to_near_zero(
    steps: int, peak: float, warmup: float
) -> None:
    rates = [learning_rate_at(step, steps=steps, peak=peak, warmup=warmup) for step in range(steps)]
    top = rates.index(peak)
    assert top + 1 <= max(1, steps * warmup)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    falling = steps - top  # the last is ½(1 − cos x) of the peak at x = π/falling, and that is at most x²/4
    assert rates[-1] <= peak * (pi / falling) ** 2 / 4 or falling == 1
