"""What is expected of networks that were trained, from all trainings together: less luck than in a single one."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from optuna.trial import FrozenTrial
from threadpoolctl import threadpool_limits

from mnasnet.samplers.categorical import choices_of, made_all, options_of
from mnasnet.samplers.gaussian_process import Floats, Points
from mnasnet.samplers.surrogate import Fit, Model

LEAST = 50
"""Networks from which anything is expected. Of 10, 20 and 30 networks the one of the highest expected reward was no
better than the one of the highest that was seen; of 50 it was, but for one of three rewards
(`benchmarks/evidence.jsonl`, expected-from-50). What it does after 100 and more is in docs/samplers-tables.md."""
MOST = 3000
"""Newest networks that expectations are made from: their time grows with the third power, and their memory with the
second. An older one is judged by what was seen of these, not by its own value. Set by hand."""


def expected_values(trials: Sequence[FrozenTrial]) -> Floats | None:
    """[trials]: what is expected of the first value of each; None where there is too little to learn from.

    The highest of many noisy values is flattered by luck. Expected is the mean of a Gaussian process that has seen
    all of them: it lies between what was seen of a network and what was seen of networks like it, the nearer to
    those the more noise there seems to be. Where there is none it is a little worse than the values themselves
    (`benchmarks/evidence.jsonl`, expected-without-noise).

    `trials` are COMPLETE, of different networks, and from any sampler.
    """
    if len(trials) < LEAST:
        return None
    choices = {
        name: one
        for name, one in choices_of(trials[0]).items()
        if all(made_all(t, {name: one}) for t in trials)
    }
    if not choices:
        return None
    points_of = partial(Points.of, choices=[one.choices for one in choices.values()])
    options, values = options_of(trials, choices), np.array([trial.values[:1] for trial in trials])
    with threadpool_limits(1, user_api="blas"):  # as in `BayesianSampler`
        fit = Fit.to(points_of(options), values, tuple(choices))
        found: Floats = Model.of(options[-MOST:], values[-MOST:], fit, points_of)(options)[:, 0]
    return found
