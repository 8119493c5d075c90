"""Tests of trial.py."""

from itertools import pairwise

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.study.conftest import MAX_MS, SPACE, accuracy, latency, network, tell
from mnasnet.study.storage import Place, load_study
from mnasnet.study.trial import (
    TrialRecord,
    front,
    known_of_pruned,
    read_trials,
    set_accuracy,
    set_latency,
    set_network,
)


def record(number: int, median_ms: float, correct: int, *, copy_of: int | None = None) -> TrialRecord:
    """A trained network."""
    return TrialRecord(
        number=number,
        outcome="trained",
        params={},
        digest=None,
        architecture=None,
        parameters=None,
        multiply_adds=None,
        latency=latency(median_ms),
        accuracy=accuracy(correct),
        copy_of=copy_of,
        reason=None,
    )


def values(record: TrialRecord) -> tuple[float, float]:
    """Latency and error: less is better in both."""
    assert record.latency is not None
    assert record.accuracy is not None
    return record.latency.median_ms, 1 - record.accuracy.top1


def beats(one: TrialRecord, other: TrialRecord) -> bool:
    """Whether `one` is no worse in either value and better in one."""
    ours, theirs = values(one), values(other)
    return ours != theirs and ours[0] <= theirs[0] and ours[1] <= theirs[1]


# Few values, so that ties are common.
records = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=20).map(
    lambda points: [record(number, ms, correct) for number, (ms, correct) in enumerate(points)]
)


def test_what_is_written_of_a_trial_is_read_by_another_process(study: optuna.Study, place: Place) -> None:
    trial = study.ask(dict(SPACE.distributions))
    architecture = network(trial)
    set_network(trial, architecture)
    set_latency(trial, latency(1.5), max_ms=MAX_MS)
    set_accuracy(trial, accuracy(900))
    study.tell(trial, (0.9, 1.5))

    (read,) = read_trials(load_study(place))
    assert read == TrialRecord(
        number=0,
        outcome="trained",
        params=trial.params,
        digest=architecture.digest(),
        architecture=architecture,
        parameters=count_parameters(architecture.lowered()),
        multiply_adds=count_multiply_adds(architecture.lowered()),
        latency=latency(1.5),
        accuracy=accuracy(900),
        copy_of=None,
        reason=None,
    )
    assert read.charged


def test_a_trial_that_ended_early_has_none_for_what_it_did_not_reach(study: optuna.Study) -> None:
    slow = study.ask(dict(SPACE.distributions))
    set_network(slow, network(slow))
    set_latency(slow, latency(3.0), max_ms=MAX_MS)
    study.tell(slow, state=TrialState.PRUNED)
    failed = study.ask(dict(SPACE.distributions))
    failed.set_user_attr("reason", "DivergedError: the loss was nan")
    study.tell(failed, state=TrialState.FAIL)
    study.ask(dict(SPACE.distributions))

    too_slow, failure, running = read_trials(study)
    assert (too_slow.outcome, too_slow.latency, too_slow.accuracy) == ("too slow", latency(3.0), None)
    assert known_of_pruned(study.trials[too_slow.number]) == (None, 3.0)
    assert (failure.outcome, failure.latency, failure.digest) == ("failed", None, None)
    assert failure.reason == "DivergedError: the loss was nan"
    assert running.outcome == "running"
    assert not any(record.charged for record in (too_slow, failure, running))


@pytest.mark.parametrize(("median_ms", "excess"), [(3.0, 0.5), (2.0, 0.0), (1.0, -0.5)])
def test_the_constraint_says_by_how_much_the_limit_of_two_is_broken(
    study: optuna.Study, median_ms: float, excess: float
) -> None:
    trial = study.ask(dict(SPACE.distributions))
    set_latency(trial, latency(median_ms), max_ms=2.0)
    study.tell(trial, state=TrialState.PRUNED)
    assert study.get_trials()[0].constraints == {"latency": pytest.approx(excess)}


def test_a_copy_is_trained_but_not_charged(study: optuna.Study) -> None:
    tell(study, median_ms=1.0, correct=900)
    tell(study, median_ms=1.0, correct=900, copy_of=0)
    original, copy = read_trials(study)
    assert (original.charged, copy.outcome, copy.charged) == (True, "trained", False)
    assert front([original, copy]) == [original]


def test_the_front_of_an_example_in_view() -> None:
    tried = [record(0, 3, 95), record(1, 1, 80), record(2, 2, 80), record(3, 2, 94), record(4, 4, 95)]
    # 2 is as accurate as 1 and slower, 4 as accurate as 0 and slower.
    assert [record.number for record in front(tried)] == [1, 3, 0]


@given(records)
def test_no_network_of_the_front_is_beaten(tried: list[TrialRecord]) -> None:
    assert not any(beats(other, kept) for kept in front(tried) for other in tried)


@given(records)
def test_what_is_not_on_the_front_is_beaten_or_ties_with_an_earlier_one(tried: list[TrialRecord]) -> None:
    kept = front(tried)
    for other in tried:
        if other not in kept:
            assert any(
                beats(one, other) or (values(one) == values(other) and one.number < other.number)
                for one in kept
            )


@given(records)
def test_along_the_front_slower_means_more_accurate(tried: list[TrialRecord]) -> None:
    points = [values(record) for record in front(tried)]
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(points))


@given(records)
def test_trials_that_were_not_trained_change_no_front(tried: list[TrialRecord]) -> None:
    copies = [record(100 + one.number, *map(int, (1, 1)), copy_of=one.number) for one in tried]
    assert front([*copies, *tried]) == front(tried)
