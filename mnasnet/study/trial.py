"""One trial as it stands in the study: what was chosen, what network it is, and what became of it.

Everything about a trial is in its Optuna record, so that `optuna-dashboard` and any script can read it: the
two values (accuracy as a fraction, latency in ms) and these user attributes:

| attribute | what it holds |
|---|---|
| `digest`, `architecture`, `parameters`, `multiply_adds` | the network that the choices decode to |
| `latency` | the whole `Latency` record, set before any training |
| `accuracy` | the whole `Accuracy` record |
| `copy_of` | number of the trial whose values this repeat of the same network took over |
| `reason` | why a trial failed or was not trained |

By how much a latency exceeds the limit is the Optuna constraint `latency`, positive where it was too slow.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.records import Accuracy, Latency, latency_from_json
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.study.reward import Reward

Outcome = Literal["trained", "too slow", "failed", "running"]

OUTCOMES: Mapping[TrialState, Outcome] = {
    TrialState.COMPLETE: "trained",
    TrialState.PRUNED: "too slow",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What the study knows of one trial. Values are None where the trial did not come that far."""

    number: int
    outcome: Outcome
    params: Mapping[str, Any]
    digest: str | None
    architecture: Architecture | None
    parameters: int | None
    multiply_adds: int | None
    latency: Latency | None
    accuracy: Accuracy | None
    copy_of: int | None
    """The trial whose values a repeat of the same network took over; it was not charged."""
    reason: str | None

    def worth(self, reward: Reward) -> float | None:
        """The reward of the network; None where it was not trained."""
        if self.accuracy is None or self.latency is None:
            return None
        return reward(accuracy=self.accuracy.top1, latency_ms=self.latency.median_ms)

    @property
    def charged(self) -> bool:
        """Whether a network was trained for it: what a search's `trials` count."""
        return self.outcome == "trained" and self.copy_of is None


def read_trial(trial: FrozenTrial) -> TrialRecord:
    """The record of an Optuna trial of a search."""
    attributes = trial.user_attrs
    architecture = attributes.get("architecture")
    latency = attributes.get("latency")
    accuracy = attributes.get("accuracy")
    return TrialRecord(
        number=trial.number,
        outcome=OUTCOMES[trial.state],
        params=trial.params,
        digest=attributes.get("digest"),
        architecture=None if architecture is None else architecture_from_json(architecture),
        parameters=attributes.get("parameters"),
        multiply_adds=attributes.get("multiply_adds"),
        latency=None if latency is None else latency_from_json(latency),
        accuracy=None if accuracy is None else Accuracy(**accuracy),
        copy_of=attributes.get("copy_of"),
        reason=attributes.get("reason"),
    )


def read_trials(study: optuna.Study) -> list[TrialRecord]:
    """Every trial of the study, by number."""
    return [read_trial(trial) for trial in study.get_trials(deepcopy=False)]


def known_of_pruned(trial: FrozenTrial) -> tuple[None, float | None]:
    """No accuracy, and the latency in ms: a network too slow to be trained was timed before it was pruned."""
    latency = trial.user_attrs.get("latency")
    return None, None if latency is None else latency_from_json(latency).median_ms


def set_network(trial: Trial, architecture: Architecture) -> None:
    """Write which network the trial's choices decode to."""
    trial.set_user_attr("digest", architecture.digest())
    trial.set_user_attr("architecture", architecture.to_json())
    graph = architecture.lowered()
    trial.set_user_attr("parameters", count_parameters(graph))
    trial.set_user_attr("multiply_adds", count_multiply_adds(graph))


def set_latency(trial: Trial, latency: Latency, *, max_ms: float) -> None:
    """Write the latency, and by how much it breaks the limit of `max_ms`."""
    trial.set_user_attr("latency", latency.to_json())
    trial.set_constraint("latency", latency.median_ms / max_ms - 1)


def set_accuracy(trial: Trial, accuracy: Accuracy) -> None:
    """Write the accuracy with its conditions."""
    trial.set_user_attr("accuracy", dataclasses.asdict(accuracy))


def front(
    records: Iterable[TrialRecord], expected: Mapping[int, float] = MappingProxyType({})
) -> list[TrialRecord]:
    """The trained networks that no other one beats in both accuracy and latency, fastest first.

    A repeat is not listed beside its original; of networks that tie in both values the first tried stands. An
    accuracy that is `expected`, by a trial's number, counts instead of the one that was measured.
    """
    trained = [
        (record.latency.median_ms, -expected.get(record.number, record.accuracy.top1), record.number, record)
        for record in records
        if record.charged and record.latency is not None and record.accuracy is not None
    ]
    kept: list[TrialRecord] = []
    best = float("-inf")
    for _, negative_top1, _, record in sorted(trained, key=lambda entry: entry[:3]):
        if -negative_top1 > best:
            best = -negative_top1
            kept.append(record)
    return kept
