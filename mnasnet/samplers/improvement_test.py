"""What is expected to be gained is what is gained in the mean, of reward and of the area before a front."""

from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mnasnet.measures.reward import hard
from mnasnet.samplers.gaussian_process import Floats, Points
from mnasnet.samplers.improvement import Front, HighestReward, log_expected_improvement, log_gains
from mnasnet.samplers.surrogate import Fit, Model

UP_AND_DOWN = Front(signs=np.array([1.0, -1.0]))
"""Accuracy and latency."""


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1.0, 0.5), (-2.0, 0.7), (-9.0, 1.0), (-31.0, 1.0)])
def test_expected_improvement_is_the_integral(mean: float, spread: float) -> None:
    told = log_expected_improvement(np.array([mean]), np.array([spread]), 0.0)
    density = norm(loc=mean, scale=spread).pdf
    integral, _ = quad(lambda better: better * density(better), 0, 5, epsabs=0, limit=200)
    assert told[0] == pytest.approx(np.log(integral), abs=0.004)


@pytest.mark.parametrize("faster", [0.3, 0.5, 0.7])
def test_what_a_kinked_reward_gains_is_the_mean_of_what_is_drawn(faster: float) -> None:
    options = np.array([[0, 0], [1, 0], [1, 1], [2, 1]])
    values = np.array([[60.0, 2.0], [62, 3], [65, 4.5], [66, 6]])
    points_of = partial(Points.of, choices=[(1, 2, 3), (1, 2, 3)])
    model = Model.of(options, values, Fit.to(points_of(options), values, ("a", "b")), points_of)
    new = np.array([[0, 1]])
    rng, columns = np.random.default_rng(0), []
    for process, logarithm in zip(model.processes, model.logarithms, strict=True):
        mean, spread = process(points_of(new))
        column = rng.normal(mean, spread, 20_000)
        columns.append(column if logarithm is None else logarithm.inverse(column))
    drawn = np.stack(columns, axis=1)
    target = float(np.quantile(drawn[:, 1], faster))  # so that this share of the draws keeps to it
    reward = hard(target)
    aim = HighestReward(reward=lambda one: reward(quality=one[0], latency_ms=one[1]))
    best = float(np.quantile(aim.order(drawn), 0.6))
    told = log_gains(model, new, aim.beyond(np.array([[best, target]])))
    assert np.exp(told[0]) == pytest.approx(np.maximum(aim.order(drawn) - best, 0).mean(), rel=0.25)


def test_without_doubt_improvement_is_what_it_is() -> None:
    told = log_expected_improvement(np.array([3.0, 1.0, -np.inf]), np.array([0.0, 0.0, np.nan]), 2.0)
    assert told.tolist() == [0.0, -np.inf, -np.inf]


def test_where_a_reward_ends_nothing_is_gained_and_nothing_is_infinite() -> None:
    aim = HighestReward(reward=lambda values: values[0] if values[1] <= 4 else None)
    values = np.array([[60.0, 3], [70, 5], [61, 4]])
    assert aim.order(values).tolist() == [60, -np.inf, 61]
    moved = values + np.array([1.0, 0])
    gains = np.exp(aim.beyond(np.array([[60.5, 3.5], [80, 9]]))(values, moved[None]))
    # E[max(0, normal(±0.5, 1))] = φ(0.5) ± 0.5 Φ(±0.5)
    assert gains == pytest.approx([0.19780, 0, 0.69780], abs=1e-5)


def test_where_nothing_is_worth_anything_any_worth_is_gained() -> None:
    aim = HighestReward(reward=lambda values: values[0] if values[1] <= 4 else None)
    values = np.array([[60.0, 3], [70, 5]])
    assert aim.beyond(np.array([[80.0, 9]]))(values, values[None]).tolist() == [0, -np.inf]


def area(points: Floats) -> float:
    """Before the front of (accuracy, latency) down to 48 % and 9.7 ms, counted on a grid of cells of 0.1 by 0.1."""
    accuracies, latencies = np.arange(48, 80, 0.1) + 0.05, np.arange(0, 9.7, 0.1) + 0.05
    covered = (points[:, 0, None, None] > accuracies[:, None]) & (points[:, 1, None, None] < latencies)
    return float(covered.any(axis=0).sum() * 0.01)


THERE = np.array([[50.0, 9], [60, 2], [65, 4], [64, 5], [70, 8]])
"""Their extent is 20 % and 7 ms, of which a tenth lies beyond them."""


def test_what_a_front_gains_is_the_area_before_it() -> None:
    new = np.array([[62.0, 3], [75, 9], [55, 1], [70, 3], [60, 2], [40, 1], [49, 1]])
    gains = np.exp(UP_AND_DOWN.beyond(THERE)(new, new[None]))
    grown = [area(np.vstack([THERE, one])) - area(THERE) for one in new]
    assert gains == pytest.approx(grown, abs=0.15)
    assert gains[-3:] == pytest.approx([0, 0, 1])  # 1 % more for the millisecond before the fastest


def test_what_a_front_gains_by_an_accuracy_that_is_not_sure_is_the_mean() -> None:
    new, spread = np.array([[64.0, 3]]), 3.0
    told = np.exp(UP_AND_DOWN.beyond(THERE)(new, new[None] + np.array([spread, 0])))
    drawn = 64 + spread * norm.ppf((np.arange(200) + 0.5) / 200)
    gains = [area(np.vstack([THERE, [[one, 3]]])) - area(THERE) for one in drawn]
    assert told[0] == pytest.approx(np.mean(gains), rel=0.02)


def test_networks_of_a_front_are_equally_good_and_others_by_how_many_are_better() -> None:
    values = np.array([[60.0, 2], [65, 4], [64, 5], [59, 5], [np.nan, 1]])
    assert UP_AND_DOWN.order(values).tolist() == [0, 0, -1, -3, -np.inf]
