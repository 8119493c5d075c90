"""Tests of report.py."""

import os
from pathlib import Path

import pytest

from mnasnet.cli.conftest import called
from mnasnet.study.lock import only_process_in


def test_a_report_is_written_again_and_summed_up(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    ended = called(capsys, "report", kept)
    assert (ended.status, ended.err) == (0, "")
    assert "Pareto front" in ended.out
    assert "2 networks trained, 1 running" in ended.out
    # hard, 1 ms: 90 % at 1 ms are worth 0.9, 95 % at 1.5 ms two thirds of 0.95
    assert "best: trial 0" in ended.out
    assert f"report: {kept / 'report.html'}" in ended.out
    assert (kept / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_another_target_scores_again_what_was_tried(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    ended = called(capsys, "report", kept, "--target-ms", "1.5")
    assert ended.status == 0
    assert "best: trial 1" in ended.out
    assert "re-scored without training" in ended.out
    assert f"report: {kept / 'report-1.5ms.html'}" in ended.out


def test_the_report_for_another_target_leaves_the_one_of_the_search(
    capsys: pytest.CaptureFixture[str], kept: Path
) -> None:
    called(capsys, "report", kept)
    before = (kept / "report.html").read_bytes()
    called(capsys, "report", kept, "--target-ms", "8")
    assert (kept / "report.html").read_bytes() == before
    assert "Re-scored for a target of 8.00 ms" in (kept / "report-8ms.html").read_text()


def test_a_report_is_written_while_the_search_runs(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    with only_process_in(kept):
        assert called(capsys, "report", kept).status == 0


@pytest.mark.parametrize("target", ["0", "-8", "nan", "inf", "soon"])
def test_a_target_that_is_no_time_is_refused(
    capsys: pytest.CaptureFixture[str], kept: Path, target: str
) -> None:
    ended = called(capsys, "report", kept, "--target-ms", target)
    assert ended.status == 2
    assert "--target-ms" in ended.line
    assert target in ended.line
    assert not list(kept.glob("*.html"))


def test_a_folder_that_holds_no_search_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        ended = called(capsys, "report", folder)
        assert ended.status == 2
        assert ended.line.startswith(f"mnasnet report: no search in {folder}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_is_no_database_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(os.urandom(4096))
    ended = called(capsys, "report", tmp_path)
    assert ended.status == 2
    assert "study.db does not answer: file is not a database" in ended.line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://me:secret@127.0.0.1:1/db",
            "postgresql+psycopg2://me:***@127.0.0.1:1/db does not answer",
        ),
        ("postgres", "--storage postgres: not on a PostgreSQL server"),
        ("oracel://host/db", "oracel"),
    ],
)
def test_a_storage_that_does_not_answer_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, url: str, said: str
) -> None:
    ended = called(capsys, "report", tmp_path, "--storage", url)
    assert ended.status == 2
    assert said in ended.line


def test_an_unknown_option_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    ended = called(capsys, "report", kept, "--targt-ms", "8")
    assert ended.status == 2
    assert "--targt-ms" in ended.line
    assert "--target-ms" in ended.line


def test_a_report_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "report")
    assert ended.status == 2
    assert "Folder of the search" in ended.line
