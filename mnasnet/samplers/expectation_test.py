"""Tests of expectation.py."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, create_trial

from mnasnet.samplers import expectation
from mnasnet.samplers.expectation import LEAST, expected_values

LAYERS = [f"layer{number}" for number in range(5)]
OPTIONS = (0, 1, 2)
ALL = list(itertools.product(OPTIONS, repeat=len(LAYERS)))


def trial(options: Sequence[int], *values: float) -> FrozenTrial:
    return create_trial(
        values=values,
        params=dict(zip(LAYERS, options, strict=True)),
        distributions=dict.fromkeys(LAYERS, CategoricalDistribution(OPTIONS)),
    )


def accuracy(options: Sequence[int]) -> float:
    """What networks are worth: each layer something, and one pair of them more together."""
    return sum(options) + 0.5 * options[0] * options[1]


def tried(seed: int, *, count: int, noise: float) -> tuple[list[FrozenTrial], np.ndarray]:
    """Networks at random, and what they are worth without noise."""
    rng = np.random.default_rng(seed)
    some = [ALL[index] for index in rng.permutation(len(ALL))[:count]]
    truth = np.array([accuracy(options) for options in some])
    seen = truth + noise * rng.standard_normal(count)
    return [trial(options, one, 1.0) for options, one in zip(some, seen, strict=True)], truth


def test_the_network_that_is_expected_to_be_the_best_is_better_than_the_one_that_seemed_to_be() -> None:
    lost_as_seen, lost = [], []
    for seed in range(10):
        trials, truth = tried(seed, count=80, noise=1.5)
        expected = expected_values(trials)
        assert expected is not None
        lost_as_seen.append(truth.max() - truth[np.argmax([one.values[0] for one in trials])])
        lost.append(truth.max() - truth[expected.argmax()])
    assert np.mean(lost) < 0.5 * np.mean(lost_as_seen)


def test_without_noise_the_best_is_the_one_that_was_seen_to_be() -> None:
    trials, truth = tried(0, count=80, noise=0.0)
    expected = expected_values(trials)
    assert expected is not None
    assert expected.argmax() == truth.argmax()
    assert expected == pytest.approx(truth, abs=0.3)


def test_of_too_few_networks_nothing_is_expected() -> None:
    trials, _ = tried(0, count=LEAST, noise=1.0)
    assert expected_values(trials) is not None
    assert expected_values(trials[1:]) is None
    assert expected_values([]) is None


def test_of_networks_without_a_choice_in_common_nothing_is_expected() -> None:
    trials = [
        create_trial(
            value=float(number),
            params={f"only {number}": 0},
            distributions={f"only {number}": CategoricalDistribution(OPTIONS)},
        )
        for number in range(LEAST)
    ]
    assert expected_values(trials) is None


def test_networks_that_are_all_worth_the_same_are_expected_to_be() -> None:
    trials = [trial(options, 0.1, 1.0) for options in ALL[:LEAST]]
    assert expected_values(trials) == pytest.approx(np.full(LEAST, 0.1))


def test_of_more_networks_than_are_learnt_from_the_newest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectation, "MOST", 60)
    trials, truth = tried(0, count=200, noise=0.1)
    older = [trial(list(one.params.values()), -one.values[0], 1.0) for one in trials[:140]]
    expected = expected_values([*older, *trials[140:]])
    assert expected is not None
    assert np.corrcoef(expected, truth)[0, 1] > 0.9
