"""Tests of summary.py: how the terminal says what a search found."""

import io
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from rich.console import Console

from mnasnet.analysis.conftest import add_failed
from mnasnet.analysis.findings import read_findings
from mnasnet.analysis.recommendation import find_best, find_expected_best
from mnasnet.report.report import page
from mnasnet.report.summary import best_lines, front_table, reference_line, summary_lines, tried
from mnasnet.study.conftest import latency, setup, tell, trained
from mnasnet.study.setup import write_setup
from mnasnet.study.storage import INTERRUPTED

EXPECTED = {0: 0.80, 1: 0.8, 2: 0.82, 4: 0.90, 7: 0.80}
"""Of the networks that the made-up search trained, of which 2 seemed the best."""


def test_the_table_of_the_front_fits_80_columns(study: optuna.Study, tmp_path: Path) -> None:
    written = io.StringIO()
    Console(width=80, file=written).print(front_table(read_findings(study, tmp_path)))
    rows = [line.split() for line in written.getvalue().splitlines()][-3:]
    assert [row[:-3] for row in rows] == [
        ["0", "0.300", "[0.290,", "0.310]", "80.0", "[75.1,", "84.1]", *_size(study, 0)],
        ["*", "2", "0.400", "[0.390,", "0.410]", "94.0", "[90.7,", "96.2]", *_size(study, 2)],
        ["4", "0.800", "[0.790,", "0.810]", "95.0", "[91.9,", "96.9]", *_size(study, 4)],
    ]
    assert [row[-1] for row in rows] == ["0.8291", "0.9548", "0.9193"]


def test_the_summary_says_what_was_tried_and_gained(study: optuna.Study, finished: Path) -> None:
    lines = summary_lines(read_findings(study, finished), controller_updates=2)
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
    best, nothing = best_lines(read_findings(empty_study, tmp_path))
    assert "for 0.500 ms, which it is 50% over" in best
    assert nothing == "no trained network keeps to 0.500 ms"
    for median_ms, correct in ((0.25, 700), (0.45, 800), (0.48, 790)):
        tell(empty_study, median_ms=median_ms, correct=correct)  # at most 0.8 · 0.9^-0.07 = 0.806
    found = read_findings(empty_study, tmp_path)
    _, within = best_lines(found)
    assert within.startswith("best within 0.500 ms: trial 2, 80.0 [")
    assert within in summary_lines(found)
    tell(empty_study, median_ms=0.4, correct=950)
    assert len(best_lines(read_findings(empty_study, tmp_path))) == 1


def test_the_network_of_the_highest_expected_reward_is_named_beside_the_one_of_the_highest_reward(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = read_findings(study, tmp_path)
    assert find_expected_best(findings) == find_best(findings)
    assert len(best_lines(findings)) == 1
    findings = replace(findings, expected=EXPECTED)
    assert trained(find_expected_best(findings)).number == 4
    best, line, *_ = best_lines(findings)
    assert line.startswith(
        "highest expected reward: trial 4, 95.0 [91.9, 96.9] % on held-out images, 0.800 ["
    )
    # 0.90 · 1.6^-0.07 and 0.82 · 0.8^-0.07, the target being 0.5 ms.
    assert line.endswith("all 5 networks together 0.8709, and 0.8329 of trial 2")
    assert best.startswith("best: trial 2,")
    assert summary_lines(findings)[1:3] == [best, line]
    # Worth 0.83292 against 0.83291: what is the same in four digits is not said to differ.
    alike = replace(findings, expected={**EXPECTED, 4: 0.86077})
    assert find_expected_best(alike) == find_expected_best(findings)
    assert len(best_lines(alike)) == 1


def test_where_one_of_them_is_over_the_target_the_best_within_it_is_named_by_expected_accuracy(
    study: optuna.Study, tmp_path: Path
) -> None:
    findings = replace(read_findings(study, tmp_path), expected={**EXPECTED, 0: 0.83})
    *_, line = best_lines(findings)
    assert line.startswith("highest expected accuracy within 0.500 ms: trial 0, 80.0 [75.1, 84.1] %")
    assert line.endswith(" ms; 83.0%")
    fast = best_lines(replace(findings, expected={**EXPECTED, 4: 0.70}))
    assert not any("highest expected accuracy" in line for line in fast)


def test_with_a_hard_reward_the_expected_best_keeps_to_the_target_where_anything_does(
    study: optuna.Study, tmp_path: Path
) -> None:
    study.set_user_attr("setup", {**study.user_attrs["setup"], "reward": "hard"})

    def lines(target_ms: float) -> list[str]:
        return best_lines(replace(read_findings(study, tmp_path, target_ms=target_ms), expected=EXPECTED))

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
    few = read_findings(study, tmp_path, target_ms=0.7999)
    first = trained(find_expected_best(few))
    assert len(best_lines(few)) == 2
    assert best_lines(few)[1].startswith(f"best within 0.800 ms: trial {first.number},")


def test_a_best_network_that_guesses_is_said_to(empty_study: optuna.Study, tmp_path: Path) -> None:
    write_setup(empty_study, setup())
    tell(empty_study, median_ms=0.4, correct=110)  # of 1,000 images of ten classes
    (said,) = best_lines(read_findings(empty_study, tmp_path))
    assert (
        "no better than guessing among 10 classes: nothing can be learnt from it before more `epochs`, "
        in said
    )
    in_page = "before more epochs, another learning rate or more images raise it"
    assert in_page in page(read_findings(empty_study, tmp_path))
    tell(empty_study, median_ms=0.4, correct=150)
    assert "guessing" not in " ".join(best_lines(read_findings(empty_study, tmp_path)))


def test_a_search_that_has_just_begun_has_nothing_to_say(empty_study: optuna.Study, tmp_path: Path) -> None:
    assert summary_lines(read_findings(empty_study, tmp_path)) == [
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
    Console(width=width, file=written).print(front_table(read_findings(study, tmp_path), width=width))
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
    assert tried(read_findings(study, tmp_path)) == expected


def _size(study: optuna.Study, number: int) -> list[str]:
    """The parameters of a trial's network as the table writes them."""
    return f"{study.trials[number].user_attrs['parameters'] / 1e6:#.3g} M".split()


def test_the_summary_says_how_far_the_milliseconds_may_be_off(study: optuna.Study, tmp_path: Path) -> None:
    findings = read_findings(study, tmp_path)
    assert findings.setup is not None
    beside = replace(latency(0.4), raw_reference_ms=(1.0, 1.1, 1.3))
    timed = replace(trained(findings.records[0]), latency=beside)
    line = reference_line(replace(findings, records=(timed,)), findings.setup)
    assert line.startswith("MobileNetV2 took 0.500 ms when the search began")
    assert line.endswith("1.10 ms to 1.10 ms beside the trials")


def test_another_quality_is_called_by_its_name(study: optuna.Study, tmp_path: Path) -> None:
    study.set_user_attr("setup", {**study.user_attrs["setup"], "quality": "balanced"})
    findings = replace(read_findings(study, tmp_path), expected={**EXPECTED, 0: 0.83})
    assert front_table(findings, width=120).columns[2].header == "balanced accuracy, %"
    _, expected, within = best_lines(findings)
    assert "from the balanced accuracies of all 5 networks together" in expected
    assert within.startswith("highest expected balanced accuracy within 0.500 ms: trial 0")
    assert "<h2>The front: balanced accuracy against latency</h2>" in page(findings)
