"""Bayesian optimisation over lists of options, as an Optuna sampler that needs few trials."""

import dataclasses
import math
from collections.abc import Callable, Container, Sequence
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
    Cost,
    Key,
    Known,
    Past,
    Reward,
)
from mnasnet.samplers.gaussian_process import Floats, Options, Points
from mnasnet.samplers.surrogate import Fit, Model, Row, Worth, log_expected_improvement, rows_of

FIT = "bayesian:fitted"
"""System attribute of a trial, written when it is asked and the processes were fitted anew: a `Fit` as JSON."""

COSTS = "bayesian:costs"
"""System attribute of a trial, written when it is asked and costs were asked before: the names of the choices, and
of each network its options and its cost, null where that is not finite."""

INITIAL = 20
"""Trials drawn at random at first, and finished trials from which a process is fitted at all. Of 10, 20 and 40 the
best after 200 on one space, where the logarithms were still from 0 alone; on another all three found the best
(`benchmarks/samplers/tuned.json`)."""

# What follows was set by hand and has not been tuned.

GROWTH = 1.15
"""Fitted anew when so many times as many have finished."""
MOST = 1000
"""Finished trials that predictions are made from: half of them the best, half the newest."""
SEEN_STARTS, DRAWN_STARTS = 10, 5
"""Networks from which better ones are climbed to: the best so far, and random ones."""
ASKED_FIRST, ASKED_ROUNDS = 4, 2
"""Of how many networks the cost is asked before one is proposed, and how often, at most: of the most promising, and
again of those that are so after what was told."""
CLIMB = 10
"""Steps of a climb, at most."""
BALANCE = 0.05
"""Of the sum beside the largest term in a scalarisation (ParEGO's ρ, Knowles 2006)."""


@dataclass(kw_only=True)
class _Past(Past):
    """What the sampler has read of one study."""

    fit: Fit | None = None
    """The last one."""
    costs: dict[Row, float] | None = None
    """Of networks that were not tried when it was asked, by their options; None before they are read."""
    costs_of: tuple[str, ...] = ()
    """The choices that those are options of."""


