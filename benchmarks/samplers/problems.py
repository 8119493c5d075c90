"""What the samplers are compared on: tables and surrogates of networks that others trained."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from surrogates import CHOICES, load

from mnasnet.measures.reward import REWARDS, hard, soft

NOISE_POINTS = 0.18
"""Standard deviation of the accuracy that a sampler sees. As of two trainings that differ by 0.20 points in the
mean: |a - b| of two normal values has the mean 2σ/√π. Ten networks are in the table twice
(`benchmarks/evidence.jsonl`, accel-noise)."""
ACCEL_TARGETS_MS = (4.0, 8.0)
"""For how many of the table's networks: `benchmarks/evidence.jsonl`, accel-targets."""
MACRO_TARGET = 60e6
"""Multiply-adds, fewer than those of the most accurate network (`benchmarks/evidence.jsonl`, macro-target)."""
ACCEL_REFERENCE = (42.85, 23.58)
"""The worst accuracy and the worst latency of the table's networks."""

AHEAD = 32
"""As when so many workers run."""

Params = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Networks to choose from, and what they are worth."""

    name: str
    family: str
    """Where the networks are from: macro or accel."""
    choices: Mapping[str, CategoricalDistribution]
    values: Callable[[Params], tuple[float, float]]
    """Accuracy in per cent and latency, without noise."""
    seen: Callable[[Params, np.random.Generator], tuple[float, float]]
    """The same as a sampler is told it."""
    reward: Callable[[Sequence[float]], float] | None
    """Of these two; None where the front is wanted."""
    reference: tuple[float, float]
    """Accuracy and latency beyond which a front is worth nothing."""
    canonical: Callable[[Params], Params] = dict
    """The same for choices that are the same network."""
    target: float | None = None
    """Latency that the reward aims at."""
    limit: float | None = None
    """Latency above which the reward falls so steeply that it is as good as forbidden: the target of a hard one."""
    best: float | None = None
    """The highest reward without noise, where it can be known."""
    noisy: bool = True
    """Whether what is seen is not the truth: then the best that was seen need not be the best that was found."""
    ahead: int = 1
    """Trials that run at a time."""


@cache
def problems(macro: Path) -> dict[str, Problem]:
    """All of them by name; `macro` is nas-bench-macro_cifar10.json."""
    found = [*_macro(macro), *_accel()]
    return {one.name: one for one in found}


def _macro(path: Path) -> list[Problem]:
    rows = json.loads(path.read_text())
    choices = {f"layer{i}": CategoricalDistribution(("0", "1", "2")) for i in range(8)}

    def row(params: Params) -> Mapping[str, Any]:
        found: Mapping[str, Any] = rows["".join(params[name] for name in choices)]
        return found

    def canonical(params: Params) -> Params:
        # "0" is no layer at all where shapes stay, and which of two neighbours it is makes no difference there: the
        # table's rows of such networks are one and the same, 3,969 of the 6,561 are different.
        found = dict(params)
        for one, next_one in (("layer3", "layer4"), ("layer6", "layer7")):
            if found[one] == "0":
                found[one], found[next_one] = found[next_one], "0"
        return found

    def values(params: Params) -> tuple[float, float]:
        return row(params)["mean_acc"], row(params)["flops"]

    def one_run(params: Params, rng: np.random.Generator) -> tuple[float, float]:
        return row(params)["test_acc"][rng.integers(3)], row(params)["flops"]

    reference = min(one["mean_acc"] for one in rows.values()), max(one["flops"] for one in rows.values())

    def make(name: str, reward: Callable[[Sequence[float]], float] | None, *, noisy: bool = True) -> Problem:
        best = None
        if reward is not None:
            every = (dict(zip(choices, digits, strict=True)) for digits in itertools.product("012", repeat=8))
            best = max(reward(values(params)) for params in every)
        return Problem(
            name=name,
            family="macro",
            choices=choices,
            values=values,
            seen=one_run if noisy else lambda params, rng: values(params),
            reward=reward,
            reference=reference,
            canonical=canonical,
            best=best,
            noisy=noisy,
        )

    return [
        make("macro accuracy", lambda values: values[0], noisy=False),
        make("macro accuracy, one run seen", lambda values: values[0]),
        make("macro soft", _rewarded(soft, MACRO_TARGET)),
        replace(make("macro hard", _rewarded(hard, MACRO_TARGET)), limit=MACRO_TARGET),
        make("macro front", None),
    ]


def _accel() -> list[Problem]:
    trees = load()
    choices = {name: CategoricalDistribution(options) for name, options in CHOICES.items()}

    def values(params: Params) -> tuple[float, float]:
        row = np.array([[params[name] for name in choices]], dtype=float)
        return float(trees["top1"](row)[0]), float(np.exp(trees["log_latency"](row)[0]))

    def seen(params: Params, rng: np.random.Generator) -> tuple[float, float]:
        accuracy, latency_ms = values(params)
        return accuracy + NOISE_POINTS * rng.standard_normal(), latency_ms

    front = Problem(
        name="accel front",
        family="accel",
        choices=choices,
        values=values,
        seen=seen,
        reward=None,
        reference=ACCEL_REFERENCE,
    )
    rewarded = [
        replace(
            front,
            name=f"accel {kind} {target:g} ms",
            reward=_rewarded(reward, target),
            target=target,
            limit=target if reward is hard else None,
        )
        for kind, reward in REWARDS.items()
        # With α = β the soft reward takes the target as a factor, and is one problem for all targets.
        for target in (ACCEL_TARGETS_MS[:1] if reward is soft else ACCEL_TARGETS_MS)
    ]
    ahead = replace(rewarded[0], name=f"{rewarded[0].name}, {AHEAD} ahead", ahead=AHEAD)
    return [*rewarded, ahead, front]


def _rewarded(make: Callable[[float], Any], target: float) -> Callable[[Sequence[float]], float]:
    """In points; TuNAS's absolute reward wants the accuracy as a fraction, and the others take it either way."""
    reward = make(target)
    return lambda values: 100 * reward(quality=values[0] / 100, latency_ms=values[1])
