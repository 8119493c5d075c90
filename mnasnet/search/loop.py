"""The loop of the paper: sample, measure, train, reward, update (section 4.2)."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import optuna
from optuna.trial import Trial, TrialState

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Accuracy, Latency
from mnasnet.base.errors import RunError
from mnasnet.base.words import first_line
from mnasnet.devices.device import DeviceLostError, UnsuitableError
from mnasnet.space.space import Space
from mnasnet.study.storage import retry_interrupted
from mnasnet.study.trial import (
    TrialRecord,
    read_trial,
    read_trials,
    set_accuracy,
    set_latency,
    set_network,
)
from mnasnet.train.loop import DivergedError

FAILURES_IN_A_ROW = 5
"""So many failed trials in a row mean that it is not the networks."""

CONVERGENCE_WINDOW = 30
CONVERGENCE_REPEATS = 27
"""So many repeats among the last asks mean that the sampler has nothing new to propose."""

TOO_SLOW_IN_A_ROW = 200
"""So many networks in a row above the limit mean that the limit leaves nothing to train."""

FAILURES = (RunError, UnsuitableError, RuntimeError, MemoryError)
"""What makes one trial fail and lets the search go on: a diverged training, an export, the device, memory, of which
torch says so with a plain RuntimeError. Any other ValueError is none: it is a mistake of ours and ends the search
loudly.
"""


class Estimate(Protocol):
    """Accuracy of an architecture: proxy training, or a table of networks that others trained."""

    def __call__(self, architecture: Architecture) -> Accuracy:
        """Judge `architecture`, with the conditions in the record."""
        ...


class Measure(Protocol):
    """Latency of an architecture, untrained, on the device."""

    def __call__(self, architecture: Architecture, /) -> Latency:
        """Time `architecture`."""
        ...


def run_trials(
    study: optuna.Study,
    *,
    space: Space,
    measure: Measure,
    estimate: Estimate,
    trials: int,
    max_ms: float,
    told: Callable[[TrialRecord], None],
) -> str | None:
    """Search until the study holds `trials` trained networks; why it stopped earlier, or None.

    Every trial is durable in the study when `told` hears of it. A network slower than `max_ms` is not trained;
    one that was tried before takes over the recorded values and is not charged; one that fails is recorded with
    its reason; one that was interrupted comes first.

    Raises:
        RunError: five trials failed in a row, or hundreds of networks in a row were too slow.
        DeviceLostError: the device went away and did not come back.
    """
    finished: dict[str, TrialRecord] = {}
    trained = 0
    recent: deque[bool] = deque(maxlen=CONVERGENCE_WINDOW)
    for record in read_trials(study):
        recent.append(record.copy_of is not None)
        if _is_settled(record) and record.digest is not None:
            finished.setdefault(record.digest, record)
        trained += record.charged
    failures = too_slow = 0
    while trained < trials:
        if sum(recent) >= CONVERGENCE_REPEATS:
            if trained == 0:
                reasons = sorted({str(record.reason) for record in finished.values()})
                raise RunError(
                    f"no network that the sampler proposes can be trained: {'; '.join(reasons[:3])}"
                )
            return f"converged: {sum(recent)} of the last {len(recent)} proposals had been tried before"
        retry_interrupted(study)  # just before it is asked for, so that none is left waiting
        trial = study.ask(dict(space.distributions))
        record = _run_trial(study, trial, space, finished, measure=measure, estimate=estimate, max_ms=max_ms)
        told(record)
        trained += record.charged
        recent.append(record.copy_of is not None)
        if record.copy_of is None:  # a repeat says nothing new of what fails
            failures = failures + 1 if record.outcome == "failed" else 0
        too_slow = too_slow + 1 if record.outcome == "too slow" else 0
        if failures == FAILURES_IN_A_ROW:
            raise RunError(f"{failures} trials failed in a row, the last one with: {record.reason}")
        if too_slow == TOO_SLOW_IN_A_ROW:
            raise RunError(
                f"{too_slow} networks in a row were slower than {max_ms:.3g} ms; raise `max_ms` or `target_ms`, "
                "or lower `width`"
            )
    return None


def _run_trial(
    study: optuna.Study,
    trial: Trial,
    space: Space,
    finished: dict[str, TrialRecord],
    *,
    measure: Measure,
    estimate: Estimate,
    max_ms: float,
) -> TrialRecord:
    """One trip: decode, measure, train, tell."""
    architecture = space.decode(trial.params)
    digest = architecture.digest()
    set_network(trial, architecture)
    if (original := finished.get(digest)) is not None:
        return _take_over(study, trial, original, max_ms=max_ms)
    values: tuple[float, float] | None = None
    try:
        latency = measure(architecture)
        set_latency(trial, latency, max_ms=max_ms)
        if latency.median_ms > max_ms:
            trial.set_user_attr("reason", f"{latency.median_ms:.3g} ms, above the limit of {max_ms:.3g} ms")
        else:
            accuracy = estimate(architecture)
            set_accuracy(trial, accuracy)
            values = (accuracy.top1, latency.median_ms)
    except DeviceLostError:
        raise  # nothing is known of this network, and the next one would not be measured either
    except FAILURES as error:
        trial.set_user_attr("reason", f"{type(error).__name__}: {first_line(error)}")
        record = _told(study, trial, TrialState.FAIL, None)
    else:
        record = _told(study, trial, TrialState.PRUNED if values is None else TrialState.COMPLETE, values)
    if _is_settled(record):
        finished[digest] = record
    return record


def _is_settled(record: TrialRecord) -> bool:
    """Whether trying the same network again would give the same: the same seed diverges the same way."""
    diverged = record.reason is not None and record.reason.startswith(DivergedError.__name__)
    return record.outcome in ("trained", "too slow") or (record.outcome == "failed" and diverged)


def _take_over(study: optuna.Study, trial: Trial, original: TrialRecord, *, max_ms: float) -> TrialRecord:
    """End a repeat as its original ended, with the same values."""
    trial.set_user_attr("copy_of", original.number)
    if original.reason is not None:
        trial.set_user_attr("reason", original.reason)
    if original.latency is not None:
        set_latency(trial, original.latency, max_ms=max_ms)
    if original.accuracy is None or original.latency is None:
        state = TrialState.PRUNED if original.outcome == "too slow" else TrialState.FAIL
        return _told(study, trial, state, None)
    set_accuracy(trial, original.accuracy)
    values = (original.accuracy.top1, original.latency.median_ms)
    return _told(study, trial, TrialState.COMPLETE, values)


def _told(
    study: optuna.Study, trial: Trial, state: TrialState, values: tuple[float, float] | None
) -> TrialRecord:
    """Tell the study and return what stands in it now."""
    return read_trial(study.tell(trial, values=values, state=state))
