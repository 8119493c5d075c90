"""The loop of the paper: sample, measure, train, reward, update (section 4.2)."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.trial import Trial, TrialState

from mnasnet.arch.architecture import Architecture
from mnasnet.base.errors import RunError
from mnasnet.base.words import first_line
from mnasnet.devices.device import DeviceLostError, UnsuitableError
from mnasnet.measures.latency import Latency
from mnasnet.measures.limits import LATENCY, Limit
from mnasnet.measures.quality import Quality
from mnasnet.measures.quantity import Quantity
from mnasnet.space.space import Space
from mnasnet.study.storage import retry_interrupted
from mnasnet.study.trial import (
    FailedTrial,
    RefusedTrial,
    TrainedTrial,
    TrialNetwork,
    TrialRecord,
    read_trial,
    read_trials,
    set_cost,
    set_excess,
    set_latency,
    set_network,
    set_quality,
)
from mnasnet.train.loop import DivergedError

FAILURES_IN_A_ROW = 5
"""So many failed trials in a row mean that it is not the networks."""

CONVERGENCE_WINDOW = 30
CONVERGENCE_REPEATS = 27
"""So many repeats among the last asks mean that the sampler has nothing new to propose."""

REFUSED_IN_A_ROW = 200
"""So many networks in a row beyond a limit mean that the limits leave nothing to train."""

FAILURES = (RunError, UnsuitableError, RuntimeError, MemoryError)
"""What makes one trial fail and lets the search go on: a diverged training, an export, the device, memory, of which
torch says so with a plain RuntimeError. Any other ValueError is none: it is a mistake of ours and ends the search
loudly.
"""


class Estimate(Protocol):
    """The quality of an architecture: proxy training, or a table of networks that others trained."""

    def __call__(self, architecture: Architecture) -> Quality:
        """Judge `architecture`, with the conditions in the record."""
        ...


class Measure(Protocol):
    """Latency of an architecture, untrained, on the device."""

    def __call__(self, architecture: Architecture, /) -> Latency:
        """Time `architecture`."""
        ...


class Check(Protocol):
    """Another cost of an architecture, which needs no device and is looked at before it is timed."""

    def __call__(self, architecture: Architecture) -> Quantity:
        """What `architecture` costs."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrialSteps:
    """What a trial goes through, and what it must keep to on the way."""

    space: Space
    checks: Sequence[Check] = ()
    measure: Measure
    estimate: Estimate
    limits: Mapping[str, Limit]
    """By the name of the cost; of each check's cost there is one."""


def run_trials(
    study: optuna.Study,
    steps: TrialSteps,
    *,
    trials: int,
    report_trial: Callable[[TrialRecord], None],
) -> str | None:
    """Search until the study holds `trials` trained networks; why it stopped earlier, or None.

    Every trial is durable in the study when `report_trial` hears of it. A network beyond a limit is not trained;
    one that was tried before takes over the recorded values and is not charged; one that fails is recorded with
    its reason; one that was interrupted comes first.

    Raises:
        RunError: five trials failed in a row, or hundreds of networks in a row were beyond a limit.
        DeviceLostError: the device went away and did not come back.
    """
    finished: dict[str, TrialRecord] = {}
    trained = 0
    recent: deque[bool] = deque(maxlen=CONVERGENCE_WINDOW)
    for record in read_trials(study):
        recent.append(record.copy_of is not None)
        if (digest := _settled_digest(record)) is not None:
            finished.setdefault(digest, record)
        trained += record.charged
    failures = refused = 0
    while trained < trials:
        if sum(recent) >= CONVERGENCE_REPEATS:
            if trained == 0:
                raise RunError(
                    f"no network that the sampler proposes can be trained: {_some_reasons(finished.values())}"
                )
            return f"converged: {sum(recent)} of the last {len(recent)} proposals had been tried before"
        retry_interrupted(study)  # just before it is asked for, so that none is left waiting
        trial = study.ask(dict(steps.space.distributions))
        record = _run_trial(study, trial, steps, finished)
        report_trial(record)
        trained += record.charged
        recent.append(record.copy_of is not None)
        if record.copy_of is None:  # a repeat says nothing new of what fails
            failures = failures + 1 if isinstance(record, FailedTrial) else 0
        refused = refused + 1 if isinstance(record, RefusedTrial) else 0
        if isinstance(record, FailedTrial) and failures == FAILURES_IN_A_ROW:
            raise RunError(f"{failures} trials failed in a row, the last one with: {record.reason}")
        if isinstance(record, RefusedTrial) and refused == REFUSED_IN_A_ROW:
            raise RunError(_describe_refusals(refused, record, steps.limits))
    return None


