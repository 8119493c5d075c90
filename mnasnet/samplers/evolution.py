"""Regularized evolution (Real et al., 2019, arXiv 1802.01548) as an Optuna sampler; it asks for nothing twice."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnasnet.samplers.categorical import Canonical, CategoricalSampler, Choices, Past, Reward, check_whole

POPULATION = 50
"""The youngest so many are alive. Real et al. have 100 and 25 for 20,000 networks, of which few searches have even
a thousand; these two were halved and more for that. What others come to is in the
settings of docs/samplers-tables.md."""
TOURNAMENT = 10
"""Of the living, so many are drawn, and the best of them is the parent."""
ATTEMPTS = 100
"""Mutations of mutations that are tried before a network is drawn at random, where all near ones are known."""


class EvolutionSampler(CategoricalSampler):
    """Each trial is the best of some of the youngest with one choice changed.

    The first trials are drawn at random until as many have finished as are alive at a time. A trial is as old as
    its number says. A tournament is drawn without replacement. PRUNED trials and those without a reward are alive,
    and lose to all others. Nothing that was asked before is asked again, whatever became of it, while there is
    something else, all trials make the same choices and one thread asks: a child that is known is changed once
    more. The study is all state.
    """

    def __init__(
        self,
        seed: int = 0,
        reward: Reward | None = None,
        canonical: Canonical | None = None,
        population: int = POPULATION,
        tournament: int = TOURNAMENT,
    ) -> None:
        """As of `CategoricalSampler`.

        Args:
            population: trials that are alive, and drawn at random at first.
            tournament: of which the best is a parent.

        Raises:
            ValueError: as of `CategoricalSampler`, or population or tournament is no whole number of at least 1.
        """
        super().__init__(seed, reward, canonical)
        check_whole("population", population, least=1)
        check_whole("tournament", tournament, least=1)
        self._population, self._tournament = population, tournament

    def propose(self, study: Study, trial: FrozenTrial, choices: Choices) -> dict[str, Any]:
        """A mutation of the best of a tournament; at first, and where nothing near is new, at random."""
        past: Past = self._past(study)
        asked = self.asked(study, choices)
        rng = np.random.default_rng([self._seed, trial.number])
        finished = past.whole()
        if not choices or len(finished) < self._population:
            return self.new_drawn(trial, choices, past, asked, rng)
        alive = {trial.number: trial for trial in finished[-self._population :]}
        entered = rng.choice(list(alive), size=min(self._tournament, len(alive)), replace=False)
        rewards = {number: self.reward_of(study, alive[number]) for number in map(int, entered)}
        best = max(rewards, key=lambda number: (rewards[number] is not None, rewards[number] or 0.0, number))
        params = {name: alive[best].params[name] for name in choices}
        for _ in range(ATTEMPTS):
            params = self._mutated(params, choices, past, rng)
            if self.key(params, past) not in asked:
                return params
        return self.new_drawn(trial, choices, past, asked, rng)

    def _mutated(
        self, params: Mapping[str, Any], choices: Choices, past: Past, rng: np.random.Generator
    ) -> dict[str, Any]:
        """One choice that matters has another option."""
        kept = self.that_matter(params, past)
        names = [name for name in choices if name in kept] or list(choices)
        name = names[rng.integers(len(names))]
        options, mine = choices[name].choices, choices[name].to_internal_repr(params[name])
        others = [option for index, option in enumerate(options) if index != mine]
        return {**params, name: others[rng.integers(len(others))]}
