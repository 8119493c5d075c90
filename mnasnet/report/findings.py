"""What a search has found so far: the study and the finalists' cards, read once for page and terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import optuna

from mnasnet.report.gain import Gain, gain
from mnasnet.samplers.expectation import expected_values
from mnasnet.study.card import Card, read_cards
from mnasnet.study.reward import Reward
from mnasnet.study.storage import INTERRUPTED, Setup, read_setup
from mnasnet.study.trial import TrialRecord, front, read_trial


@dataclass(frozen=True, kw_only=True)
class Findings:
    """One reading of a search, which may still be running."""

    name: str
    """Of the folder that the search is in."""
    setup: Setup | None
    """None while the search has not been set up."""
    target_ms: float | None
    """What rewards are counted for; None while there is no setup."""
    records: tuple[TrialRecord, ...]
    """Every trial, by number."""
    expected: Mapping[int, float]
    """By a trial's number the accuracy that is expected of its network, seen together with all others; empty where
    there are too few."""
    finalists: tuple[Card, ...]
    """Fastest first, without the control."""
    control: Card | None

    @property
    def rescored(self) -> bool:
        """Whether rewards are counted for another target than the one that was searched for."""
        return self.setup is not None and self.target_ms != self.setup.target_ms

    @cached_property
    def front(self) -> tuple[TrialRecord, ...]:
        """The Pareto front, fastest first."""
        return tuple(front(self.records))

    @cached_property
    def expected_front(self) -> tuple[TrialRecord, ...]:
        """The same by the accuracies that are expected, where they are."""
        return tuple(front(self.records, self.expected))

    @cached_property
    def trained(self) -> tuple[TrialRecord, ...]:
        """Trials for which a network was trained."""
        return tuple(record for record in self.records if record.charged)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Trials by what became of them; repeats of an earlier network, trained or too slow, are copies."""
        new = [record.outcome for record in self.records if record.copy_of is None]
        interrupted = sum(r.reason == INTERRUPTED for r in self.records if r.copy_of is None)
        return {
            "trained": new.count("trained"),
            "copies": len(self.records) - len(new),
            "too slow": new.count("too slow"),
            "failed": new.count("failed") - interrupted,
            "interrupted": interrupted,
            "running": new.count("running"),
        }

    @cached_property
    def best(self) -> TrialRecord | None:
        """The trained network of the highest reward; of equal ones the fastest."""
        return self._highest(lambda record: (self.reward(record),))

    @cached_property
    def expected_best(self) -> TrialRecord | None:
        """The one of the highest expected reward: `best` may have been lucky in its training.

        With a hard reward it keeps to the target, where any does: what is over it by a thousandth has lost no more
        reward by that than noise hides.
        """
        return self._highest(
            lambda record: (
                not self.target_is_limit or self.keeps_to_target(record),
                self.expected_reward(record),
            )
        )

    @cached_property
    def gains(self) -> tuple[tuple[Card, Gain], ...]:
        """Each finalist with its gain over the control; empty while either is missing."""
        if self.control is None:
            return ()
        return tuple((card, gain(card, self.control)) for card in self.finalists)

    @cached_property
    def reference_ms(self) -> tuple[float, float] | None:
        """Fastest and slowest that the reference was beside any trial, as timed; None where nothing was timed.

        A ratio to the reference hardly moves while the machine does, but milliseconds do: those of the study
        are those of its beginning, and may be off by as much as this leaves the reference's time then.
        """
        beside = [
            median(record.latency.raw_reference_ms)
            for record in self.records
            if record.latency is not None and record.copy_of is None and record.latency.raw_reference_ms
        ]
        return (min(beside), max(beside)) if beside else None

    def reward(self, record: TrialRecord) -> float | None:
        """The trial's reward for `target_ms`; None where it was not trained."""
        return None if self._reward is None else record.worth(self._reward)

    def expected_reward(self, record: TrialRecord) -> float | None:
        """The same of the accuracy that is expected of its network, where one is."""
        reward = self.reward(record)
        if reward is None or record.number not in self.expected:
            return reward
        assert self._reward is not None
        assert record.latency is not None
        return self._reward(accuracy=self.expected[record.number], latency_ms=record.latency.median_ms)

    @property
    def target_is_limit(self) -> bool:
        """Whether the reward is the hard one."""
        return self.setup is not None and self.setup.reward == "hard"

    def keeps_to_target(self, record: TrialRecord) -> bool:
        """Whether the network is as fast as was asked for."""
        return (
            record.latency is not None
            and self.target_ms is not None
            and record.latency.median_ms <= self.target_ms
        )

    def _highest(self, merit: Callable[[TrialRecord], tuple[Any, ...]]) -> TrialRecord | None:
        """Of the trained networks that have all of `merit`; of equal ones the fastest."""
        rewarded = [
            ((*found, -record.latency.median_ms), record)
            for record in self.trained
            if record.latency is not None and None not in (found := merit(record))
        ]
        return max(rewarded, key=lambda entry: entry[0])[1] if rewarded else None

    @cached_property
    def _reward(self) -> Reward | None:
        return None if self.setup is None else self.setup.rewarded(self.target_ms)


def find(study: optuna.Study, out: Path, *, target_ms: float | None = None) -> Findings:
    """Read the search in `study`, with its finalists under `out`.

    Rewards are counted for `target_ms`, or for the search's own target; nothing is trained.

    Raises:
        RequestError: `target_ms` is not a positive time.
    """
    setup = read_setup(study)
    if setup is not None:
        setup.rewarded(target_ms)
    cards = [card for card in read_cards(out) if setup is None or _is_of(setup, card)]
    control = next((card for card in cards if card.control), None)
    if control is not None:
        # Finalists of an earlier recipe are no match for the control, which is trained last.
        cards = [card for card in cards if _recipe(card) == _recipe(control)]
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    records = tuple(map(read_trial, trials.values()))
    trained = [record.number for record in records if record.charged]
    expected = expected_values([trials[number] for number in trained])
    return Findings(
        name=out.resolve().name,
        setup=setup,
        target_ms=setup.target_ms if setup is not None and target_ms is None else target_ms,
        records=records,
        # A mean of a process knows nothing of 100 %.
        expected={} if expected is None else dict(zip(trained, expected.clip(max=1.0).tolist(), strict=True)),
        finalists=tuple(card for card in cards if not card.control),
        control=control,
    )


def _is_of(setup: Setup, card: Card) -> bool:
    """Whether the card is of this search and not what another one left in the folder."""
    same_data = card.fingerprint == setup.identity.get("data", card.fingerprint)
    return same_data and card.latency.reference_ms == setup.reference.reference_ms


def _recipe(card: Card) -> tuple[int, int, int]:
    return card.accuracy.epochs, card.accuracy.seed, card.accuracy.train_images
