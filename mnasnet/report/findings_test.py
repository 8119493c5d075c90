"""Tests of findings.py and summary.py: what is read out of a search, and how the terminal says it."""

import io
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from mnasnet.report.conftest import add_failed
from mnasnet.report.findings import find
from mnasnet.report.report import page
from mnasnet.report.summary import (
    best,
    best_lines,
    best_within,
    expected_best,
    front_table,
    reference_line,
    summary_lines,
    tried,
)
from mnasnet.samplers.expectation import LEAST
from mnasnet.study.card import write_card
from mnasnet.study.conftest import latency, setup, tell
from mnasnet.study.storage import INTERRUPTED, write_setup
from mnasnet.study.trial import TrialRecord

EXPECTED = {0: 0.80, 1: 0.8, 2: 0.82, 4: 0.90, 7: 0.80}
"""Of the networks that the made-up search trained, of which 2 seemed the best."""


def test_every_trial_is_counted_once(study: optuna.Study, tmp_path: Path) -> None:
    counts = find(study, tmp_path).counts
    assert counts == {"trained": 5, "copies": 1, "too slow": 1, "failed": 1, "interrupted": 0, "running": 0}
    assert sum(counts.values()) == len(study.trials)


def test_the_best_is_best_by_reward_and_a_new_target_may_choose_another(
    study: optuna.Study, tmp_path: Path
) -> None:
    def best(target_ms: float | None) -> int | None:
        record = find(study, tmp_path, target_ms=target_ms).best
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
    found = find(empty_study, tmp_path)
    assert found.best
    assert (found.best.number, found.front) == (1, (found.best,))


def test_a_new_target_is_no_change_where_it_is_the_old_one(study: optuna.Study, tmp_path: Path) -> None:
    assert not find(study, tmp_path, target_ms=0.5).rescored
    assert find(study, tmp_path, target_ms=0.6).rescored


def test_a_target_that_is_no_time_is_refused(study: optuna.Study, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="positive number of milliseconds, not -8"):
        find(study, tmp_path, target_ms=-8)


def test_the_table_of_the_front_fits_80_columns(study: optuna.Study, tmp_path: Path) -> None:
    written = io.StringIO()
    Console(width=80, file=written).print(front_table(find(study, tmp_path)))
    rows = [line.split() for line in written.getvalue().splitlines()][-3:]
    assert [row[:-3] for row in rows] == [
        ["0", "0.300", "[0.290,", "0.310]", "80.0", "[75.1,", "84.1]", *_size(study, 0)],
        ["*", "2", "0.400", "[0.390,", "0.410]", "94.0", "[90.7,", "96.2]", *_size(study, 2)],
        ["4", "0.800", "[0.790,", "0.810]", "95.0", "[91.9,", "96.9]", *_size(study, 4)],
    ]
    assert [row[-1] for row in rows] == ["0.8291", "0.9548", "0.9193"]


def test_the_summary_says_what_was_tried_and_gained(study: optuna.Study, finished: Path) -> None:
    lines = summary_lines(find(study, finished), controller_updates=2)
    assert lines[:3] == [
        "5 networks trained, 1 copy, 1 too slow to train, 1 failed",
        "the controller learned 2 times",
        "best: trial 2, 94.0 [90.7, 96.2] % on held-out images, 0.400 [0.390, 0.410] ms, "
        "reward 0.9548 for 0.500 ms",
    ]
    assert [line.split()[0] for line in lines[3:6]] == ["finalist", "finalist", "control"]
    assert "93.0 [90.4, 94.9] % on test images, 0.500 [0.490, 0.510] ms" in lines[5]
    assert lines[6].endswith("against MobileNetV2: gain, faster; no clear difference in accuracy")
    assert lines[7].endswith("against MobileNetV2: gain, more accurate and faster")


def test_a_best_network_over_the_target_is_said_to_be_and_the_best_within_it_named(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, replace(setup(), reward="soft", target_ms=0.5))
    tell(empty_study, median_ms=0.75, correct=900)  # worth 0.9 · 1.5^-0.07 = 0.875
    found = find(empty_study, tmp_path)
    assert "for 0.500 ms, which it is 50% over" in best(found)
    assert best_within(found) == "no trained network keeps to 0.500 ms"
    for median_ms, correct in ((0.25, 700), (0.45, 800), (0.48, 790)):
        tell(empty_study, median_ms=median_ms, correct=correct)  # at most 0.8 · 0.9^-0.07 = 0.806
    found = find(empty_study, tmp_path)
    assert (within := best_within(found)) is not None
    assert within.startswith("best within 0.500 ms: trial 2, 80.0 [")
    assert within in summary_lines(found)
    tell(empty_study, median_ms=0.4, correct=950)
    assert best_within(find(empty_study, tmp_path)) is None


