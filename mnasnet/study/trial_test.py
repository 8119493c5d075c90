"""Tests of trial.py."""

from itertools import pairwise

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.measures.limits import FILE_SIZE, LATENCY, limit_on
from mnasnet.measures.quantity import Quantity
from mnasnet.study.conftest import (
    MAX_MS,
    SPACE,
    failed,
    latency,
    network,
    outcome,
    quality,
    refused,
    tell,
    trained,
    trained_trial,
)
from mnasnet.study.storage import Place, load_study
from mnasnet.study.trial import (
    ProposedTrial,
    TrainedTrial,
    TrialNetwork,
    find_front,
    read_known_values,
    read_trials,
    set_cost,
    set_excess,
    set_latency,
    set_network,
    set_quality,
)


def values(record: TrainedTrial) -> tuple[float, float]:
    """Latency and error: less is better in both."""
    return record.latency.median_ms, 1 - record.quality.value


def beats(one: TrainedTrial, other: TrainedTrial) -> bool:
    """Whether `one` is no worse in either value and better in one."""
    ours, theirs = values(one), values(other)
    return ours != theirs and ours[0] <= theirs[0] and ours[1] <= theirs[1]


# Few values, so that ties are common.
records = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=20).map(
    lambda points: [trained_trial(number, ms, correct) for number, (ms, correct) in enumerate(points)]
)


def test_what_is_written_of_a_trial_is_read_by_another_process(study: optuna.Study, place: Place) -> None:
    trial = study.ask(dict(SPACE.distributions))
    architecture = network(trial)
    set_network(trial, architecture)
    set_latency(trial, latency(1.5))
    set_quality(trial, quality(900))
    study.tell(trial, (0.9, 1.5))

    (read,) = read_trials(load_study(place))
    assert read == TrainedTrial(
        number=0,
        params=trial.params,
        network=TrialNetwork(
            architecture=architecture,
            digest=architecture.digest(),
            parameters=count_parameters(architecture.lowered()),
            multiply_adds=count_multiply_adds(architecture.lowered()),
        ),
        latency=latency(1.5),
        quality=quality(900),
    )
    assert read.charged


def test_a_trial_that_ended_early_says_how_far_it_came(study: optuna.Study) -> None:
    slow = study.ask(dict(SPACE.distributions))
    set_network(slow, network(slow))
    set_latency(slow, latency(3.0))
    assert set_excess(slow, limit_on(LATENCY, MAX_MS), latency(3.0).quantity)
    study.tell(slow, state=TrialState.PRUNED)
    failing = study.ask(dict(SPACE.distributions))
    failing.set_user_attr("reason", "DivergedError: the loss was nan")
    study.tell(failing, state=TrialState.FAIL)
    study.ask(dict(SPACE.distributions))

    too_slow, failure, running = read_trials(study)
    assert refused(too_slow).latency == latency(3.0)
    assert refused(too_slow).beyond == ("latency",)
    assert refused(too_slow).reason == "3 ms, above the limit of 2 ms"
    assert read_known_values(study.trials[too_slow.number]) == (None, 3.0)
    assert (failed(failure).latency, failed(failure).network) == (None, None)
    assert failed(failure).reason == "DivergedError: the loss was nan"
    assert type(running) is ProposedTrial
    assert not any(record.charged for record in (too_slow, failure, running))


def test_a_trial_of_version_0_1_is_read_as_one_of_today(study: optuna.Study) -> None:
    # It had the accuracy as a count, under another name.
    conditions = {"epochs": 5, "seed": 0, "on": "held-out", "train_images": 4000, "seconds": 6.5}
    trial = study.ask(dict(SPACE.distributions))
    set_network(trial, network(trial))
    set_latency(trial, latency(1.5))
    trial.set_user_attr("accuracy", {"correct": 900, "images": 1000, **conditions})
    study.tell(trial, (0.9, 1.5))
    assert trained(read_trials(study)[0]).quality == quality(900)


def test_a_trial_whose_record_is_not_whole_failed(study: optuna.Study) -> None:
    trial = study.ask(dict(SPACE.distributions))
    study.tell(trial, (0.9, 1.5))
    assert failed(read_trials(study)[0]).reason == "its record is not whole"


def test_another_cost_stands_beside_the_latency_with_its_limit(study: optuna.Study) -> None:
    trial = study.ask(dict(SPACE.distributions))
    set_network(trial, network(trial))
    size = Quantity(name=FILE_SIZE, unit="MB", better="lower", value=3.0, interval=None, conditions={})
    set_cost(trial, size)
    assert set_excess(trial, limit_on(FILE_SIZE, 2.0), size)
    study.tell(trial, state=TrialState.PRUNED)
    assert study.trials[0].user_attrs["file size"] == {"value": 3.0, "unit": "MB"}
    assert refused(read_trials(study)[0]).excess == {"file size": pytest.approx(0.5)}


@pytest.mark.parametrize(("median_ms", "excess"), [(3.0, 0.5), (2.0, 0.0), (1.0, -0.5)])
def test_the_constraint_says_by_how_much_the_limit_of_two_is_broken(
    study: optuna.Study, median_ms: float, excess: float
) -> None:
    trial = study.ask(dict(SPACE.distributions))
    set_excess(trial, limit_on(LATENCY, 2.0), latency(median_ms).quantity)
    study.tell(trial, state=TrialState.PRUNED)
    assert study.get_trials()[0].constraints == {"latency": pytest.approx(excess)}


def test_a_copy_is_trained_but_not_charged(study: optuna.Study) -> None:
    tell(study, median_ms=1.0, correct=900)
    tell(study, median_ms=1.0, correct=900, copy_of=0)
    original, copy = read_trials(study)
    assert (original.charged, outcome(copy), copy.charged) == (True, "trained", False)
    assert find_front([original, copy]) == [original]


def test_the_front_of_an_example_in_view() -> None:
    tried = [
        trained_trial(0, 3, 95),
        trained_trial(1, 1, 80),
        trained_trial(2, 2, 80),
        trained_trial(3, 2, 94),
        trained_trial(4, 4, 95),
    ]
    # 2 is as accurate as 1 and slower, 4 as accurate as 0 and slower.
    assert [record.number for record in find_front(tried)] == [1, 3, 0]


@given(records)
def test_no_network_of_the_front_is_beaten(tried: list[TrainedTrial]) -> None:
    assert not any(beats(other, kept) for kept in find_front(tried) for other in tried)


@given(records)
def test_what_is_not_on_the_front_is_beaten_or_ties_with_an_earlier_one(tried: list[TrainedTrial]) -> None:
    kept = find_front(tried)
    for other in tried:
        if other not in kept:
            assert any(
                beats(one, other) or (values(one) == values(other) and one.number < other.number)
                for one in kept
            )


@given(records)
def test_along_the_front_slower_means_more_accurate(tried: list[TrainedTrial]) -> None:
    points = [values(record) for record in find_front(tried)]
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(points))


@given(records)
def test_trials_that_were_not_trained_change_no_find_front(tried: list[TrainedTrial]) -> None:
    copies = [trained_trial(100 + one.number, 1, 1, copy_of=one.number) for one in tried]
    assert find_front([*copies, *tried]) == find_front(tried)