class BayesianSampler(CategoricalSampler):
    """Asks for the network from which most improvement is expected, as Gaussian processes of the objectives see it.

    - **What is modelled.** Each objective by itself, by a logarithm where that makes what was seen more probable;
      what is maximised is the reward of what they predict. So the shape of a reward is known, kinks and all, and
      only accuracy and latency have to be learnt. Without a reward several objectives are reduced to one by random
      weights, others for each trial (ParEGO), which spreads trials along the front.
    - **What teaches.** COMPLETE trials; PRUNED ones what `known` says of them. PRUNED ones without it, and those
      that are worth nothing, count as the worst that was seen in each objective. Running ones count as what is
      expected of them, so that many can be asked ahead. Who chose a trial does not matter.
    - **What is known before.** Where `cost` tells the last objective without a trial, as a device tells the latency
      of a network that nobody has trained, it is asked of the most promising networks, and one is proposed that
      remains so. What they cost stays in the study.
    - **Nothing twice.** Nothing that was asked before is asked again, whatever became of it, while something else
      is easily found.
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
        cost: Cost | None = None,
    ) -> None:
        """As of `CategoricalSampler`, but several objectives need no reward, which is asked of expected values too.

        Args:
            initial: trials that are drawn at random before anything is predicted.
            known: of the trials that were pruned, such as the latency of networks too slow to be trained: without
                it large networks seem to be inaccurate ones. On Accel-NASBench's space, with those of more than
                twice the target pruned, 100 trials came to 65.00 ± 0.02 points of reward with it and to 64.75 ±
                0.04 without (24 seeds).
            cost: tells the last objective of choices without a trial, such as latency; not finite where it cannot.
                It is asked of the most promising networks before one is proposed. On Accel-NASBench's space, with
                the hard reward, 100 trials came 0.39 ± 0.15 points further with it (10 seeds); with the soft one,
                where a network that is faster than expected is less accurate too, no further.

        Raises:
            ValueError: a negative seed, or `initial` is less than 1.
        """
        super().__init__(seed, reward, canonical)
        if initial < 1:
            raise ValueError(f"initial must be at least 1, got {initial}")
        self._initial = initial
        self._known = known
        self._cost = cost

    def __reduce__(self) -> tuple[Callable[[], "BayesianSampler"], tuple[()]]:
        """Pickle and copy the arguments only: the rest is in the study."""
        arguments = self._seed, self._reward, self._canonical, self._initial, self._known, self._cost
        return partial(BayesianSampler, *arguments), ()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Nothing: several objectives are served with a reward and without one."""

    def new_past(self) -> _Past:
        """As of `CategoricalSampler`."""
        return _Past()

    def propose(self, study: Study, trial: FrozenTrial, choices: Choices) -> dict[str, Any]:
        """The network of the most expected improvement; at random until there is something to learn from."""
        past: _Past = self._past(study)
        asked = self.asked(study, choices)
        rng = np.random.default_rng([self._seed, trial.number])
        finished = [past.finished[number] for number in sorted(past.finished)]
        values = self._values(study, finished) if choices and len(finished) >= self._initial else None
        if values is None:
            return self.new_drawn(choices, past, asked, rng)
        worth = self._worth(study, values, rng)

        def most_promising() -> list[Row]:
            model = self._model(study, trial, past, finished, values, worth, choices)
            return self._best(model, choices, past, asked, rng)

        # On a busy machine the threads of these small products wait for each other: three times as long on two
        # cores.
        with threadpool_limits(1, user_api="blas"):
            best = most_promising()
            for _ in range(ASKED_ROUNDS if self._cost is not None else 0):
                if not best or best[0] in self._costs(study, past, choices):
                    break
                self._ask_costs(study, trial, past, best, choices)
                best = most_promising()
        return _params(best[0], choices) if best else self.new_drawn(choices, past, asked, rng)

    def _model(
        self,
        study: Study,
        trial: FrozenTrial,
        past: _Past,
        finished: Sequence[FrozenTrial],
        values: Floats,
        worth: Worth,
        choices: Choices,
    ) -> Model:
        """What is expected after all that `finished` with these `values`, what is known of costs, and what runs."""
        options = _options(finished, choices)
        points_of = partial(Points.of, choices=[one.choices for one in choices.values()])
        fit = self._fit(study, trial, past, points_of(options), values, choices)
        kept = _kept([worth(one) for one in values])
        costs = None if self._cost is None else self._costs(study, past, choices)
        model = Model.of(options[kept], values[kept], fit, worth, points_of, costs)
        running = [
            one
            for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            if one.number != trial.number and all(name in one.params for name in choices)
        ]
        return model.expecting(_options(running, choices)) if running else model

    def _costs(self, study: Study, past: _Past, choices: Choices) -> dict[Row, float]:
        """Those of networks of these choices that were asked so far."""
        if past.costs is None or past.costs_of != tuple(choices):
            kept = [one.system_attrs.get(COSTS) for one in study.get_trials(deepcopy=False)]
            past.costs_of = tuple(choices)
            past.costs = {
                tuple(row): math.inf if cost is None else cost
                for one in kept
                if one is not None and one["choices"] == list(choices)
                for *row, cost in one["costs"]
            }
        return past.costs

    def _ask_costs(
        self, study: Study, trial: FrozenTrial, past: _Past, rows: Sequence[Row], choices: Choices
    ) -> None:
        """Of those of which it is not known yet; they stay in `trial`."""
        assert self._cost is not None
        costs = self._costs(study, past, choices)
        new = [row for row in rows if row not in costs]
        for row in new:
            costs[row] = self._cost({**past.single, **_params(row, choices)})
        kept = study._storage.get_trial_system_attrs(trial._trial_id).get(COSTS, {"costs": []})["costs"]
        kept += [[*row, costs[row] if math.isfinite(costs[row]) else None] for row in new]
        study._storage.set_trial_system_attr(
            trial._trial_id, COSTS, {"choices": list(choices), "costs": kept}
        )

    def _values(self, study: Study, finished: Sequence[FrozenTrial]) -> Floats | None:
        """[trials, objectives]; None where all trials are worth nothing.

        Of a trial that was pruned what is known of it, and else NaN; the worst of all where nobody says what is
        known, and where a trial is worth nothing.
        """
        known = [
            self.reward_of(study, trial) is not None and all(map(math.isfinite, trial.values))
            for trial in finished
        ]
        if not any(known):
            return None
        values = np.array([trial.values for trial, is_known in zip(finished, known, strict=True) if is_known])
        best_is_high = np.array([direction == StudyDirection.MAXIMIZE for direction in study.directions])
        worst = np.where(best_is_high, values.min(axis=0), values.max(axis=0))
        found = np.tile(worst, (len(finished), 1))
        found[np.array(known)] = values
        if self._known is not None:
            for row, trial in zip(found, finished, strict=True):
                if trial.state == TrialState.PRUNED:
                    row[:] = [math.nan if value is None else value for value in self._known(trial)]
        return found

    def _worth(self, study: Study, values: Floats, rng: np.random.Generator) -> Worth:
        """The reward; without one the objective, or random weights of several."""
        if self._reward is not None:
            reward = self._reward
            return lambda one: _finite(reward(one))
        signs = np.array([-1.0 if one == StudyDirection.MINIMIZE else 1.0 for one in study.directions])
        if len(signs) == 1:
            return lambda one: float(signs[0] * one[0])
        # Random weights of how far each objective is from its best, in units of the extent of the front.
        gains = signs * values[~np.isnan(values).any(axis=1)]
        best = gains.max(axis=0)
        extent = best - gains[_front(gains)].min(axis=0)
        weights = rng.dirichlet(np.ones(len(signs))) / np.where(extent > 0, extent, 1.0)

        def worth(one: Sequence[float]) -> float:
            short = weights * (best - signs * one)
            return -float(short.max() + BALANCE * short.sum())

        return worth

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
        self, model: Model, choices: Choices, past: Past, asked: Container[Key], rng: np.random.Generator
    ) -> list[Row]:
        """Of all that climbs to more expected improvement came across the best ones that were not asked before."""
        counts = [len(one.choices) for one in choices.values()]
        worths, _ = model(model.options)
        target = worths.max()
        best_seen = model.options[np.argsort(-worths, kind="stable")[:SEEN_STARTS]]
        random_ones = np.stack([rng.integers(count, size=DRAWN_STARTS) for count in counts], axis=1)
        at = np.unique(np.concatenate([best_seen, random_ones]), axis=0)
        score = log_expected_improvement(*model(at), target)
        scores: dict[Row, float] = {}
        for _ in range(CLIMB):
            near = _neighbours(at, counts)  # [networks, neighbours, choices]
            flat = near.reshape(-1, len(counts))
            flat_scores = log_expected_improvement(*model(flat), target)
            scores.update(zip(rows_of(flat), flat_scores.tolist(), strict=True))
            near_scores = flat_scores.reshape(near.shape[:2])
            step = near_scores.argmax(axis=1)
            higher = near_scores.max(axis=1) > score
            if not higher.any():
                break
            at, score = near[higher, step[higher]], near_scores.max(axis=1)[higher]
        best: list[Row] = []
        for row in sorted(scores, key=scores.__getitem__, reverse=True):
            if scores[row] == -math.inf or len(best) == ASKED_FIRST:
                break
            if self.key(_params(row, choices), past) not in asked:
                best.append(row)
        return best


