"""Tests of records.py."""

import lzma
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from records import (
    Arguments,
    RunRecord,
    append_record,
    fold_journal,
    journal_of,
    last_runs,
    main,
    read_records,
)

RECORD = RunRecord(
    problem="made up",
    sampler="tpe",
    seed=0,
    settings={},
    most=10,
    asks=1,
    seconds=0.1,
    ended=False,
    values=[[0, 50.0, 3.0, 50.0]],
)


def appended(path: Path, *records: RunRecord) -> None:
    """Puts them behind the others."""
    for record in records:
        append_record(path, record)


def test_a_run_is_read_as_it_was_appended_before_and_after_it_is_folded(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    recommended = {"100": [[93.1, 5.0], None]}
    runs = [RECORD, replace(RECORD, seed=1, recommended=recommended), replace(RECORD, seed=2, further=True)]
    appended(path, *runs)
    assert read_records(path) == runs
    assert fold_journal(path) == 3
    assert journal_of(path).read_bytes() == b""
    assert read_records(path) == runs


def test_the_last_run_with_the_same_settings_and_seed_counts(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    of = [(0, {}, 1), (1, {}, 2), (0, {}, 3), (1, {"batch": 5}, 4)]
    appended(path, *(replace(RECORD, seed=seed, settings=given, asks=asks) for seed, given, asks in of))

    def asks() -> dict[int, int]:
        last = last_runs(read_records(path), problem="made up", sampler="tpe", settings={})
        return {seed: one.asks for seed, one in last.items()}

    assert asks() == {0: 3, 1: 2}
    fold_journal(path)
    assert asks() == {0: 3, 1: 2}
    append_record(path, replace(RECORD, asks=9))
    assert asks() == {0: 9, 1: 2}


def test_folded_runs_are_sorted_by_problem_sampler_and_seed(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    unsorted = [("macro", "tpe", 10), ("macro", "tpe", 9), ("macro", "gp", 11), ("accel", "tpe", 12)]
    appended(path, *(replace(RECORD, problem=p, sampler=s, seed=n) for p, s, n in unsorted))
    fold_journal(path)
    assert [(one.problem, one.sampler, one.seed) for one in read_records(path)] == sorted(unsorted)


def test_a_run_that_ended_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom records import RunRecord, append_record\n"
        f"append_record(Path(sys.argv[1]), {RECORD!r})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], cwd=Path(__file__).parent, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert read_records(path) == [RECORD]


def test_a_fold_that_was_killed_before_the_journal_was_emptied_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "records.jsonl.xz"
    appended(path, RECORD, replace(RECORD, seed=1))
    left = journal_of(path).read_bytes()
    fold_journal(path)
    whole = path.read_bytes()
    journal_of(path).write_bytes(left)
    assert fold_journal(path) == 2
    assert path.read_bytes() == whole


def test_runs_of_a_sampler_that_has_changed_are_dropped_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    appended(path, RECORD, replace(RECORD, sampler="tpe, tuned"), replace(RECORD, sampler="gp"))
    main(Arguments(records=path, drop=("tpe", "gp")))
    assert [one.sampler for one in read_records(path)] == ["tpe, tuned"]
    with pytest.raises(SystemExit, match=r"--drop tpee: give names of bayesian; .*tpe; "):
        main(Arguments(records=path, drop=("tpee",)))


def test_a_record_that_was_cut_short_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl.xz"
    appended(path, RECORD, replace(RECORD, seed=1))
    journal = journal_of(path)
    journal.write_bytes(journal.read_bytes()[:-8])
    with pytest.raises(SystemExit, match=r"records.jsonl, line 2: no whole record .* delete the line"):
        read_records(path)
    path.write_bytes(lzma.compress(b"{}\n"))
    with pytest.raises(SystemExit, match=r"records.jsonl.xz, line 1: no whole record"):
        read_records(path)
