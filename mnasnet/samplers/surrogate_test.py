"""The surrogate keeps the order of values, and its cases are those of what it expects."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from mnasnet.samplers.gaussian_process import Floats, Options, Points
from mnasnet.samplers.surrogate import Fit, Logarithm, Model

OPTIONS: Options = np.array([[0, 0], [1, 0], [2, 1], [0, 1], [1, 2], [2, 2]])


def model_of(values: Floats) -> Model:
    points_of = partial(Points.of, choices=[(1, 2, 3), (1, 2, 3)])
    return Model.of(OPTIONS, values, Fit.to(points_of(OPTIONS), values, ("a", "b")), points_of)


@pytest.mark.parametrize("logarithm", [Logarithm(origin=0.0, sign=1), Logarithm(origin=7.0, sign=-1)])
def test_logarithms_keep_the_order_of_values_and_give_them_back(logarithm: Logarithm) -> None:
    values = np.array([0.5, 1.0, 2.0, 6.5])
    modelled = logarithm(values)
    assert (np.diff(modelled) > 0).all()
    np.testing.assert_allclose(logarithm.inverse(modelled), values)
    assert logarithm.serves(values)
    assert not logarithm.serves(np.append(values, logarithm.origin))


def test_cases_differ_in_the_last_objective_and_the_others_move_in_each() -> None:
    model = model_of(np.array([[60.0, 2], [62, 3], [66, 5], [61, 3], [64, 6], [67, 9]]))
    cases = list(model.cases(OPTIONS))
    latencies = np.stack([values[:, 1] for values, _ in cases])
    assert (np.diff(latencies, axis=0) > 0).all()
    assert latencies[2] == pytest.approx(model(OPTIONS)[:, 1])
    mean, spread = model.processes[1](model.points_of(OPTIONS))
    _, logarithm = model.logarithms
    modelled = latencies if logarithm is None else logarithm(latencies)
    assert norm.cdf(modelled, mean, spread) == pytest.approx(
        np.repeat([[0.1], [0.3], [0.5], [0.7], [0.9]], 6, axis=1)
    )
    for values, moved in cases:
        assert values[:, 0] == pytest.approx(model(OPTIONS)[:, 0])
        assert len(moved) == 1
        assert (moved[0, :, 0] > values[:, 0]).all()
        assert moved[0, :, 1] == pytest.approx(values[:, 1])


def test_a_single_objective_moves_itself_in_the_only_case() -> None:
    ((values, moved),) = model_of(np.arange(6.0)[:, None]).cases(OPTIONS)
    assert values.shape == (6, 1)
    assert (moved[0] > values).all()
