"""Bayesian optimisation over lists of options, as an Optuna sampler that needs few trials."""

import dataclasses
import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from mnasnet.samplers.categorical import (
    Canonical,
    CategoricalSampler,
    Choices,
    Key,
    Known,
    Past,
    Reward,
    check_callable,
    check_whole,
    is_usable,
    lowest_but_penalties,
    made_all,
    options_of,
)
from mnasnet.samplers.gaussian_process import Floats, Options, Points
from mnasnet.samplers.improvement import Aim, Front, HighestReward, log_gains
from mnasnet.samplers.surrogate import Fit, Model, columns_of

FIT = "bayesian:fitted"
"""System attribute of a trial, written when it is asked and the processes were fitted anew: a `Fit` as JSON."""

INITIAL = 20
"""Trials drawn at random at first, and finished trials from which a process is fitted at all. Of 10, 20 and 40 the
best after 200, by no more than the error of that (`benchmarks/evidence.jsonl`, bayesian-initial)."""

# What follows was set by hand and has not been tuned.

GROWTH = 1.15
"""Fitted anew when so many times as many have finished."""
MOST = 500
"""Finished trials that predictions are made from: half of them the best, half the newest. Runs with
1,000 take more than twice as long, and one of three finds a better network
(`benchmarks/evidence.jsonl`, bayesian-most)."""
SEEN_STARTS, DRAWN_STARTS = 10, 5
"""Networks from which better ones are climbed to: the best so far, and random ones."""
CLIMB = 10
"""Steps of a climb, at most."""


@dataclass(kw_only=True)
class _Past(Past):
    """What the sampler has read of one study."""

    fit: Fit | None = None
    """The last one."""


