"""What each choice was worth: the effect of every option on accuracy or latency, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

FEWEST_TRIALS = 6
"""Below this nothing is said."""

NETWORKS_PER_EFFECT = 2
"""From this many networks for each effect on, all effects are fitted together: then the fit of the others
at most doubles the variance of each one."""

FALSE_DISCOVERIES = 0.05
"""Largest expected share of mere noise among the effects called clear."""

Params = Mapping[str, Any]
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one option did against the mean of its choice's other options."""

    choice: str
    option: str
    others: tuple[str, ...]
    """The options of the choice that it is held against: those tried."""
    networks: int
    """How many had this option."""
    value: float
    """In the unit of what was measured."""
    low: float
    high: float
    """`low` to `high` is a 95 % interval of this effect alone."""
    clear: bool
    """Whether it stands out when all options are looked at together; never where the interval holds 0."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """The effects of every option tried."""

    networks: int
    """How many the effects stand on."""
    adjusted: bool
    """Whether each effect is at equal other choices; where False, the other choices are part of its noise."""
    effects: tuple[Effect, ...]
    """Clear ones first, then by size; of a choice between two only the later option, since the other's effect
    is its negative. Empty below `FEWEST_TRIALS`."""


def worth(params: Sequence[Params], values: Sequence[float]) -> Worth:
    """What the options did to `values`, one value for each network's `params`.

    An option's effect is its mean less the mean of its choice's other options tried. With at least
    `NETWORKS_PER_EFFECT` networks for each effect, and options that do not always come together, all choices
    are fitted at once by least squares, and means are at equal other choices. With fewer there is no such
    fit, and each choice stands alone (a one-way analysis of variance): unbiased where the others were drawn at
    random, but a sampler that has learned draws them together. Intervals are Student's. Of the many options
    some stand out by chance; clear are those that remain after Benjamini and Hochberg (1995).

    Interactions are not modelled, nor that a choice of a block left out has no effect: both count as noise.
    """
    columns = _columns(params)
    if len(values) < FEWEST_TRIALS or not columns:
        return Worth(networks=len(values), adjusted=False, effects=())
    y = np.asarray(values, dtype=np.float64)  # [networks]
    x = np.array(
        [[chosen.get(name) == option for name, option in columns] for chosen in params], dtype=np.float64
    )  # [networks, options]
    names = np.array([name for name, _ in columns])
    effects_of_all = 1 + len(columns) - len(set(names))
    together = (
        len(values) >= NETWORKS_PER_EFFECT * effects_of_all
        and np.linalg.matrix_rank(np.hstack([np.ones((len(y), 1)), x])) == effects_of_all
    )
    if together:
        value, error, freedom = fit(x, y, contrasts(names))
    else:
        value, error, freedom = np.empty(len(names)), np.empty(len(names)), np.empty(len(names))
        for name in dict.fromkeys(names):
            own = names == name
            value[own], error[own], freedom[own] = fit(x[:, own], y, contrasts(names[own]))
    half = stdtrit(freedom, 0.975) * error
    clear = discoveries(_chances(value, error, freedom))
    found = [
        Effect(
            choice=name,
            option=str(option),
            others=tuple(str(other) for own, other in columns if own == name and other != option),
            networks=int(x[:, i].sum()),
            value=float(value[i]),
            low=float(value[i] - half[i]),
            high=float(value[i] + half[i]),
            clear=bool(clear[i]),
        )
        for i, (name, option) in enumerate(columns)
        if (names == name).sum() > 2 or (names[:i] == name).any()
    ]
    return Worth(
        networks=len(values),
        adjusted=together,
        effects=tuple(sorted(found, key=lambda effect: (not effect.clear, -abs(effect.value)))),
    )


def fit(x: Array, y: Array, contrast: Array) -> tuple[Array, Array, Array]:
    """The contrasts of the least-squares effects of `x` on `y`, their standard errors and degrees of freedom.

    `x` is [networks, options] of zeros and ones, `y` is [networks], `contrast` is [contrasts, options] with
    rows that sum to 0 within each choice; all three results are [contrasts].
    """
    design = np.hstack([np.ones((len(y), 1)), x])
    inverse = np.linalg.pinv(design)  # [1 + options, networks]
    residual = y - design @ (inverse @ y)
    freedom = len(y) - int(np.linalg.matrix_rank(design))
    weights = contrast @ inverse[1:]  # each contrast as a weighted sum of y
    sigma = np.sqrt(residual @ residual / freedom)
    error = sigma * np.sqrt((weights**2).sum(axis=1))
    return weights @ y, error, np.full(len(contrast), float(freedom))


def contrasts(names: Sequence[str] | NDArray[np.str_]) -> Array:
    """A row for each option: 1 for it, and −1/(k − 1) for each of the k − 1 others of its choice."""
    same = np.equal.outer(np.asarray(names), np.asarray(names)).astype(np.float64)
    others = same.sum(axis=1, keepdims=True) - 1
    return np.where(np.eye(len(names)) > 0, 1.0, -same / others)


def discoveries(chances: Array) -> NDArray[np.bool_]:
    """Which of the hypotheses with these p values are discoveries, of which `FALSE_DISCOVERIES` are noise.

    The step-up procedure of Benjamini and Hochberg (1995): all p values up to the largest k-th smallest one
    that is at most k/m times the share.
    """
    order = np.sort(chances)
    passed = order <= FALSE_DISCOVERIES * np.arange(1, len(order) + 1) / len(order)
    return chances <= (order[passed].max() if passed.any() else -1.0)


def _chances(value: Array, error: Array, freedom: Array) -> Array:
    """Two-sided p values of Student's test; 1 where nothing varied at all."""
    t = np.divide(np.abs(value), error, out=np.zeros_like(value), where=error > 0)
    t[(error == 0) & (value != 0)] = np.inf
    return np.asarray(2 * stdtr(freedom, -t))


def _columns(params: Sequence[Params]) -> list[tuple[str, Any]]:
    """Each choice with each option tried, of choices of which at least two were and two networks more."""
    tried: dict[str, dict[Any, None]] = {}
    for chosen in params:
        for name, option in chosen.items():
            tried.setdefault(name, {})[option] = None
    return [
        (name, option)
        for name, options in tried.items()
        if 1 < len(options) <= len(params) - 2
        for option in sorted(options, key=lambda option: (isinstance(option, str), option))
    ]