def test_the_network_of_the_highest_expected_reward_is_named_beside_the_one_of_the_highest_reward(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = find(study, tmp_path)
    assert findings.expected_best == findings.best
    assert expected_best(findings) is None
    findings = replace(findings, expected=EXPECTED)
    assert findings.expected_best
    assert findings.expected_best.number == 4
    assert (line := expected_best(findings)) is not None
    assert line.startswith(
        "highest expected reward: trial 4, 95.0 [91.9, 96.9] % on held-out images, 0.800 ["
    )
    # 0.90 · 1.6^-0.07 and 0.82 · 0.8^-0.07, the target being 0.5 ms.
    assert line.endswith("all 5 networks together 0.8709, and 0.8329 of trial 2")
    assert best(findings).startswith("best: trial 2,")
    assert summary_lines(findings)[1:3] == [best(findings), line]
    # Worth 0.83292 against 0.83291: what is the same in four digits is not said to differ.
    alike = replace(findings, expected={**EXPECTED, 4: 0.86077})
    assert alike.expected_best == findings.expected_best
    assert expected_best(alike) is None


def test_where_one_of_them_is_over_the_target_the_best_within_it_is_named_by_expected_accuracy(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = replace(find(study, tmp_path), expected={**EXPECTED, 0: 0.83})
    assert (line := best_within(findings)) is not None
    assert line.startswith("highest expected accuracy within 0.500 ms: trial 0, 80.0 [75.1, 84.1] %")
    assert line.endswith(" ms; 83.0%")
    assert best_within(replace(findings, expected={**EXPECTED, 4: 0.70})) is None


def test_with_a_hard_reward_the_expected_best_keeps_to_the_target_where_anything_does(
    study: optuna.Study, tmp_path: Path
) -> None:
    study.set_user_attr("setup", {**study.user_attrs["setup"], "reward": "hard"})

    def lines(target_ms: float) -> list[str]:
        return best_lines(replace(find(study, tmp_path, target_ms=target_ms), expected=EXPECTED))

    # At 0.7999 ms trial 4, of 0.8 ms, loses nothing that could be told: 0.9 · 0.7999 / 0.8.
    over, within = lines(0.7999)
    assert over.startswith("best: trial 4,")
    assert over.endswith("which it is less than 1% over, re-scored without training")
    assert within.startswith("highest expected reward within 0.800 ms: trial 2,")
    assert within.endswith("together 0.8200, and 0.8999 of trial 4")
    # No network is as fast as 0.2 ms: then the reward alone counts, of trial 0 as measured and as expected.
    fastest, nothing = lines(0.2)
    assert fastest.startswith("best: trial 0,")
    assert nothing == "no trained network keeps to 0.200 ms"
    # With too few networks to expect anything the best within the target is named, and is the first finalist.
    few = find(study, tmp_path, target_ms=0.7999)
    assert few.expected_best
    assert best_lines(few)[1:] == [best_within(few)]
    assert best_lines(few)[1].startswith(f"best within 0.800 ms: trial {few.expected_best.number},")


def test_no_more_than_all_is_expected_of_networks_that_are_right_on_all_images(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, setup())
    for number in range(LEAST):
        tell(empty_study, median_ms=0.4, correct=1000 if number % 3 else 900)
    assert max(find(empty_study, tmp_path).expected.values()) <= 1


def test_something_is_expected_of_each_network_that_was_trained_once_there_are_enough(
    empty_study: optuna.Study, tmp_path: Path
) -> None:
    write_setup(empty_study, setup())
    for number in range(LEAST - 1):
        tell(empty_study, median_ms=0.4 + number / 100, correct=500 + number)
    tell(empty_study, median_ms=0.4, correct=500, copy_of=0)
    empty_study.tell(empty_study.ask(), state=TrialState.FAIL)
    assert find(empty_study, tmp_path).expected == {}
    tell(empty_study, median_ms=0.5, correct=510)
    found = find(empty_study, tmp_path)
    assert list(found.expected) == [record.number for record in found.trained]
    assert all(0.4 < one < 0.6 for one in found.expected.values())


def test_a_best_network_that_guesses_is_said_to(empty_study: optuna.Study, tmp_path: Path) -> None:
    write_setup(empty_study, setup())
    tell(empty_study, median_ms=0.4, correct=110)  # of 1,000 images of ten classes
    said = best(find(empty_study, tmp_path))
    assert (
        "no better than guessing among 10 classes: nothing can be learnt from it before more `epochs`, "
        in said
    )
    in_page = "before more epochs, another learning rate or more images raise it"
    assert in_page in page(find(empty_study, tmp_path))
    tell(empty_study, median_ms=0.4, correct=150)
    assert "guessing" not in best(find(empty_study, tmp_path))


def test_a_search_that_has_just_begun_has_nothing_to_say(empty_study: optuna.Study, tmp_path: Path) -> None:
    assert summary_lines(find(empty_study, tmp_path)) == [
        "0 networks trained",
        "no network has been trained yet",
    ]


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (79, ["trial", "latency,", "ms", "accuracy,", "%", "params", "mult-adds", "reward"]),
        (78, ["trial", "latency,", "ms", "accuracy,", "%", "reward"]),
        (60, ["trial", "latency,", "ms", "accuracy,", "%", "reward"]),
        (40, ["trial", "ms", "%", "reward"]),
    ],
)
def test_in_a_narrow_terminal_the_table_has_fewer_columns_and_none_is_cut(
    study: optuna.Study, tmp_path: Path, width: int, kept: list[str]
) -> None:
    written = io.StringIO()
    Console(width=width, file=written).print(front_table(find(study, tmp_path), width=width))
    lines = written.getvalue().splitlines()
    assert lines[1].split() == kept
    assert "…" not in written.getvalue()
    assert max(map(len, lines)) <= width
    if width == 40:
        assert [line.split() for line in lines[-3:]] == [
            ["0", "0.300", "80.0", "0.8291"],
            ["*", "2", "0.400", "94.0", "0.9548"],
            ["4", "0.800", "95.0", "0.9193"],
        ]