class BayesianSampler(CategoricalSampler):
    """Asks for the network from which most improvement is expected, as Gaussian processes of the objectives see it.

    - **What is modelled.** Each objective by itself, by a logarithm where that makes what was seen more probable.
      The expected gain of reward is maximised; so the shape of a reward is known, also a kink in the last
      objective, which should be the latency, and only accuracy and latency have to be learnt. Of two objectives
      without a reward it is the expected gain of hypervolume.
    - **What teaches.** COMPLETE trials; PRUNED ones what `known` says of them. PRUNED ones without it, and those
      that are worth nothing, count as the worst that was seen in each objective, and so do penalties
      (`GAP`). FAILed trials teach nothing; what is `TOO_LARGE` counts as no value. Running ones count as what is
      expected of them, so that many can be asked ahead. Who chose a trial does not matter.
    - **Nothing twice.** Nothing that was asked before is asked again, whatever became of it, while there is
      something else, all trials make the same choices and one thread asks. When all has been asked it draws at
      random.
    - **The study is all state.** Hyperparameters are kept in the trial that was asked with them.

    Jones et al. (1998) for expected improvement; `gaussian_process.py` for the model.
    """

    def __init__(
        self,
        seed: int = 0,
        reward: Reward | None = None,
        canonical: Canonical | None = None,
        initial: int = INITIAL,
        known: Known | None = None,
    ) -> None:
        """As of `CategoricalSampler`, but two objectives need no reward.

        Args:
            reward: is asked of expected values too, also of some that no network can have, such as a latency of 0
                or less. It may say None of those, or raise an ArithmeticError or a ValueError.
            initial: until so many have finished, trials are drawn at random.
            known: of the trials that were pruned, such as the latency of networks too slow to be trained: without
                it large networks seem to be inaccurate ones. It is worth a quarter of a point of reward
                (`benchmarks/evidence.jsonl`, bayesian-known).

        Raises:
            ValueError: as of `CategoricalSampler`, or `initial` is no whole number of at least 1, or `known` no
                function.
        """
        super().__init__(seed, reward, canonical)
        check_whole("initial", initial, least=1)
        check_callable("known", known)
        self._initial = initial
        self._known = known

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As of Optuna's samplers.

        Raises:
            ValueError: more than two objectives, and no reward to make one of them.
        """
        if self._reward is None and len(study.directions) > 2:
            raise ValueError(
                f"the study has {len(study.directions)} objectives: without a reward of their values a "
                f"{type(self).__name__} serves one or two"
            )

    def new_past(self) -> _Past:
        """As of `CategoricalSampler`."""
        return _Past()

    def propose(self, study: Study, trial: FrozenTrial, choices: Choices) -> dict[str, Any]:
        """The network of the most expected improvement; at random until there is something to learn from."""
        past: _Past = self._past(study)
        asked = self.asked(study, choices)
        rng = np.random.default_rng([self._seed, trial.number])
        finished = past.whole()
        if not choices or len(finished) < self._initial:
            return self.new_drawn(trial, choices, past, asked, rng)
        values = self._values(study, finished)
        told = np.array([known.any() for _, known in columns_of(values)])
        values = values[:, told]
        if not told.any() or np.isnan(values).any(axis=1).all():
            return self.new_drawn(trial, choices, past, asked, rng)
        # On a busy machine the threads of these small products wait for each other: three times as long on two
        # cores (`benchmarks/evidence.jsonl`, blas-threads).
        with threadpool_limits(1, user_api="blas"):
            options = options_of(finished, choices)
            aim = self._aim(study, told)
            points_of = partial(Points.of, choices=[one.choices for one in choices.values()])
            fit = self._fit(study, trial, past, points_of(options), values, choices)
            kept = _kept(values, aim)
            model = Model.of(options[kept], values[kept], fit, points_of)
            # A network that was pruned is not there, whatever is expected of it.
            there = options[kept][~np.isnan(values[kept]).any(axis=1)]
            running = [
                one
                for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
                if one.number != trial.number and made_all(one, choices)
            ]
            if running:
                expected = options_of(running, choices)
                model, there = model.expecting(expected), np.concatenate([there, expected])
            found = self._best(model, aim, there, choices, past, asked, rng)
        return self.new_drawn(trial, choices, past, asked, rng) if found is None else found

    def _values(self, study: Study, finished: Sequence[FrozenTrial]) -> Floats:
        """[trials, objectives]

        Of a trial that was pruned what is known of it, and else NaN; the worst of all where nobody says what is
        known, and where a trial is worth nothing or has a penalty; NaN where none is worth anything. Whether it is
        a penalty the reward says (`GAP`), since a slow network may be a good one; of a front all objectives.

        Raises:
            ValueError: `known` does not give one value an objective.
        """
        signs = _signs(study)
        worth = {
            index: (reward, trial.values)
            for index, trial in enumerate(finished)
            if (reward := self.reward_of(study, trial)) is not None and all(map(is_usable, trial.values))
        }
        found = np.full((len(finished), len(signs)), math.nan)
        if worth:
            values = np.array([one for _, one in worth.values()])
            is_front = self._reward is None and len(signs) > 1
            rewards = signs * values if is_front else np.array([[reward] for reward, _ in worth.values()])
            better = (rewards >= [lowest_but_penalties(column) for column in rewards.T]).any(axis=1)
            found[:] = signs * (signs * values[better]).min(axis=0)
            found[np.array(list(worth))[better]] = values[better]
        if self._known is not None:
            for row, trial in zip(found, finished, strict=True):
                if trial.state == TrialState.PRUNED:
                    known = self._known(trial)
                    if np.shape(known) != row.shape:  # type: ignore[arg-type]
                        raise ValueError(
                            f"known gave {known!r} for trial {trial.number}: give one value for each of the "
                            f"{len(row)} objectives, None for what is not known"
                        )
                    row[:] = [value if is_usable(value) else math.nan for value in known]
        return found

    def _aim(self, study: Study, told: NDArray[np.bool_]) -> Aim:
        """With the objectives of which anything is `told`.

        Where that is not all of them no trial has been worth anything, and the best in the others are wanted: of
        networks that were all too slow to be trained, faster ones.
        """
        if self._reward is not None and told.all():
            return HighestReward(reward=self._reward)
        signs = _signs(study)[told]
        if len(signs) == 2:
            return Front(signs=signs)
        return HighestReward(reward=lambda values: signs[0] * values[0])

    def _fit(
        self,
        study: Study,
        trial: FrozenTrial,
        past: _Past,
        points: Points,
        values: Floats,
        choices: Choices,
    ) -> Fit:
        """The last fit, or a new one when much more has finished since; it stays in `trial`."""
        if past.fit is None:
            kept = [
                one.system_attrs[FIT] for one in study.get_trials(deepcopy=False) if FIT in one.system_attrs
            ]
            past.fit = Fit.from_json(kept[-1]) if kept else None
        last = past.fit
        if last is None or not last.serves(values, tuple(choices)) or len(points) >= GROWTH * last.finished:
            past.fit = last = Fit.to(points, values, tuple(choices))
            study._storage.set_trial_system_attr(trial._trial_id, FIT, dataclasses.asdict(last))
        return last

    def _best(
        self,
        model: Model,
        aim: Aim,
        there: Options,
        choices: Choices,
        past: Past,
        asked: Container[Key],
        rng: np.random.Generator,
    ) -> dict[str, Any] | None:
        """What was not asked before of all that climbs to more expected improvement came across."""
        counts = [len(one.choices) for one in choices.values()]
        names = list(choices)

        def params(row: Options) -> dict[str, Any]:
            return {name: choices[name].choices[option] for name, option in zip(names, row, strict=True)}

        expected = model(there)
        improvement = aim.beyond(expected)
        # Of a front, whose networks are all equally good, some at random.
        order = np.lexsort((rng.random(len(expected)), -aim.order(expected)))
        best_seen = there[order[:SEEN_STARTS]]
        random_ones = np.stack([rng.integers(count, size=DRAWN_STARTS) for count in counts], axis=1)
        at = np.unique(np.concatenate([best_seen, random_ones]), axis=0)
        score = log_gains(model, at, improvement)
        found, found_score = None, -math.inf
        for _ in range(CLIMB):
            near = _neighbours(at, counts)  # [networks, neighbours, choices]
            flat = near.reshape(-1, len(names))
            near_scores = log_gains(model, flat, improvement).reshape(near.shape[:2])
            for index in np.argsort(-near_scores.ravel(), kind="stable"):
                if near_scores.flat[index] <= found_score:
                    break
                candidate = params(flat[index])
                if self.key(candidate, past) not in asked:
                    found, found_score = candidate, near_scores.flat[index]
                    break
            step = near_scores.argmax(axis=1)
            higher = near_scores.max(axis=1) > score
            if not higher.any():
                break
            at, score = near[higher, step[higher]], near_scores.max(axis=1)[higher]
        return found


def _signs(study: Study) -> Floats:
    """[objectives]: 1 for what is to be high, -1 for what is to be low."""
    return np.array([-1.0 if one == StudyDirection.MINIMIZE else 1.0 for one in study.directions])


def _kept(values: Floats, aim: Aim) -> NDArray[np.int64]:
    """Which trials predictions are made from."""
    count = len(values)
    if count <= MOST:
        return np.arange(count)
    best = np.argsort(-aim.order(values), kind="stable")[: MOST // 2]
    rest = np.setdiff1d(np.arange(count), best)
    return np.sort(np.concatenate([best, rest[-(MOST - len(best)) :]]))


def _neighbours(at: Options, counts: Sequence[int]) -> Options:
    """[networks, neighbours, choices]: each network with one choice changed, in all ways."""
    found = []
    for choice, count in enumerate(counts):
        for shift in range(1, count):
            near = at.copy()
            near[:, choice] = (near[:, choice] + shift) % count
            found.append(near)
    return np.stack(found, axis=1)
