"""One trial as it stands in the study: what was chosen, what network it is, and what became of it.

Everything about a trial is in its Optuna record, so that `optuna-dashboard` and any script can read it: the
two values (quality as a fraction, latency in ms) and these user attributes:

| attribute | what it holds |
|---|---|
| `digest`, `architecture`, `parameters`, `multiply_adds` | the network that the choices decode to |
| `latency` | the whole `Latency` record, set before any training |
| `file size` | that quantity, where the search limits it |
| `quality` | the whole `Quality` record; `accuracy` in studies of version 1 |
| `copy_of` | number of the trial whose values this repeat of the same network took over |
| `reason` | why a trial failed or was not trained |

By which share a cost exceeds its limit is the Optuna constraint of the cost's name, positive where it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.measures.latency import Latency, latency_from_json
from mnasnet.measures.limits import LATENCY, Limit
from mnasnet.measures.quality import Quality, quality_from_json
from mnasnet.measures.quantity import Quantity
from mnasnet.measures.reward import Reward


@dataclass(frozen=True, kw_only=True)
class TrialNetwork:
    """The network that a trial's choices decode to."""

    architecture: Architecture
    digest: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """What the study knows of one trial; its type says what became of it."""

    number: int
    params: Mapping[str, Any]
    copy_of: int | None = None
    """The trial of the same network whose outcome this repeat took over."""

    @property
    def charged(self) -> bool:
        """Whether a network was trained for it: what `trials` counts."""
        return False


@dataclass(frozen=True, kw_only=True)
class ProposedTrial(TrialRecord):
    """What was chosen; it runs, or waits to."""


@dataclass(frozen=True, kw_only=True)
class FailedTrial(TrialRecord):
    """Something went wrong; what is not None says how far it came."""

    network: TrialNetwork | None
    latency: Latency | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class RefusedTrial(TrialRecord):
    """A network beyond a limit, which was not trained for that."""

    network: TrialNetwork
    latency: Latency | None
    """None where another limit refused it before it was timed."""
    excess: Mapping[str, float]
    """By which share each cost that was looked at exceeds its limit, by the cost's name; not above 0 where it keeps
    to it."""
    reason: str

    @property
    def beyond(self) -> tuple[str, ...]:
        """Names of the costs that exceed their limits."""
        return tuple(name for name, excess in self.excess.items() if excess > 0)


@dataclass(frozen=True, kw_only=True)
class TrainedTrial(TrialRecord):
    """A network that was measured and trained."""

    network: TrialNetwork
    latency: Latency
    quality: Quality
    excess: Mapping[str, float] = field(default_factory=dict)
    """As of a refused one; none is above 0."""

    @property
    def charged(self) -> bool:
        """As of every trial; a repeat was not trained anew."""
        return self.copy_of is None

    def score(self, reward: Reward) -> float:
        """The reward of the network."""
        return reward(quality=self.quality.value, latency_ms=self.latency.median_ms)


def charged_trials(records: Iterable[TrialRecord]) -> list[TrainedTrial]:
    """Those for which a network was trained."""
    return [record for record in records if isinstance(record, TrainedTrial) and record.charged]


def read_trial(trial: FrozenTrial) -> TrialRecord:
    """The record of an Optuna trial of a search."""
    attributes = trial.user_attrs
    number, params = trial.number, trial.params
    network, latency, copy_of = _network_of(attributes), _latency_of(attributes), attributes.get("copy_of")
    reason, quality = attributes.get("reason"), _quality_of(attributes)
    match trial.state:
        case TrialState.COMPLETE if network and latency and quality:
            return TrainedTrial(
                number=number,
                params=params,
                network=network,
                latency=latency,
                quality=quality,
                excess=trial.constraints,
                copy_of=copy_of,
            )
        case TrialState.PRUNED if network:
            return RefusedTrial(
                number=number,
                params=params,
                network=network,
                latency=latency,
                excess=trial.constraints,
                copy_of=copy_of,
                reason=reason or "beyond a limit",
            )
        case TrialState.RUNNING | TrialState.WAITING:
            return ProposedTrial(number=number, params=params)
    return FailedTrial(
        number=number,
        params=params,
        network=network,
        latency=latency,
        copy_of=copy_of,
        reason=reason or "its record is not whole",
    )


