"""The surrogate keeps the order of values, expects nothing infinite, and its improvement is the integral."""

from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from mnasnet.samplers.gaussian_process import Points
from mnasnet.samplers.surrogate import Fit, Logarithm, Model, log_expected_improvement


def test_where_a_reward_ends_nothing_infinite_is_expected() -> None:
    options = np.arange(4)[:, None]
    values = np.array([[1.0], [2.0], [3.0], [4.0]])
    points_of = partial(Points.of, choices=[(1, 2, 3, 4)])
    fit = Fit.to(points_of(options), values, ("choice",))
    model = Model.of(
        options, values, fit, lambda one: one[0] if one[0] <= 2.5 else -np.inf, points_of=points_of
    )
    worth, spread = model(options)
    assert np.isfinite(spread).all()
    assert np.isfinite(worth).tolist() == [True, True, False, False]


@pytest.mark.parametrize("logarithm", [Logarithm(origin=0.0, sign=1), Logarithm(origin=7.0, sign=-1)])
def test_logarithms_keep_the_order_of_values_and_give_them_back(logarithm: Logarithm) -> None:
    values = np.array([0.5, 1.0, 2.0, 6.5])
    modelled = logarithm(values)
    assert (np.diff(modelled) > 0).all()
    np.testing.assert_allclose(logarithm.inverse(modelled), values)
    assert logarithm.serves(values)
    assert not logarithm.serves(np.append(values, logarithm.origin))


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1.0, 0.5), (-2.0, 0.7), (-9.0, 1.0)])
def test_expected_improvement_is_the_integral(mean: float, spread: float) -> None:
    told = log_expected_improvement(np.array([mean]), np.array([spread]), 0.0)
    density = norm(loc=mean, scale=spread).pdf
    integral, _ = quad(lambda better: better * density(better), 0, 20, epsabs=0, limit=200)
    assert told[0] == pytest.approx(np.log(integral), abs=0.05)


def test_without_doubt_improvement_is_what_it_is() -> None:
    told = log_expected_improvement(np.array([3.0, 1.0, -np.inf]), np.array([0.0, 0.0, np.nan]), 2.0)
    assert told.tolist() == [0.0, -np.inf, -np.inf]