def _params(row: Row, choices: Choices) -> dict[str, Any]:
    return {name: one.choices[option] for (name, one), option in zip(choices.items(), row, strict=True)}


def _finite(reward: float | None) -> float:
    return reward if reward is not None and math.isfinite(reward) else -math.inf


def _options(trials: Sequence[FrozenTrial], choices: Choices) -> Options:
    """[trials, choices]: the number of the option that each has."""
    return np.array(
        [[int(one.to_internal_repr(trial.params[name])) for name, one in choices.items()] for trial in trials]
    )


def _kept(worths: Sequence[float]) -> NDArray[np.int64]:
    """Which trials predictions are made from."""
    count = len(worths)
    if count <= MOST:
        return np.arange(count)
    best = np.argsort(-np.array(worths), kind="stable")[: MOST // 2]
    rest = np.setdiff1d(np.arange(count), best)
    return np.sort(np.concatenate([best, rest[-(MOST - len(best)) :]]))


def _front(gains: Floats) -> NDArray[np.bool_]:
    """Which rows no other row is better than in one column and as good in all."""
    at_least = (gains[:, None, :] >= gains[None, :, :]).all(axis=2)
    beaten = np.any(at_least & ~at_least.T, axis=0)
    found: NDArray[np.bool_] = np.logical_not(beaten)
    return found


def _neighbours(at: Options, counts: Sequence[int]) -> Options:
    """[networks, neighbours, choices]: each network with one choice changed, in all ways."""
    found = []
    for choice, count in enumerate(counts):
        for shift in range(1, count):
            near = at.copy()
            near[:, choice] = (near[:, choice] + shift) % count
            found.append(near)
    return np.stack(found, axis=1)
