"""What a search has found so far: the study and the finalists' cards, read once for page and terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

import optuna

from mnasnet.analysis.gain import Gain, gain
from mnasnet.measures.limits import LATENCY
from mnasnet.measures.reward import Reward
from mnasnet.samplers.expectation import expected_values
from mnasnet.study.card import Card, read_cards
from mnasnet.study.setup import Setup, read_setup
from mnasnet.study.storage import INTERRUPTED
from mnasnet.study.trial import (
    FailedTrial,
    ProposedTrial,
    RefusedTrial,
    TrainedTrial,
    TrialRecord,
    charged_trials,
    find_front,
    read_trial,
)


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
    """By a trial's number the quality that is expected of its network, seen together with all others; empty where
    there are too few."""
    finalists: tuple[Card, ...]
    """Fastest first, without the control."""
    control: Card | None

    @property
    def quality_name(self) -> str:
        """Of the objective that is maximised, in words."""
        return "accuracy" if self.setup is None else self.setup.quality_measure.name

    @property
    def rescored(self) -> bool:
        """Whether rewards are counted for another target than the one that was searched for."""
        return self.setup is not None and self.target_ms != self.setup.target_ms

    @cached_property
    def front(self) -> tuple[TrainedTrial, ...]:
        """The Pareto front, fastest first."""
        return tuple(find_front(self.records))

    @cached_property
    def expected_front(self) -> tuple[TrainedTrial, ...]:
        """The same by the qualities that are expected, where they are."""
        return tuple(find_front(self.records, self.expected))

    @cached_property
    def trained(self) -> tuple[TrainedTrial, ...]:
        """Trials for which a network was trained."""
        return tuple(charged_trials(self.records))

    @cached_property
    def timed(self) -> tuple[RefusedTrial | TrainedTrial | FailedTrial, ...]:
        """Trials whose network was timed, without repeats."""
        return tuple(
            record
            for record in self.records
            if isinstance(record, RefusedTrial | TrainedTrial | FailedTrial)
            and record.latency is not None
            and record.copy_of is None
        )

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Trials by what became of them; repeats of an earlier network are copies, whatever became of it."""
        new = [record for record in self.records if record.copy_of is None]
        failed = [record for record in new if isinstance(record, FailedTrial)]
        refused = [record for record in new if isinstance(record, RefusedTrial)]
        interrupted = sum(record.reason == INTERRUPTED for record in failed)
        too_slow = sum(record.beyond in ((), (LATENCY,)) for record in refused)
        return {
            "trained": sum(isinstance(record, TrainedTrial) for record in new),
            "copies": len(self.records) - len(new),
            "too slow": too_slow,
            "beyond a limit": len(refused) - too_slow,
            "failed": len(failed) - interrupted,
            "interrupted": interrupted,
            "running": sum(isinstance(record, ProposedTrial) for record in new),
        }

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
            for record in self.timed
            if record.latency is not None and record.latency.raw_reference_ms
        ]
        return (min(beside), max(beside)) if beside else None

    @cached_property
    def reward(self) -> Reward | None:
        """The reward for `target_ms`; None while there is no setup."""
        return None if self.setup is None else self.setup.make_reward(self.target_ms)

    def reward_of(self, record: TrialRecord) -> float | None:
        """The trial's reward for `target_ms`; None where it was not trained."""
        if self.reward is None or not isinstance(record, TrainedTrial):
            return None
        return record.score(self.reward)


def read_findings(study: optuna.Study, out: Path, *, target_ms: float | None = None) -> Findings:
    """Read the search in `study`, with its finalists under `out`.

    Rewards are counted for `target_ms`, or for the search's own target; nothing is trained.

    Raises:
        RequestError: `target_ms` is not a positive time.
    """
    setup = read_setup(study)
    if setup is not None:
        setup.make_reward(target_ms)
    cards = [card for card in read_cards(out) if setup is None or _is_of(setup, card)]
    control = next((card for card in cards if card.control), None)
    if control is not None:
        # Finalists of an earlier recipe are no match for the control, which is trained last.
        cards = [card for card in cards if _conditions(card) == _conditions(control)]
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    records = tuple(map(read_trial, trials.values()))
    trained = [record.number for record in charged_trials(records)]
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


def _conditions(card: Card) -> tuple[str, int, int, int]:
    """What has to be the same of finalists that are compared."""
    quality = card.quality
    return quality.name, quality.epochs, quality.seed, quality.train_images