def read_trials(study: optuna.Study) -> list[TrialRecord]:
    """Every trial of the study, by number."""
    return [read_trial(trial) for trial in study.get_trials(deepcopy=False)]


def read_values(trial: FrozenTrial) -> tuple[float, float] | None:
    """Quality and latency in ms of a trial that has both, whether it has ended or not; None of others."""
    latency, quality = _latency_of(trial.user_attrs), _quality_of(trial.user_attrs)
    return None if latency is None or quality is None else (quality.value, latency.median_ms)


def read_known_values(trial: FrozenTrial) -> tuple[None, float | None]:
    """What is known of a network that was not trained: no quality, and the latency in ms where it was timed."""
    latency = _latency_of(trial.user_attrs)
    return None, None if latency is None else latency.median_ms


def set_network(trial: Trial, architecture: Architecture) -> None:
    """Write which network the trial's choices decode to."""
    graph = architecture.lowered()
    trial.set_user_attr("digest", architecture.digest())
    trial.set_user_attr("architecture", architecture.to_json())
    trial.set_user_attr("parameters", count_parameters(graph))
    trial.set_user_attr("multiply_adds", count_multiply_adds(graph))


def set_latency(trial: Trial, latency: Latency) -> None:
    """Write the latency."""
    trial.set_user_attr(LATENCY, latency.to_json())


def set_cost(trial: Trial, cost: Quantity) -> None:
    """Write another cost than latency."""
    trial.set_user_attr(cost.name, {"value": cost.value, "unit": cost.unit, **cost.conditions})


def set_excess(trial: Trial, limit: Limit, cost: Quantity) -> bool:
    """Write by which share the cost exceeds its limit, and with it the reason where it does; whether it does."""
    excess = limit.excess(cost)
    trial.set_constraint(limit.name, excess)
    if excess > 0:
        trial.set_user_attr("reason", limit.describe_excess(cost))
    return excess > 0


def set_quality(trial: Trial, quality: Quality) -> None:
    """Write the quality with its conditions."""
    trial.set_user_attr("quality", quality.to_json())


def find_front(
    records: Iterable[TrialRecord], expected: Mapping[int, float] = MappingProxyType({})
) -> list[TrainedTrial]:
    """The trained networks that no other one beats in both quality and latency, fastest first.

    A repeat is not listed beside its original; of networks that tie in both values the first tried stands. A
    quality that is `expected`, by a trial's number, counts instead of the one that was measured.
    """
    trained = [
        (record.latency.median_ms, -expected.get(record.number, record.quality.value), record.number, record)
        for record in charged_trials(records)
    ]
    kept: list[TrainedTrial] = []
    best = float("-inf")
    for _, negative_quality, _, record in sorted(trained, key=lambda entry: entry[:3]):
        if -negative_quality > best:
            best = -negative_quality
            kept.append(record)
    return kept


def _network_of(attributes: Mapping[str, Any]) -> TrialNetwork | None:
    if "multiply_adds" not in attributes:  # which is written last
        return None
    return TrialNetwork(
        architecture=architecture_from_json(attributes["architecture"]),
        digest=attributes["digest"],
        parameters=attributes["parameters"],
        multiply_adds=attributes["multiply_adds"],
    )


def _latency_of(attributes: Mapping[str, Any]) -> Latency | None:
    return latency_from_json(attributes[LATENCY]) if LATENCY in attributes else None


def _quality_of(attributes: Mapping[str, Any]) -> Quality | None:
    data = attributes.get("quality") or attributes.get("accuracy")
    return None if data is None else quality_from_json(data)
