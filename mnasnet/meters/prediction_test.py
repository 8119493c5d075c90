"""Tests of predictions from measured networks."""

import random

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.fakes.roofline import truth_ms
from mnasnet.meters.prediction import Predictor, choose_informative, fit_predictor
from mnasnet.space.extremes import random_network
from mnasnet.space.hierarchical import mnasnet_space

SPACE = mnasnet_space(image_size=32, classes=10, width=0.5)


def drawn(count: int, *, seed: int) -> list[Architecture]:
    generator = random.Random(seed)
    return [random_network(SPACE, generator) for _ in range(count)]


@pytest.fixture(scope="module")
def measured() -> list[Architecture]:
    return drawn(60, seed=0)


@pytest.fixture(scope="module")
def predictor(measured: list[Architecture]) -> Predictor:
    return fit_predictor(measured, [truth_ms(one) for one in measured])


def test_networks_never_seen_are_told_from_sixty(predictor: Predictor) -> None:
    networks = drawn(100, seed=1)
    told, spread = predictor(networks)
    off = np.log(told / [truth_ms(one) for one in networks])
    assert np.mean(np.abs(off) < 0.1) >= 0.9
    assert np.mean(np.abs(off) < 1.96 * spread) >= 0.85


def test_twice_the_latency_everywhere_is_twice_the_prediction(
    predictor: Predictor, measured: list[Architecture]
) -> None:
    twice = fit_predictor(measured, [2 * truth_ms(one) for one in measured])
    networks = drawn(5, seed=1)
    assert twice(networks)[0] == pytest.approx(2 * predictor(networks)[0], rel=1e-3)


def test_less_is_known_of_what_is_unlike_all_measured(predictor: Predictor) -> None:
    (near,) = drawn(1, seed=1)
    (wide,) = (one.scaled(4.0) for one in [near])
    (_, (near_spread, wide_spread)) = predictor([near, wide])
    assert wide_spread > near_spread


def test_a_network_left_out_is_predicted_from_the_others(
    predictor: Predictor, measured: list[Architecture]
) -> None:
    latencies = [truth_ms(one) for one in measured]
    off, spread = predictor.left_out()
    # The covariance scales what is not additive by the spread over all networks measured: nearly, not exactly.
    without = Predictor(measured[1:], latencies[1:], predictor.parameters)
    (told,), (known,) = without(measured[:1])
    assert np.log(latencies[0] / told) == pytest.approx(off[0], abs=0.01)
    assert known / predictor.parameters.stretch == pytest.approx(spread[0], rel=0.05)


def test_the_next_networks_leave_less_unknown_than_any(
    predictor: Predictor, measured: list[Architecture]
) -> None:
    pool = drawn(200, seed=2)
    best = choose_informative(predictor, pool, 10)
    assert len({one.digest() for one in best}) == 10

    def unknown(chosen: list[Architecture]) -> float:
        # Only what is measured where decides what is left unknown, not what comes out.
        networks = [*measured, *chosen]
        told = Predictor(networks, [truth_ms(one) for one in networks], predictor.parameters)
        return float(np.trace(told.unknown(pool)))

    assert unknown(best) < unknown(pool[:10])