def test_what_was_interrupted_did_not_fail(study: optuna.Study, tmp_path: Path) -> None:
    add_failed(study, INTERRUPTED)
    expected = "5 networks trained, 1 copy, 1 too slow to train, 1 failed, 1 interrupted"
    assert tried(find(study, tmp_path)) == expected


def _size(study: optuna.Study, number: int) -> list[str]:
    """The parameters of a trial's network as the table writes them."""
    return f"{study.trials[number].user_attrs['parameters'] / 1e6:#.3g} M".split()


def test_how_far_the_milliseconds_may_be_off_is_what_the_reference_took_beside_the_trials(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = find(study, tmp_path)

    def timed(*raw_reference_ms: float, copy_of: int | None = None) -> TrialRecord:
        beside = replace(latency(0.4), raw_reference_ms=raw_reference_ms)
        return replace(findings.records[0], latency=beside, copy_of=copy_of)

    changed = replace(findings, records=(timed(0.9, 1.0, 9.0), timed(1.2, 1.3, 1.4), timed(7.0, copy_of=0)))
    assert changed.reference_ms == (1.0, 1.3)
    assert reference_line(changed).startswith("MobileNetV2 took 0.500 ms when the search began")
    assert reference_line(changed).endswith("1.00 ms to 1.30 ms beside the trials")
    assert replace(findings, records=()).reference_ms is None


def test_an_interrupted_repeat_is_a_copy_and_nothing_else(study: optuna.Study, tmp_path: Path) -> None:
    findings = find(study, tmp_path)
    repeat = replace(findings.records[0], outcome="failed", reason=INTERRUPTED, copy_of=0)
    counts = replace(findings, records=(repeat,)).counts
    assert {name: count for name, count in counts.items() if count} == {"copies": 1}


def test_what_another_search_left_in_the_folder_is_no_finalist(study: optuna.Study, finished: Path) -> None:
    found = find(study, finished)
    assert found.control is not None
    assert len(found.finalists) == 2
    timed = replace(found.finalists[0].latency, reference_ms=7.0)
    write_card(replace(found.finalists[0], latency=timed), finished / "finalists" / found.finalists[0].digest)
    assert find(study, finished).finalists == found.finalists[1:]
    write_card(replace(found.control, fingerprint="other"), finished / "finalists" / found.control.digest)
    assert find(study, finished).control is None
