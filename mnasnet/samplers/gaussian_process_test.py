"""A Gaussian process over options tells what was seen, and is sure where it has seen something."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mnasnet.samplers.gaussian_process import (
    LINEAR,
    NOISE,
    Floats,
    GaussianProcess,
    Options,
    Points,
    _loss,
    _prior,
    fitted,
)


def drawn(count: int, *, choices: int = 5, options: int = 3, seed: int = 0) -> Options:
    return np.random.default_rng(seed).integers(options, size=(count, choices))


def points(options: Options) -> Points:
    """Of choices among three options that are no numbers."""
    return Points.of(options, [("a", "b", "c")] * options.shape[1])


def outcomes_of(options: Options) -> Floats:
    """The first choice decides most, the last ones nothing; two of them interact."""
    found: Floats = 3.0 * options[:, 0] + options[:, 1] * (options[:, 2] == 1)
    return found


def standard(outcomes: Floats) -> Floats:
    found: Floats = (outcomes - outcomes.mean()) / outcomes.std()
    return found


def process(options: Options, outcomes: Floats) -> GaussianProcess:
    hyperparameters, _ = fitted(points(options), standard(outcomes))
    return GaussianProcess.of(points(options), outcomes, hyperparameters)


def test_it_tells_networks_that_it_has_not_seen() -> None:
    seen, others = drawn(60), drawn(200, seed=1)
    told, spread = process(seen, outcomes_of(seen))(points(others))
    off = told - outcomes_of(others)
    assert np.sqrt((off**2).mean()) < 0.15 * outcomes_of(others).std()
    assert (np.abs(off) <= 3 * spread + 0.1).mean() > 0.9


def test_it_is_sure_of_what_it_has_seen_and_not_of_what_is_far_from_it() -> None:
    seen = np.zeros((1, 4), dtype=np.int64)
    hyperparameters = np.array([-9.0, 0.0, 0.0, *[np.log(0.5)] * 4])
    one = GaussianProcess.of(points(seen), np.array([7.0]), hyperparameters)
    near, far = np.array([[0, 0, 0, 1]]), np.array([[1, 1, 1, 1]])
    spreads = [float(one(points(options))[1][0]) for options in (seen, near, far)]
    assert spreads[0] < 0.05
    assert spreads[0] < spreads[1] < spreads[2]
    assert one(points(seen))[0][0] == pytest.approx(7.0)


def test_two_networks_that_differ_in_one_choice_of_two_have_half_of_the_linear_term_in_common() -> None:
    # a ≈ 0, b = 1, both θ = 1, almost no noise: k(x, x') = 1 - 1/2, so the mean of x' is half of what x was.
    hyperparameters = np.array([-20.0, -20.0, 0.0, 0.0, 0.0])
    one = GaussianProcess.of(points(np.array([[0, 0], [1, 1]])), np.array([1.0, -1.0]), hyperparameters)
    means, _ = one(points(np.array([[0, 0], [0, 1], [1, 1]])))
    assert means == pytest.approx([1.0, 0.0, -1.0], abs=1e-6)


def test_numbers_lie_on_a_line_in_their_order_and_other_options_are_all_equally_far_apart() -> None:
    # Layers 1, 2 and 4, listed out of order; and three names.
    three = Points.of(np.array([[0, 0], [1, 1], [2, 2]]), [(4, 1, 2), ("x", "y", "z")])
    apart = np.abs(three.columns[:, None] - three.columns)
    by_choice = np.stack([apart[:, :, three.choice == choice].sum(axis=2) for choice in (0, 1)])
    assert by_choice[0] == pytest.approx(np.array([[0, 1, 0.5], [1, 0, 0.5], [0.5, 0.5, 0]]))
    assert by_choice[1] == pytest.approx(1 - np.eye(3))


def test_what_grows_with_a_number_is_told_better_where_it_is_known_to_be_one() -> None:
    seen, others = drawn(15, choices=8), drawn(200, choices=8, seed=1)
    off = []
    for options in ((1, 2, 3), ("1", "2", "3")):
        choices = [options] * 8
        outcomes = seen.sum(axis=1).astype(float)
        hyperparameters, _ = fitted(Points.of(seen, choices), standard(outcomes))
        one = GaussianProcess.of(Points.of(seen, choices), outcomes, hyperparameters)
        off.append(float(np.abs(one(Points.of(others, choices))[0] - others.sum(axis=1)).mean()))
    assert off[0] < 0.7 * off[1]


def test_choices_that_decide_nothing_have_the_least_weight() -> None:
    seen = drawn(60)
    hyperparameters, _ = fitted(points(seen), standard(outcomes_of(seen)))
    assert set(hyperparameters[LINEAR + 1 :].argsort()[:2].tolist()) == {3, 4}


def test_noise_is_found() -> None:
    seen = drawn(120)
    quiet = outcomes_of(seen)
    noisy = quiet + np.random.default_rng(2).standard_normal(120) * quiet.std()
    first, _ = fitted(points(seen), standard(quiet))
    second, _ = fitted(points(seen), standard(noisy))
    assert second[NOISE] > first[NOISE] + 2


def test_the_gradient_is_that_of_the_loss() -> None:
    seen = drawn(20)
    apart = np.stack([(column[:, None] != column).ravel() for column in seen.T]).astype(float)
    middle, width = _prior(5)
    given = (apart, standard(outcomes_of(seen)), middle, width)
    at = middle + np.random.default_rng(0).normal(size=len(middle)) * 0.3
    numeric = approx_fprime(at, lambda p: _loss(p, *given)[0], 1e-6)
    assert _loss(at, *given)[1] == pytest.approx(numeric, abs=1e-3)


def test_what_turns_out_as_expected_changes_no_expectation_and_makes_it_surer() -> None:
    seen, running, others = drawn(20), drawn(4, seed=3), drawn(50, seed=1)
    one = process(seen, outcomes_of(seen))
    expected = one.expected(points(running))
    assert (expected == one(points(running))[0]).all()
    further = one.expecting(points(running))
    means, spreads = one(points(others))
    further_means, further_spreads = further(points(others))
    assert further_means == pytest.approx(means)
    assert (further_spreads <= spreads + 1e-9).all()
    # The same as having been told just that.
    told = np.concatenate([outcomes_of(seen), expected])
    again = GaussianProcess.of(points(np.concatenate([seen, running])), told, one.hyperparameters)
    scale = again.spread / one.spread
    assert further_spreads * scale == pytest.approx(again(points(others))[1], rel=1e-6)


def test_nothing_is_fitted_to_nothing() -> None:
    with pytest.raises(ValueError, match="at least one network"):
        fitted(points(drawn(0)), np.zeros(0))
