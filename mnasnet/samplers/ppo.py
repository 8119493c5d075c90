"""PPO: the paper's controller as an Optuna sampler, for anybody's study over categorical choices."""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnasnet.samplers.categorical import (
    Canonical,
    CategoricalSampler,
    Choices,
    Past,
    Reward,
    as_proposed,
    check_whole,
    lowest_but_penalties,
    made_all,
)
from mnasnet.samplers.losses import clipped_surrogate, negative_entropy, reinforce
from mnasnet.samplers.policy import Controller

LOG_PROBS = "ppo:log_probs"
"""System attribute of a trial, written when it is asked: {choice: log-probability, in nats}."""

FINISHED = "ppo:finished"
"""System attribute of a trial, written when it is told: its place in the order of telling, from 0."""


@dataclass(frozen=True, kw_only=True)
class PPOSettings:
    """How the controller learns. The paper gives no constants.

    Batch, entropy and epochs did best of a grid on Accel-NASBench's MnasNet space, soft reward at 4 ms; the grid is
    in docs/samplers-tables.md, under Settings. Four epochs a batch are better than one in all of it
    (`benchmarks/evidence.jsonl`, ppo-epochs). On NAS-Bench-Macro's soft reward they are not with an entropy of
    0.05. Normalised advantages were chosen there, earlier and by hand: without them a search settles before it has
    found anything. The rest is NASNet's or usual, and has not been tuned.
    """

    hidden: int = 100
    """Units of the LSTM (NASNet's)."""
    init_range: float = 0.1
    """Every weight starts uniform in ± this (NASNet's)."""
    batch: int = 5
    """Finished trials per update."""
    epochs: int = 4
    """Gradient steps per batch, each over the whole batch."""
    learning_rate: float = 1e-3
    """Adam's."""
    surrogate: Literal["ppo", "reinforce"] = "ppo"
    """The clipped surrogate, or plain REINFORCE."""
    clip: float = 0.2
    """How far a choice's probability ratio may leave 1 (PPO's own; only "ppo")."""
    entropy_weight: float = 0.1
    """Weight of the entropy bonus, in advantages per nat."""
    baseline_decay: float = 0.95
    """The moving baseline keeps this much of itself at each batch (NASNet's)."""
    normalise: bool = True
    """Divide advantages by their moving root mean square, so that the reward's unit does not matter."""

    def __post_init__(self) -> None:
        """Refuse what cannot learn, with a ValueError that names the setting."""
        for name in ("hidden", "batch", "epochs"):
            check_whole(f"PPOSettings.{name}", getattr(self, name), least=1)
        for name in ("init_range", "learning_rate", "clip", "entropy_weight", "baseline_decay"):
            if not isinstance(getattr(self, name), Real):
                raise ValueError(f"PPOSettings.{name} must be a number, got {getattr(self, name)!r}")
        for name in ("init_range", "learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"PPOSettings.{name} must be above 0 and finite, got {getattr(self, name)}")
        if not 0 <= self.entropy_weight < math.inf:
            raise ValueError(
                f"PPOSettings.entropy_weight must be at least 0 and finite, got {self.entropy_weight}"
            )
        if self.surrogate not in ("ppo", "reinforce"):
            raise ValueError(f"PPOSettings.surrogate must be 'ppo' or 'reinforce', got {self.surrogate!r}")
        if not isinstance(self.normalise, bool):
            raise ValueError(f"PPOSettings.normalise must be True or False, got {self.normalise!r}")
        if not 0 <= self.baseline_decay < 1:
            raise ValueError(f"PPOSettings.baseline_decay must be in [0, 1), got {self.baseline_decay}")


NASNET = PPOSettings(
    hidden=100,
    init_range=0.1,
    batch=20,
    epochs=1,
    learning_rate=3.5e-4,
    clip=0.2,
    entropy_weight=1e-5,
    baseline_decay=0.95,
    normalise=False,
)
"""NASNet's constants (Zoph et al., 2018, appendix): 100 units, uniform ±0.1, batches of 20, learning rate
0.00035, entropy 1e-5, baseline 0.95. The optimiser, the clip and the number of epochs are not given there:
Adam, PPO's own 0.2 and one."""

REINFORCE = replace(NASNET, surrogate="reinforce")
"""Plain REINFORCE with NASNet's other constants: the rule that PPO replaced. With one epoch a batch, and a
batch that the present policy asked for, the two take the same step."""


class Learner:
    """A controller over one list of choices, and how it takes one batch of finished trials."""

    def __init__(
        self, choices: Mapping[str, CategoricalDistribution], settings: PPOSettings, seed: int
    ) -> None:
        """Start from weights drawn from `seed`; `choices` are made in their own order."""
        self.choices = dict(choices)
        self.settings = settings
        self.read = 0  # lessons of a study that were looked at
        self.waiting: list[FrozenTrial] = []  # those of them that are no full batch yet
        self.lessons = 0  # batches that changed the controller
        self.controller = Controller(
            [len(choice.choices) for choice in choices.values()],
            hidden=settings.hidden,
            init_range=settings.init_range,
            generator=torch.Generator().manual_seed(int(seed) % 2**63),  # the most that torch takes
        )
        self._optimizer = torch.optim.Adam(self.controller.parameters(), lr=settings.learning_rate)
        self._baseline: float | None = None
        self._mean_square: float | None = None
        self._rewards: list[float] = []  # all so far

    def propose(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, float]]:
        """Return one value and one log-probability for each choice."""
        uniforms = torch.from_numpy(rng.random((1, len(self.choices)), dtype=np.float32))
        actions, log_probs = self.controller.sample(uniforms)
        picked = zip(self.choices.items(), actions[0].tolist(), strict=True)
        values = {name: choice.choices[action] for (name, choice), action in picked}
        # Six decimals say a ratio to a millionth and halve what the study has to keep.
        rounded = (round(log_prob, 6) for log_prob in log_probs[0].tolist())
        return values, dict(zip(self.choices, rounded, strict=True))

    def learn(
        self, trials: Sequence[FrozenTrial], rewards: Sequence[float | None], canonical: Canonical | None
    ) -> None:
        """Update the controller from one batch; None as a reward stands for less than the worst of the batch.

        How much less: by the range of all rewards so far, or where they are all alike by a tenth of one of them.
        Were it the worst itself, the one good network of a batch would teach nothing. A penalty (`GAP`) is no
        reward; averages that some got into before they could be told begin anew.
        """
        self._rewards += [reward for reward in rewards if reward is not None]
        if not self._rewards:
            return  # nothing has ever been worth anything: there is nothing to compare with
        self.lessons += 1
        no_penalty = lowest_but_penalties(self._rewards)
        lowest, highest = max(min(self._rewards), no_penalty), max(self._rewards)
        less = highest - lowest or abs(lowest) / 10 or 1.0
        if self._baseline is not None and self._baseline < no_penalty - less:
            self._baseline = self._mean_square = None
        worth = [reward if reward is not None and reward >= lowest else None for reward in rewards]
        below = min((reward for reward in worth if reward is not None), default=lowest) - less
        advantages = self._advantages([below if reward is None else reward for reward in worth])

        actions = torch.tensor(
            [
                [int(choice.to_internal_repr(trial.params[name])) for name, choice in self.choices.items()]
                for trial in trials
            ]
        )  # [batch, choices]
        asked_log_probs = torch.tensor(
            [
                [
                    # A choice made before the space was known was uniform.
                    trial.system_attrs[LOG_PROBS].get(name, -math.log(len(choice.choices)))
                    for name, choice in self.choices.items()
                ]
                for trial in trials
            ],
            dtype=torch.float32,
        )  # [batch, choices]
        matters = torch.ones_like(asked_log_probs)  # [batch, choices]
        if canonical is not None:
            kept = [canonical(trial.params) for trial in trials]
            matters = torch.tensor(
                [[name in names for name in self.choices] for names in kept], dtype=torch.float32
            )
        with torch.enable_grad():  # whoever asks may have switched gradients off
            for _ in range(self.settings.epochs):
                self._step(actions, asked_log_probs, advantages, matters)

    def _advantages(self, rewards: list[float]) -> torch.Tensor:
        """Rewards less the moving baseline, [batch]; the first batch starts the averages.

        Raises:
            ValueError: they are too large to be learnt from in single precision, as they are.
        """
        decay = self.settings.baseline_decay
        mean = math.fsum(rewards) / len(rewards)
        baseline = mean if self._baseline is None else self._baseline
        self._baseline = decay * baseline + (1 - decay) * mean
        advantages = [reward - baseline for reward in rewards]
        if self.settings.normalise:
            mean_square = math.fsum(advantage**2 for advantage in advantages) / len(advantages)
            before = mean_square if self._mean_square is None else self._mean_square
            self._mean_square = decay * before + (1 - decay) * mean_square
            if self._mean_square > 0:
                advantages = [advantage / math.sqrt(self._mean_square) for advantage in advantages]
        found = torch.tensor(advantages, dtype=torch.float32)
        if not found.square().isfinite().all():  # Adam takes the squares of gradients
            raise ValueError(
                f"rewards like {max(rewards, key=abs):g} are too large as they are: give smaller ones, or "
                "PPOSettings(normalise=True)"
            )
        return found

    def _step(
        self,
        actions: torch.Tensor,
        asked_log_probs: torch.Tensor,
        advantages: torch.Tensor,
        matters: torch.Tensor,
    ) -> None:
        log_probs, entropies = self.controller.evaluate(actions)
        if self.settings.surrogate == "ppo":
            loss = clipped_surrogate(log_probs, asked_log_probs, advantages, matters, clip=self.settings.clip)
        else:
            loss = reinforce(log_probs, advantages, matters)
        loss = loss + self.settings.entropy_weight * negative_entropy(entropies, matters)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


