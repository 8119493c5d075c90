"""What is expected of networks that were trained: their values without the luck of a single training."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from mnasnet.samplers.categorical import options_of
from mnasnet.samplers.gaussian_process import Floats, Points
from mnasnet.samplers.surrogate import Fit, Model

LEAST = 20
"""Networks from which anything is expected: with fewer the best that was seen is the best guess."""
MOST = 1000
"""Newest networks that expectations are made from; their time grows with the third power."""


def expected_values(trials: Sequence[FrozenTrial]) -> Floats | None:
    """[trials]: what is expected of the first value of each; None where there is too little to learn from.

    The highest of many noisy values is mostly a lucky one. What is expected of a network lies between what was seen
    of it and what was seen of networks like it, the nearer to those the more noise a Gaussian process finds.

    `trials` are COMPLETE, of different networks, and from any sampler.
    """
    first = trials[0].distributions if trials else {}
    choices = {
        name: one
        for name, one in first.items()
        if isinstance(one, CategoricalDistribution)
        and not one.single()
        and all(trial.distributions.get(name) == one for trial in trials)
    }
    if len(trials) < LEAST or not choices:
        return None
    points_of = partial(Points.of, choices=[one.choices for one in choices.values()])
    options, values = options_of(trials, choices), np.array([trial.values[:1] for trial in trials])
    with threadpool_limits(1, user_api="blas"):  # as in `BayesianSampler`
        fit = Fit.to(points_of(options), values, tuple(choices))
        found: Floats = Model.of(options[-MOST:], values[-MOST:], fit, points_of)(options)[:, 0]
    return found
