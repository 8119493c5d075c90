"""Tests of loop.py."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Accuracy, Latency
from mnasnet.base.errors import RunError
from mnasnet.devices.device import DeviceError
from mnasnet.samplers.named import sampler_named
from mnasnet.search.loop import (
    CONVERGENCE_REPEATS,
    CONVERGENCE_WINDOW,
    FAILURES_IN_A_ROW,
    TOO_SLOW_IN_A_ROW,
    run_trials,
)
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.space.space import Space
from mnasnet.study.conftest import SPACE, accuracy, latency
from mnasnet.study.storage import DIRECTIONS, create_study, end_interrupted, load_study, place_of
from mnasnet.study.trial import TrialRecord, read_trials
from mnasnet.train.loop import DivergedError

LARGE = mnasnet_space(image_size=16, in_channels=1, classes=10, width=0.25)
"""So many networks that no two trials of a test are the same one."""


class RecordedLatency:
    """A latency for each network, from its digest: the same whenever it is asked for."""

    def __init__(
        self, latency_ms: Callable[[str], float] = lambda digest: 1 + int(digest[:4], 16) / 65536
    ) -> None:
        self._latency_ms = latency_ms
        self.asked: list[str] = []

    def __call__(self, architecture: Architecture) -> Latency:
        self.asked.append(architecture.digest())
        return latency(self._latency_ms(architecture.digest()))


class RecordedAccuracy:
    """An accuracy for each network, from its digest; `errors` are raised instead at the calls of their numbers."""

    def __init__(self, errors: Mapping[int, BaseException] | None = None) -> None:
        self._errors = errors or {}
        self._calls = 0
        self.trained: list[str] = []

    def __call__(self, architecture: Architecture) -> Accuracy:
        self._calls += 1
        if self._calls - 1 in self._errors:
            raise self._errors[self._calls - 1]
        self.trained.append(architecture.digest())
        return accuracy(int(architecture.digest()[4:6], 16))


class Listed(BaseSampler):
    """Proposes these choices, one after the other and then from the start again."""

    def __init__(self, proposals: Sequence[Mapping[str, Any]]) -> None:
        self._proposals = proposals

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(SPACE.distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self._proposals[trial.number % len(self._proposals)])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise NotImplementedError(f"{param_name} is proposed jointly")


def memory(sampler: BaseSampler | None = None) -> optuna.Study:
    return optuna.create_study(directions=DIRECTIONS, sampler=sampler or RandomSampler(seed=0))


def run(
    study: optuna.Study,
    *,
    trials: int,
    space: Space = LARGE,
    measure: RecordedLatency | None = None,
    estimate: RecordedAccuracy | None = None,
    max_ms: float = 10.0,
) -> tuple[list[TrialRecord], str | None]:
    """What `told` heard, and why it stopped."""
    heard: list[TrialRecord] = []
    stopped = run_trials(
        study,
        space=space,
        measure=measure or RecordedLatency(),
        estimate=estimate or RecordedAccuracy(),
        trials=trials,
        max_ms=max_ms,
        told=heard.append,
    )
    return heard, stopped


def choices(operation: str, kernel: int = 3) -> dict[str, Any]:
    """A point of the small space."""
    block = {"op": operation, "kernel": kernel, "se": 0.0, "skip": "none", "filters": 1.0, "layers": 1}
    return {f"block{number}.{name}": value for number in (1, 2) for name, value in block.items()}


def test_every_trial_is_durable_when_it_is_told_of(tmp_path: Path) -> None:
    place = place_of(tmp_path, None)
    study = create_study(place)
    seen: list[bool] = []

    def told(record: TrialRecord) -> None:
        seen.append(read_trials(load_study(place))[-1] == record)

    run_trials(
        study,
        space=LARGE,
        measure=RecordedLatency(),
        estimate=RecordedAccuracy(),
        trials=2,
        max_ms=10,
        told=told,
    )
    assert seen == [True, True]


def test_a_trial_keeps_both_values_and_the_network_they_are_of() -> None:
    study = memory()
    (record,), stopped = run(study, trials=1)
    assert stopped is None
    assert record.architecture == LARGE.decode(record.params)
    digest = record.architecture.digest()
    assert record.digest == digest
    top1, latency_ms = study.trials[0].values
    assert top1 == int(digest[4:6], 16) / 1000
    assert latency_ms == 1 + int(digest[:4], 16) / 65536


def test_a_network_above_the_limit_costs_no_training() -> None:
    measure, estimate = RecordedLatency(), RecordedAccuracy()
    heard, _ = run(memory(), trials=10, measure=measure, estimate=estimate, max_ms=1.5)
    slow = [record for record in heard if record.outcome == "too slow"]
    assert slow
    assert [record.digest for record in heard] == measure.asked
    assert [record.digest for record in heard if record not in slow] == estimate.trained
    for record in heard:
        assert record.latency is not None
        assert (record.latency.median_ms > 1.5) == (record in slow)
    assert "above the limit of 1.5 ms" in (slow[0].reason or "")


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(1.3, 2.5))
def test_trials_counts_the_networks_that_were_trained_and_no_network_is_trained_twice(
    seed: int, trials: int, max_ms: float
) -> None:
    estimate = RecordedAccuracy()
    heard, stopped = run(
        memory(RandomSampler(seed=seed)), trials=trials, space=SPACE, estimate=estimate, max_ms=max_ms
    )
    assert stopped is None
    assert len(estimate.trained) == len(set(estimate.trained)) == trials
    assert sum(record.charged for record in heard) == trials
    # Copies of it take over the values of the network's first trial, measured once.
    for record in heard:
        if record.copy_of is not None:
            original = heard[record.copy_of]
            assert original.copy_of is None
            assert (record.digest, record.latency, record.accuracy, record.outcome) == (
                original.digest,
                original.latency,
                original.accuracy,
                original.outcome,
            )


def test_other_choices_of_the_same_network_are_a_copy() -> None:
    # 0.75 and 1 times 64 filters are 16 both, at width 0.25 and rounded to multiples of 8.
    one, other = choices("sep"), {**choices("sep"), "block1.filters": 0.75}
    assert SPACE.decode(one) == SPACE.decode(other)
    measure, estimate = RecordedLatency(), RecordedAccuracy()
    heard, _ = run(
        memory(Listed([one, other, choices("mb3")])),
        trials=2,
        space=SPACE,
        measure=measure,
        estimate=estimate,
    )
    assert [record.copy_of for record in heard] == [None, 0, None]
    assert len(measure.asked) == len(estimate.trained) == 2


def test_a_copy_of_a_network_that_was_too_slow_is_too_slow_as_well() -> None:
    measure = RecordedLatency(lambda digest: 5.0 if digest == SPACE.decode(choices("mb3")).digest() else 1.0)
    heard, _ = run(
        memory(Listed([choices("mb3"), choices("mb3"), choices("sep")])),
        trials=1,
        space=SPACE,
        measure=measure,
        max_ms=2,
    )
    assert [(record.outcome, record.copy_of) for record in heard] == [
        ("too slow", None),
        ("too slow", 0),
        ("trained", None),
    ]
    assert len(measure.asked) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DivergedError("the loss was nan at step 7 of 9"), "DivergedError: the loss was nan at step 7 of 9"),
        (RuntimeError("not enough memory\nat c10"), "RuntimeError: not enough memory"),
        (MemoryError(), "MemoryError: MemoryError"),
        (RunError("network.tflite differs"), "RunError: network.tflite differs"),
        (DeviceError("the process died twice"), "DeviceError: the process died twice"),
    ],
)
def test_a_trial_that_fails_is_recorded_with_its_reason_and_the_search_goes_on(
    error: Exception, reason: str
) -> None:
    heard, stopped = run(memory(), trials=3, estimate=RecordedAccuracy({1: error}))
    assert stopped is None
    assert [record.outcome for record in heard] == ["trained", "failed", "trained", "trained"]
    assert heard[1].reason == reason
    assert heard[1].latency is not None


def test_a_network_that_failed_may_be_tried_again() -> None:
    estimate = RecordedAccuracy({0: RuntimeError("out of memory")})
    heard, _ = run(memory(Listed([choices("sep")])), trials=1, space=SPACE, estimate=estimate)
    assert [(record.outcome, record.copy_of) for record in heard] == [("failed", None), ("trained", None)]


def test_five_failures_in_a_row_are_not_the_networks() -> None:
    study = memory()
    errors = {number: RuntimeError(f"out of memory {number}") for number in (0, 2, 3, 4, 5, 6)}
    with pytest.raises(RunError, match=r"^5 trials failed in a row.*RuntimeError: out of memory 6$"):
        run(study, trials=9, estimate=RecordedAccuracy(errors))
    outcomes = [record.outcome for record in read_trials(study)]
    assert outcomes == ["failed", "trained"] + FAILURES_IN_A_ROW * ["failed"]


def test_a_repeat_in_between_does_not_make_failures_fewer() -> None:
    four = [choices(operation, kernel) for operation in ("sep", "mb3") for kernel in (3, 5)]
    out_of_memory = {number: RuntimeError("out of memory") for number in range(2, 9)}
    errors: dict[int, Exception] = {0: DivergedError("the loss was nan"), **out_of_memory}
    # The first diverges, for good: its repeats in between are copies.
    proposals = [four[0], four[1], four[2], four[0], four[3], four[2], four[0], four[3], four[2], four[3]]
    with pytest.raises(RunError, match=r"^5 trials failed in a row"):
        run(memory(Listed(proposals)), trials=9, space=SPACE, estimate=RecordedAccuracy(errors))


def test_a_space_in_which_nothing_can_be_trained_is_no_success() -> None:
    four = [choices(operation, kernel) for operation in ("sep", "mb3") for kernel in (3, 5)]
    errors = {number: DivergedError("the loss was nan") for number in range(4)}
    with pytest.raises(
        RunError, match="no network that the sampler proposes can be trained: DivergedError: the"
    ):
        run(memory(Listed(four)), trials=9, space=SPACE, estimate=RecordedAccuracy(errors))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(28, "No space left on device"), ValueError("a bug")]
)
def test_ctrl_c_a_full_disk_and_a_mistake_of_ours_pass_through(error: BaseException) -> None:
    study = memory()
    with pytest.raises(type(error)):
        run(study, trials=3, estimate=RecordedAccuracy({1: error}))
    assert [record.outcome for record in read_trials(study)] == ["trained", "running"]
    assert end_interrupted(study) == 1


def test_a_space_that_has_been_tried_through_says_so() -> None:
    four = [choices(operation, kernel) for operation in ("sep", "mb3") for kernel in (3, 5)]
    estimate = RecordedAccuracy()
    heard, stopped = run(memory(Listed(four)), trials=100, space=SPACE, estimate=estimate)
    assert len(estimate.trained) == 4
    # Four networks, and then repeats until they are 27 of the last 30.
    assert len(heard) == CONVERGENCE_WINDOW + 1
    assert (
        stopped
        == f"converged: {CONVERGENCE_REPEATS} of the last {CONVERGENCE_WINDOW} proposals had been tried before"
    )


def test_a_search_that_has_converged_asks_for_nothing_more_when_it_is_begun_again() -> None:
    four = [choices(operation, kernel) for operation in ("sep", "mb3") for kernel in (3, 5)]
    study = memory(Listed(four))
    run(study, trials=100, space=SPACE)
    heard, stopped = run(study, trials=200, space=SPACE)
    assert heard == []
    assert stopped is not None


def test_a_limit_that_leaves_nothing_to_train_ends_the_search_with_the_way_out() -> None:
    study = memory()
    with pytest.raises(
        RunError, match=f"{TOO_SLOW_IN_A_ROW} networks in a row were slower than 1 ms; raise `max_ms`"
    ):
        run(study, trials=1, max_ms=1.0)
    assert {record.outcome for record in read_trials(study)} == {"too slow"}


def test_a_search_goes_on_to_exactly_the_trials_asked_for(tmp_path: Path) -> None:
    place = place_of(tmp_path, None)
    estimate = RecordedAccuracy({2: KeyboardInterrupt()})
    study = create_study(place)
    study.sampler = sampler_named("random", seed=0)
    with pytest.raises(KeyboardInterrupt):
        run(study, trials=5, estimate=estimate)
    again = load_study(place)
    again.sampler = sampler_named("random", seed=0)
    end_interrupted(again)
    heard, _ = run(again, trials=5, estimate=estimate)
    assert sum(record.charged for record in read_trials(again)) == 5
    assert len(heard) == 3
    assert len(set(estimate.trained)) == len(estimate.trained) == 5
    interrupted, retried = read_trials(again)[2:4]
    assert interrupted.digest == retried.digest
    assert run(again, trials=5, estimate=estimate) == ([], None)


def test_a_network_that_ends_the_process_is_tried_once_more_and_not_for_ever() -> None:
    study = memory()
    estimate = RecordedAccuracy({1: KeyboardInterrupt(), 2: KeyboardInterrupt()})
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(study, trials=3, estimate=estimate)
        end_interrupted(study)
    run(study, trials=3, estimate=estimate)
    digests = [record.digest for record in read_trials(study)]
    assert digests[1] == digests[2]
    assert len(set(digests)) == len(digests) - 1 == 4


def test_what_was_tried_before_a_restart_is_known_after_it(tmp_path: Path) -> None:
    place = place_of(tmp_path, None)
    study = create_study(place)
    study.sampler = Listed([choices("sep"), choices("sep"), choices("mb3")])
    run(study, trials=1, space=SPACE)
    again = load_study(place)
    again.sampler = study.sampler
    estimate = RecordedAccuracy()
    heard, _ = run(again, trials=2, space=SPACE, estimate=estimate)
    assert [record.copy_of for record in heard] == [0, None]
    assert len(estimate.trained) == 1


@pytest.mark.parametrize("sampler", ["ppo", "tpe"])
def test_a_search_in_two_parts_tries_what_one_in_a_single_part_tries(sampler: str, tmp_path: Path) -> None:
    def seeded(study: optuna.Study) -> optuna.Study:
        study.sampler = sampler_named(
            sampler,
            seed=3,
            reward=lambda values: values[0],
            canonical=LARGE.canonical,
            batch=2,
        )
        return study

    whole, parts = place_of(tmp_path / "whole", None), place_of(tmp_path / "parts", None)
    run(seeded(create_study(whole)), trials=4)
    run(seeded(create_study(parts)), trials=2)
    run(seeded(load_study(parts)), trials=4)
    expected, found = (
        [record.params for record in read_trials(load_study(place))] for place in (whole, parts)
    )
    assert found == expected
