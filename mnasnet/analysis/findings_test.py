"""Tests of findings.py and recommendation.py: what is read out of a search."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from mnasnet.analysis.findings import read_findings
from mnasnet.analysis.recommendation import find_best
from mnasnet.measures.limits import FILE_SIZE
from mnasnet.samplers.expectation import LEAST
from mnasnet.study.card import write_card
from mnasnet.study.conftest import latency, setup, tell, trained
from mnasnet.study.setup import write_setup
from mnasnet.study.storage import INTERRUPTED
from mnasnet.study.trial import FailedTrial, RefusedTrial, TrainedTrial


def test_every_trial_is_counted_once(study: optuna.Study, tmp_path: Path) -> None:
    counts = read_findings(study, tmp_path).counts
    assert counts == {
        "trained": 5,
        "copies": 1,
        "too slow": 1,
        "beyond a limit": 0,
        "failed": 1,
        "interrupted": 0,
        "running": 0,
    }
    assert sum(counts.values()) == len(study.trials)


def test_the_best_is_best_by_reward_and_a_new_target_may_choose_another(
    study: optuna.Study, tmp_path: Path
) -> None:
    def best(target_ms: float | None) -> int | None:
        record = find_best(read_findings(study, tmp_path, target_ms=target_ms))
        return None if record is None else record.number

    assert best(None) == 2
    # The soft reward is a product of powers, so its order does not depend on the target.
    assert best(0.1) == 2
    study.set_user_attr("setup", {**study.user_attrs["setup"], "reward": "hard"})
    assert best(None) == 2
    assert best(0.3) == 0  # 0.8 against 0.94 · 0.3 / 0.4
    assert best(0.85) == 4  # nothing is charged below the target


def test_of_networks_of_equal_reward_the_fastest_is_the_best(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, replace(setup(), reward="hard"))
    for median_ms in (0.4, 0.2, 0.3):  # all within the target
        tell(empty_study, median_ms=median_ms, correct=940)
    found = read_findings(empty_study, tmp_path)
    best = trained(find_best(found))
    assert (best.number, found.front) == (1, (best,))


def test_a_new_target_is_no_change_where_it_is_the_old_one(study: optuna.Study, tmp_path: Path) -> None:
    assert not read_findings(study, tmp_path, target_ms=0.5).rescored
    assert read_findings(study, tmp_path, target_ms=0.6).rescored


def test_a_target_that_is_no_time_is_refused(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`target_ms` -8: give a number above 0"):
        read_findings(study, tmp_path, target_ms=-8)


def test_no_more_than_all_is_expected_of_networks_that_are_right_on_all_images(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, setup())
    for number in range(LEAST):
        tell(empty_study, median_ms=0.4, correct=1000 if number % 3 else 900)
    assert max(read_findings(empty_study, tmp_path).expected.values()) <= 1


def test_something_is_expected_of_each_network_that_was_trained_once_there_are_enough(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, setup())
    for number in range(LEAST - 1):
        tell(empty_study, median_ms=0.4 + number / 100, correct=500 + number)
    tell(empty_study, median_ms=0.4, correct=500, copy_of=0)
    empty_study.tell(empty_study.ask(), state=TrialState.FAIL)
    assert read_findings(empty_study, tmp_path).expected == {}
    tell(empty_study, median_ms=0.5, correct=510)
    found = read_findings(empty_study, tmp_path)
    assert list(found.expected) == [record.number for record in found.trained]
    assert all(0.4 < one < 0.6 for one in found.expected.values())


def test_how_far_the_milliseconds_may_be_off_is_what_the_reference_took_beside_the_trials(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = read_findings(study, tmp_path)

    def timed(*raw_reference_ms: float, copy_of: int | None = None) -> TrainedTrial:
        beside = replace(latency(0.4), raw_reference_ms=raw_reference_ms)
        return replace(trained(findings.records[0]), latency=beside, copy_of=copy_of)

    changed = replace(findings, records=(timed(0.9, 1.0, 9.0), timed(1.2, 1.3, 1.4), timed(7.0, copy_of=0)))
    assert changed.reference_ms == (1.0, 1.3)
    assert replace(findings, records=()).reference_ms is None


def test_an_interrupted_repeat_is_a_copy_and_nothing_else(study: optuna.Study, tmp_path: Path) -> None:
    findings = read_findings(study, tmp_path)
    repeat = FailedTrial(number=9, params={}, network=None, latency=None, reason=INTERRUPTED, copy_of=0)
    counts = replace(findings, records=(repeat,)).counts
    assert {name: count for name, count in counts.items() if count} == {"copies": 1}


def test_what_another_search_left_in_the_folder_is_no_finalist(study: optuna.Study, finished: Path) -> None:
    found = read_findings(study, finished)
    assert found.control is not None
    assert len(found.finalists) == 2
    timed = replace(found.finalists[0].latency, reference_ms=7.0)
    write_card(replace(found.finalists[0], latency=timed), finished / "finalists" / found.finalists[0].digest)
    assert read_findings(study, finished).finalists == found.finalists[1:]
    write_card(replace(found.control, fingerprint="other"), finished / "finalists" / found.control.digest)
    assert read_findings(study, finished).control is None


def test_what_is_too_large_is_beyond_a_limit_and_not_too_slow(study: optuna.Study, tmp_path: Path) -> None:
    findings = read_findings(study, tmp_path)
    large = RefusedTrial(
        number=9,
        params={},
        network=trained(findings.records[0]).network,
        latency=None,
        excess={FILE_SIZE: 0.5},
        reason="3 MB, above the limit of 2 MB",
    )
    counts = replace(findings, records=(large,)).counts
    assert {name: count for name, count in counts.items() if count} == {"beyond a limit": 1}
    assert replace(findings, records=(large,)).timed == ()
