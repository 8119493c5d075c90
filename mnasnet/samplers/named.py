"""Samplers by name, as a search takes them: the paper's PPO, others of ours, and Optuna's as controls."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnasnet.base.errors import RequestError
from mnasnet.samplers.categorical import Canonical, Known, Reward, check_whole
from mnasnet.samplers.evolution import EvolutionSampler


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The arguments of `sampler_named`, of which each sampler takes what it can use."""

    seed: int
    reward: Reward | None
    canonical: Canonical | None
    known: Known | None
    batch: int | None


Maker = Callable[[Wanted], BaseSampler]


class SeededPerTrial(BaseSampler):
    """Another sampler, made anew for each trial and seeded from (seed, trial number).

    Optuna's samplers keep their generator in memory: one that is made again on resume repeats the study from
    its start (random) or leaves its path (TPE, NSGA-II). What else they know they read from the study, so a
    fresh one per trial proposes the same next choices whether or not the process was stopped.

    Of constraints (`trial.set_constraint`) TPE ranks a trial that breaks one below all others, pruned ones too;
    NSGA-II breeds from COMPLETE trials only, so a pruned one is merely absent.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        """Delegate to `make(seed_of_the_trial)`; `seed` is not negative."""
        check_whole("seed", seed, least=0)
        self._make = make
        self._seed = seed
        # A trial's choices may be asked for one by one, so its sampler lives until it is told.
        self._samplers: dict[tuple[Any, int], BaseSampler] = {}

    def _sampler_of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        key = (study._storage, trial._trial_id)
        if key not in self._samplers:
            state = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)
            self._samplers[key] = self._make(int(state[0]))
        return self._samplers[key]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Delegate to the trial's own sampler."""
        self._sampler_of(study, trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Delegate to the trial's own sampler."""
        return self._sampler_of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Delegate to the trial's own sampler."""
        return self._sampler_of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Delegate to the trial's own sampler."""
        sampler = self._sampler_of(study, trial)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Delegate to the trial's own sampler, and let it go."""
        self._sampler_of(study, trial).after_trial(study, trial, state, values)
        del self._samplers[(study._storage, trial._trial_id)]


def _ppo(wanted: Wanted) -> BaseSampler:
    from mnasnet.samplers.ppo import PPOSampler, PPOSettings  # torch: only for those who ask for it

    settings = PPOSettings() if wanted.batch is None else PPOSettings(batch=wanted.batch)
    return PPOSampler(wanted.seed, wanted.reward, wanted.canonical, settings)


def _evolution(wanted: Wanted) -> BaseSampler:
    return EvolutionSampler(wanted.seed, wanted.reward, wanted.canonical)


def _bayesian(wanted: Wanted) -> BaseSampler:
    from mnasnet.samplers.bayesian import BayesianSampler  # scipy: only for those who ask for it

    return BayesianSampler(wanted.seed, wanted.reward, wanted.canonical, known=wanted.known)


def _of_optuna(kind: type[BaseSampler]) -> Maker:
    return lambda wanted: SeededPerTrial(partial(_seeded, kind), wanted.seed)


def _seeded(kind: type[BaseSampler], seed: int) -> BaseSampler:
    return kind(seed=seed)  # type: ignore[call-arg]


SAMPLERS: dict[str, Maker] = {
    "ppo": _ppo,
    "bayesian": _bayesian,
    "evolution": _evolution,
    "random": _of_optuna(RandomSampler),
    "tpe": _of_optuna(TPESampler),
    "nsga2": _of_optuna(NSGAIISampler),
}


def sampler_named(
    name: str,
    *,
    seed: int,
    reward: Reward | None = None,
    canonical: Canonical | None = None,
    known: Known | None = None,
    batch: int | None = None,
) -> BaseSampler:
    """Return a new sampler, the same after a resume as before it.

    Args:
        name: one of `SAMPLERS`.
        seed: not negative; the draws of a trial come from it and the trial's number.
        reward: what the values of a finished trial are worth, for those that optimise it and not the front (ppo,
            bayesian, evolution).
        canonical: the choices that matter, for those that can leave out the others (the same).
        known: what is known of a trial that was pruned, for those that learn from it (bayesian).
        batch: finished trials per update of the controller (ppo); None for its default.

    Raises:
        RequestError: no sampler has that name.
        ValueError: a negative seed.
    """
    check_sampler(name)
    wanted = Wanted(seed=seed, reward=reward, canonical=canonical, known=known, batch=batch)
    return SAMPLERS[name](wanted)


def check_sampler(name: str) -> None:
    """Nothing, where a sampler has that name.

    Raises:
        RequestError: none has; with the nearest name or all of them.
    """
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name.lower(), SAMPLERS, n=1)
        nearest = f"the nearest is {near[0]!r}, of" if near else "give one of"
        raise RequestError(f"{nearest} {', '.join(SAMPLERS)}", field="sampler", value=name)
