"""What the samplers of this package have in common: they choose among listed options, and learn from a reward."""

import copy
import math
import operator
import threading
import zlib
from abc import abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

Reward = Callable[[Sequence[float]], float | None]
"""What the values of a finished trial are worth, higher is better; None when they have no worth of their own."""

Canonical = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Of all the choices of a trial those that matter, the same for all ways to choose the same thing: what changes
nothing is absent. Where trials of a study make different choices it is given those that all of them make."""

Known = Callable[[FrozenTrial], Sequence[float | None]]
"""What is known of a trial that was pruned: [objectives], None for one of which nothing is."""

DRAWS = 100
"""In which something that was never asked for is looked for."""

WALK = 10_000
"""Settings, one after the other from a random one, that are looked at after that: a tenth of a second for 28
choices on one core (`benchmarks/evidence.jsonl`, walk-time)."""

GAP = 10.0
"""Times the range of all better values that penalties are below them (`lowest_but_penalties`).

What penalties do with and without it is in `categorical_test.py`. Set by hand, as the next three are, and so high
that it touched no run of docs/samplers-tables.md that was made anew.
"""

LEAST_BETTER = 5
"""Values above such a gap, at least: fewer may be lucky ones."""

LEAST_SHARE_BETTER = 0.2
"""Of all values, that are above such a gap."""

TIE = 1e-6
"""Of the best value: what differs by no more is equal."""

TOO_LARGE = 1e100
"""What is as large, or as low, counts as no value: squares and their sums are no numbers from there on."""

PROPOSED = "samplers:proposed"
"""System attribute of a trial that ended before it had made all choices, written when who asked tells it: {choice:
option} that it would have made."""

Choices = Mapping[str, CategoricalDistribution]
"""By name, in the order in which they are made."""

Key = tuple[tuple[str, str], ...]
"""What tells one network from another."""


@dataclass(kw_only=True)
class Asked:
    """What a study was asked for, whatever became of it."""

    choices: Choices = field(default_factory=dict)
    keys: dict[int, Key] = field(default_factory=dict)
    """By the number of a finished trial with all of these choices."""

    def read(self, study: Study, choices: Choices, key: Callable[[Mapping[str, Any]], Key]) -> set[Key]:
        """The keys of all trials that have an option for each of `choices`; without choices there are none."""
        if not choices:
            return set()
        if self.choices != choices:
            self.choices, self.keys = dict(choices), {}
        running = set()
        for trial in study.get_trials(deepcopy=False):
            if trial.number in self.keys:
                continue
            trial = as_proposed(trial, choices)
            if made_all(trial, choices):
                found = key({name: trial.params[name] for name in choices})
                if trial.state.is_finished():
                    self.keys[trial.number] = found
                else:
                    running.add(found)
        return running.union(self.keys.values())


@dataclass(kw_only=True)
class Past:
    """What a sampler has read of one study."""

    finished: dict[int, FrozenTrial] = field(default_factory=dict)
    """COMPLETE and PRUNED trials that were read, by number."""
    choices: dict[str, CategoricalDistribution] | None = None
    """Those that all COMPLETE trials share, in the order of the first; None before any trial has finished.

    While none is COMPLETE those of the PRUNED one that made the most: they may be pruned before they made all.
    """
    first: int | None = None
    """The lowest number of a COMPLETE trial."""
    single: dict[str, Any] = field(default_factory=dict)
    """The options of those that have but one, which nobody chooses and `Canonical` may ask for."""
    asked: Asked = field(default_factory=Asked)
    proposed: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By number what trials were asked with that this process has not told yet."""

    def read(self, study: Study) -> list[FrozenTrial]:
        """The trials that have finished since the last time, in the order of their numbers."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        new = [trial for trial in trials if trial.number not in self.finished]
        for trial in new:
            self.finished[trial.number] = trial
            self.single |= {
                name: trial.params[name] for name, one in trial.distributions.items() if one.single()
            }
            mine = choices_of(trial)
            if trial.state == TrialState.PRUNED:
                if self.first is None and len(mine) > len(self.choices or {}):
                    self.choices = mine
            elif self.first is None or self.choices is None:
                self.choices, self.first = mine, trial.number
            else:
                shared = self.choices
                if trial.number < self.first:  # read later, as it finished later
                    shared, mine, self.first = mine, shared, trial.number
                self.choices = {name: choice for name, choice in shared.items() if mine.get(name) == choice}
        return new

    def whole(self) -> list[FrozenTrial]:
        """The finished trials that made all choices that `asked.read` was last called with, by number."""
        numbers = sorted(self.asked.keys.keys() & self.finished.keys())
        return [as_proposed(self.finished[number], self.asked.choices) for number in numbers]


def lowest_but_penalties(rewards: Sequence[float] | NDArray[np.float64]) -> float:
    """The worst of `rewards` that is no penalty; minus infinity where none can be told to be one.

    Penalties are what is below a gap `GAP` times as wide as the range of all above it, which are `LEAST_BETTER` and
    `LEAST_SHARE_BETTER` of all at least. Who learns from rewards takes them for worth nothing: as the numbers that
    they are, everything else would look alike.
    """
    ordered = np.sort(np.asarray(rewards))[::-1]
    above, below = ordered[:-1], ordered[1:]
    ranges = ordered[:1] - above
    is_gap = (ranges > TIE * np.abs(ordered[:1])) & (above - below > GAP * ranges)
    is_gap[: max(LEAST_BETTER, math.ceil(LEAST_SHARE_BETTER * len(ordered))) - 1] = False
    return float(above[is_gap.argmax()]) if is_gap.any() else -math.inf


def is_usable(value: float | None) -> bool:
    """Whether it is a number, and none that is `TOO_LARGE`."""
    return value is not None and abs(value) < TOO_LARGE  # not of NaN either


def choices_of(trial: FrozenTrial) -> dict[str, CategoricalDistribution]:
    """Those that a trial has made, of two options or more."""
    return {
        name: distribution
        for name, distribution in trial.distributions.items()
        if isinstance(distribution, CategoricalDistribution) and not distribution.single()
    }


def as_proposed(trial: FrozenTrial, choices: Choices) -> FrozenTrial:
    """The same trial, with those of `choices` that it was asked with and did not come to make."""
    missing = {
        name: option
        for name, option in trial.system_attrs.get(PROPOSED, {}).items()
        if name in choices and option in choices[name].choices
    }
    if not missing:
        return trial
    found = copy.copy(trial)
    found.params = trial.params | missing
    found.distributions = trial.distributions | {name: choices[name] for name in missing}
    return found


def made_all(trial: FrozenTrial, choices: Choices) -> bool:
    """Whether a trial has an option for each of `choices`."""
    return all(trial.distributions.get(name) == choice for name, choice in choices.items())


def options_of(trials: Sequence[FrozenTrial], choices: Choices) -> NDArray[np.int64]:
    """[trials, choices]: the number of the option that each has."""
    return np.array(
        [[int(one.to_internal_repr(trial.params[name])) for name, one in choices.items()] for trial in trials]
    )


def check_callable(name: str, value: object) -> None:
    """Nothing, where `value` can be called or is None.

    Raises:
        ValueError: it cannot; said here, since it would be called only once trials have been paid for.
    """
    if value is not None and not callable(value):
        raise ValueError(f"{name} must be a function or None, got {value!r}")


def check_whole(name: str, value: int, *, least: int) -> None:
    """Nothing, where `value` is a whole number of at least `least`.

    Raises:
        ValueError: it is not.
    """
    try:
        fits = operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


class CategoricalSampler(BaseSampler):
    """Asks for all choices of a trial jointly: those of two options or more that all COMPLETE trials share.

    As in Optuna's multivariate TPE. A PRUNED trial teaches as what it was asked with, also where it was pruned
    before it had made all of these; FAILed ones teach nothing: prune a trial whose choices do not work together.
    Before the first trial is COMPLETE or PRUNED, and for names that come and go, choices are drawn uniformly. Each
    draw is seeded from (seed, trial number), so that a new sampler with the same arguments, shown the same study,
    proposes the same next choices. Constraints (`trial.set_constraint`) are not read: give a reward that is None,
    or low, for what breaks them.
    """

    def __init__(
        self, seed: int = 0, reward: Reward | None = None, canonical: Canonical | None = None
    ) -> None:
        """Make a sampler that has read nothing yet.

        Args:
            seed: of every draw, not negative.
            reward: what the values of a finished trial are worth. Without it, a single objective is its own reward
                (negated when it is minimised).
            canonical: the choices that matter, of all the choices of a trial. Without it, all matter.

        Raises:
            ValueError: the seed is no whole number of at least 0, or one of the others no function.
        """
        check_whole("seed", seed, least=0)
        check_callable("reward", reward)
        check_callable("canonical", canonical)
        self._seed = seed
        self._reward = reward
        self._canonical = None if canonical is None else partial(_canonical, canonical)
        # The storage itself is in the key: every in-memory storage calls its first study 0.
        self._pasts: dict[tuple[Any, int], Any] = {}
        self._lock = threading.Lock()  # `Study.optimize(n_jobs=2)` asks from two threads

    def __getstate__(self) -> dict[str, Any]:
        """Pickle and copy the arguments only: the rest is in the study."""
        return {name: one for name, one in vars(self).items() if name not in ("_pasts", "_lock")}

    def __setstate__(self, arguments: Mapping[str, Any]) -> None:
        """As a new sampler with the same arguments."""
        vars(self).update(arguments, _pasts={}, _lock=threading.Lock())

    def new_past(self) -> Past:
        """What is read of a study, before anything is."""
        return Past()

    @abstractmethod
    def propose(self, study: Study, trial: FrozenTrial, choices: Choices) -> dict[str, Any]:
        """One option for each of `choices`, of which there may be none."""

    def reward_of(self, study: Study, trial: FrozenTrial) -> float | None:
        """What a finished trial is worth; None for one that was pruned or whose reward is not `is_usable`.

        Raises:
            ValueError: the reward is no number.
        """
        if trial.state != TrialState.COMPLETE:
            return None
        if self._reward is None:
            sign = -1 if study.directions[0] == StudyDirection.MINIMIZE else 1
            reward = sign * trial.values[0]
        else:
            given = self._reward(tuple(trial.values))
            if given is None:
                return None
            try:
                reward = float(given)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(
                    f"reward gave {given!r} for the values {trial.values} of trial {trial.number}: give a number, "
                    "or None where they are worth nothing"
                ) from error
        return reward if is_usable(reward) else None

    def that_matter(self, params: Mapping[str, Any], past: Past) -> Mapping[str, Any]:
        """Of `params`, which were proposed or may be, those that matter; all before it is known which there are."""
        if self._canonical is None or past.choices is None:
            return params
        return self._canonical({**past.single, **params})

    def key(self, params: Mapping[str, Any], past: Past) -> Key:
        """The same for two proposals exactly where the choices that matter are the same."""
        return tuple(
            sorted((name, _written(value)) for name, value in self.that_matter(params, past).items())
        )

    def asked(self, study: Study, choices: Choices) -> set[Key]:
        """The keys of all that the study was asked for, whatever became of it."""
        past: Past = self._past(study)
        # What is read before it is known which choices matter does not hold later.
        asked = Asked() if past.choices is None else past.asked
        return asked.read(study, choices, partial(self.key, past=past))

    def new_drawn(
        self,
        trial: FrozenTrial,
        choices: Choices,
        past: Past,
        asked: Container[Key],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """A uniform option of each choice, nothing that was `asked` before.

        Unless neither `DRAWS` draws nor a walk of `WALK` steps come across anything else.
        """
        settings = _drawn(choices, rng)
        if past.choices is None:
            # As `sample_independent` draws for a trial that cannot see the others yet.
            settings = chain(
                [{name: self._uniform(trial, name, one) for name, one in choices.items()}], settings
            )
        found: dict[str, Any] = {}
        for found in settings:
            if not choices or self.key(found, past) not in asked:
                break
        return found

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Refuse a study with several objectives and no reward.

        Raises:
            ValueError: it has several objectives, and there is no reward to make one number of them.
        """
        if self._reward is None and len(study.directions) > 1:
            raise ValueError(
                f"{type(self).__name__} learns from one number and study {study.study_name!r} has "
                f"{len(study.directions)} objectives: give it reward=..., a function of a trial's values"
            )

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the choices that are made jointly: before any trial has finished those that one has made."""
        with self._reading(study) as past:
            past.read(study)
            choices = past.choices
            if choices is None:
                every = study.get_trials(deepcopy=False)
                choices = choices_of(max(every, key=lambda one: len(one.distributions), default=trial))
            return dict(choices)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Choose."""
        choices = {name: self._categorical(name, one) for name, one in search_space.items()}
        with self._reading(study) as past:
            found = self.propose(study, trial, choices)
            past.proposed[trial.number] = found
            return found

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Write what the trial would have chosen, where it ended before that."""
        with self._reading(study) as past:
            proposed = past.proposed.pop(trial.number, {})
        proposed = proposed | trial.system_attrs.get("fixed_params", {})  # of an enqueued one
        missing = {name: option for name, option in proposed.items() if name not in trial.params}
        if missing and state != TrialState.COMPLETE:
            study._storage.set_trial_system_attr(trial._trial_id, PROPOSED, missing)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Choose uniformly, seeded from (seed, trial number, name): nothing is known about this choice yet.

        Raises:
            ValueError: a parameter that is not categorical.
        """
        return self._uniform(trial, param_name, self._categorical(param_name, param_distribution))

    def _uniform(self, trial: FrozenTrial, name: str, choice: CategoricalDistribution) -> Any:
        rng = np.random.default_rng([self._seed, trial.number, zlib.crc32(name.encode())])
        return choice.choices[rng.integers(len(choice.choices))]

    @contextmanager
    def _reading(self, study: Study) -> Iterator[Any]:
        """The past of a study, of one thread at a time.

        An error or a Ctrl-C on the way may leave it half changed; it is then read anew the next time.
        """
        with self._lock:
            try:
                yield self._past(study)
            except BaseException:
                self._pasts.pop((study._storage, study._study_id), None)
                raise

    def _past(self, study: Study) -> Any:
        key = (study._storage, study._study_id)
        if key not in self._pasts:
            self._pasts[key] = self.new_past()
        return self._pasts[key]

    def _categorical(self, name: str, distribution: BaseDistribution) -> CategoricalDistribution:
        if not isinstance(distribution, CategoricalDistribution):
            raise ValueError(
                f"{type(self).__name__} chooses among listed options, and parameter {name!r} has "
                f"{type(distribution).__name__}: give its values as a list, or use another sampler"
            )
        return distribution