@dataclass(kw_only=True)
class _Past(Past):
    """What the sampler has read of one study."""

    lessons: list[FrozenTrial] = field(default_factory=list)
    """Finished trials that teach, in the order in which they finished."""
    next_finished: int = 0
    """The place in the order of telling that is free."""
    learner: Learner | None = None
    """The controller over the choices that were last asked for."""

    def read(self, study: Study) -> list[FrozenTrial]:
        """As of `Past`."""
        new = super().read(study)
        for trial in sorted(new, key=lambda trial: (trial.system_attrs.get(FINISHED, 0), trial.number)):
            if FINISHED in trial.system_attrs and "fixed_params" not in trial.system_attrs:
                self.lessons.append(trial)
                self.next_finished = max(self.next_finished, trial.system_attrs[FINISHED] + 1)
        return new


class PPOSampler(CategoricalSampler):
    """An autoregressive LSTM controller that learns by proximal policy optimisation (the MnasNet paper, 4.2).

    It asks for all choices of a trial jointly, and updates itself on every full batch of finished trials.

    - **When it learns.** When asked, from what has finished, in the order of telling. Trials may be asked
      ahead and told out of order: each keeps the log-probabilities of the policy that asked for it.
    - **Resume is replay.** All state is in the study. A new sampler with the same arguments that is shown
      the same study proposes the same next choices, bit for bit on the same machine and versions, and each
      draw is seeded from (seed, trial number). When several processes or threads tell trials of one study
      at once, each sees its own order of telling, and so has its own policy.
    - **Which choices.** As of `CategoricalSampler`; those that were drawn uniformly are taught from as such.
    - **What teaches.** COMPLETE trials their reward. PRUNED ones, penalties (`GAP`) and those whose reward
      is None, not finite or `TOO_LARGE`, that they were worse than the worst of their batch. FAIL nothing.
      Trials that this kind of sampler did not choose (enqueued, another sampler's) or that were told without it
      nothing: PPO learns only from choices of known probability. A repeat told with recorded values teaches as any
      other trial.

    Torch's global random state is neither read nor changed.
    """

    def __init__(
        self,
        seed: int = 0,
        reward: Reward | None = None,
        canonical: Canonical | None = None,
        settings: PPOSettings = PPOSettings(),
    ) -> None:
        """As of `CategoricalSampler`; `settings` are how the controller learns.

        The seed is also that of the controller's first weights; choices that do not matter are left out of the
        loss.

        Raises:
            ValueError: as of `CategoricalSampler`, or `settings` are none.
        """
        super().__init__(seed, reward, canonical)
        if not isinstance(settings, PPOSettings):
            raise ValueError(f"settings must be PPOSettings, got {settings!r}")
        self._settings = settings

    def updates(self, study: Study) -> int:
        """Return how often the controller has learned before it made its last proposal for the study.

        A new sampler replays the study for it.
        """
        asked = [
            trial.datetime_start
            for trial in study.get_trials(deepcopy=False)
            if LOG_PROBS in trial.system_attrs
        ]
        with self._reading(study) as past, _one_thread():
            past.read(study)
            choices = past.learner.choices if past.learner else past.choices
            if not choices or not asked:
                return 0
            replayed = Learner(choices, self._settings, self._seed)
            last = max(start for start in asked if start is not None)
            before = [
                t for t in past.lessons if t.datetime_complete is not None and t.datetime_complete <= last
            ]
            self._teach(study, replayed, before)
            return replayed.lessons

    def new_past(self) -> _Past:
        """As of `CategoricalSampler`."""
        return _Past()

    def propose(self, study: Study, trial: FrozenTrial, choices: Choices) -> dict[str, Any]:
        """Learn what there is to learn, then choose; the log-probabilities stay in the trial."""
        values: dict[str, Any] = {}
        log_probs: dict[str, float] = {}
        past: _Past = self._past(study)
        if choices and past.choices:  # at first all are drawn one by one, uniformly
            with _one_thread():
                learner = self._learner(study, past, choices)
                values, log_probs = learner.propose(np.random.default_rng([self._seed, trial.number]))
        study._storage.set_trial_system_attr(trial._trial_id, LOG_PROBS, log_probs)
        return values

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Also write the trial's place in the order of telling, if this kind of sampler chose it."""
        super().after_trial(study, trial, state, values)
        if state == TrialState.FAIL or LOG_PROBS not in trial.system_attrs:
            return
        with self._reading(study) as past:
            if not past.finished:  # a new process may tell before it asks
                past.read(study)
            finished = past.next_finished
            past.next_finished += 1
        study._storage.set_trial_system_attr(trial._trial_id, FINISHED, finished)

    def _learner(self, study: Study, past: _Past, choices: Choices) -> Learner:
        """Return the controller over `choices` after every full batch of the past."""
        learner = past.learner
        if learner is None or list(learner.choices.items()) != list(choices.items()):
            learner = past.learner = Learner(choices, self._settings, self._seed)
        self._teach(study, learner, past.lessons)
        return learner

    def _teach(self, study: Study, learner: Learner, lessons: Sequence[FrozenTrial]) -> None:
        """Let the learner take every full batch of those `lessons` that made all of its choices."""
        for trial in (as_proposed(lesson, learner.choices) for lesson in lessons[learner.read :]):
            if made_all(trial, learner.choices):
                learner.waiting.append(trial)
            if len(learner.waiting) == self._settings.batch:
                rewards = [self.reward_of(study, one) for one in learner.waiting]
                learner.learn(learner.waiting, rewards, self._canonical)
                learner.waiting = []
        learner.read = len(lessons)


_TORCH = threading.RLock()
"""How many threads torch has is one number for all."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: the controller's steps are too small to share out.

    On two cores that others used as well, two threads took three to five times the CPU time a trial, waiting for
    each other (`benchmarks/evidence.jsonl`, controller-threads).
    """
    with _TORCH:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