def _run_trial(
    study: optuna.Study, trial: Trial, steps: TrialSteps, finished: dict[str, TrialRecord]
) -> TrialRecord:
    """One trip: decode, measure, train, tell."""
    architecture = steps.space.decode(trial.params)
    digest = architecture.digest()
    set_network(trial, architecture)
    if (original := finished.get(digest)) is not None:
        return _take_over(study, trial, original)
    try:
        values = _measure_and_train(trial, architecture, steps)
    except DeviceLostError:
        raise  # nothing is known of this network, and the next one would not be measured either
    except FAILURES as error:
        trial.set_user_attr("reason", f"{type(error).__name__}: {first_line(error)}")
        record = _end_trial(study, trial, TrialState.FAIL, None)
    else:
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        record = _end_trial(study, trial, state, values)
    if _settled_digest(record) is not None:
        finished[digest] = record
    return record


def _measure_and_train(
    trial: Trial, architecture: Architecture, steps: TrialSteps
) -> tuple[float, float] | None:
    """Quality and latency in ms; None where the network is beyond a limit, which the trial says then."""
    for check in steps.checks:
        cost = check(architecture)
        set_cost(trial, cost)
        if set_excess(trial, steps.limits[cost.name], cost):
            return None
    latency = steps.measure(architecture)
    set_latency(trial, latency)
    if set_excess(trial, steps.limits[LATENCY], latency.quantity):
        return None
    quality = steps.estimate(architecture)
    set_quality(trial, quality)
    return quality.value, latency.median_ms


def _settled_digest(record: TrialRecord) -> str | None:
    """The network's digest where trying it again would give the same: the same seed diverges the same way."""
    match record:
        case TrainedTrial() | RefusedTrial():
            return record.network.digest
        case FailedTrial(network=TrialNetwork() as network) if record.reason.startswith(
            DivergedError.__name__
        ):
            return network.digest
    return None


def _take_over(study: optuna.Study, trial: Trial, original: TrialRecord) -> TrialRecord:
    """End a repeat as its original ended, with the same values."""
    trial.set_user_attr("copy_of", original.number)
    match original:
        case TrainedTrial():
            _take_over_costs(trial, original.latency, original.excess)
            set_quality(trial, original.quality)
            values = (original.quality.value, original.latency.median_ms)
            return _end_trial(study, trial, TrialState.COMPLETE, values)
        case RefusedTrial():
            _take_over_costs(trial, original.latency, original.excess)
            trial.set_user_attr("reason", original.reason)
            return _end_trial(study, trial, TrialState.PRUNED, None)
        case FailedTrial():
            _take_over_costs(trial, original.latency, {})
            trial.set_user_attr("reason", original.reason)
    return _end_trial(study, trial, TrialState.FAIL, None)


def _take_over_costs(trial: Trial, latency: Latency | None, excess: Mapping[str, float]) -> None:
    if latency is not None:
        set_latency(trial, latency)
    for name, share in excess.items():
        trial.set_constraint(name, share)


def _end_trial(
    study: optuna.Study, trial: Trial, state: TrialState, values: tuple[float, float] | None
) -> TrialRecord:
    """Tell the study and return what stands in it now."""
    return read_trial(study.tell(trial, values=values, state=state))


def _some_reasons(records: Iterable[TrialRecord]) -> str:
    reasons = {record.reason for record in records if isinstance(record, RefusedTrial | FailedTrial)}
    return "; ".join(sorted(reasons)[:3])


def _describe_refusals(count: int, last: RefusedTrial, limits: Mapping[str, Limit]) -> str:
    """What to say of so many networks beyond a limit, and what to change for the last one's."""
    (name, *_) = last.beyond or (LATENCY,)
    limit = f"{limits[name].most:.3g} {limits[name].unit}"
    if name == LATENCY:
        return (
            f"{count} networks in a row were slower than {limit}; raise `max_ms` or `target_ms`, or lower "
            "`width`"
        )
    return (
        f"{count} networks in a row were beyond a limit, the last one with a {name} above {limit}; raise that, or "
        "lower `width`"
    )