def _canonical(canonical: Canonical, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it makes of a copy of `params`, which may be the storage's own.

    Raises:
        ValueError: a key is missing, most likely a choice that not all trials have made; or it is no mapping.
    """
    try:
        found = canonical(dict(params))
    except KeyError as error:
        raise ValueError(
            f"canonical has no {error} where a trial chose only {', '.join(params)}: "
            "let it do without, or prune a trial once it has made all choices"
        ) from error
    if not isinstance(found, Mapping):
        raise ValueError(f"canonical gave {found!r}: give the choices that matter, {{name: option}}")
    return found


def _written(option: Any) -> str:
    """The same for options that are equal: as Optuna records them, by the first one."""
    if isinstance(option, int | float):
        option = float(option) if option % 1 else int(option)
    return repr(option)


def _drawn(choices: Choices, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """`DRAWS` uniform settings, then `WALK` that follow one another from a uniform one, or all there are."""
    for _ in range(DRAWS):
        yield {name: one.choices[rng.integers(len(one.choices))] for name, one in choices.items()}
    starts = [rng.integers(len(one.choices)) for one in choices.values()]
    turned = [
        one.choices[start:] + one.choices[:start] for one, start in zip(choices.values(), starts, strict=True)
    ]
    for options in islice(product(*turned), WALK):
        yield dict(zip(choices, options, strict=True))
