"""Ctrl-C, kill -9 and a full disk: the real command, stopped for real, and the same command again."""

import os
import random
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mnasnet.cli.conftest import TINY, Ended, ended, started
from mnasnet.study.card import read_cards
from mnasnet.study.storage import INTERRUPTED, load_study, place_of
from mnasnet.study.trial import FailedTrial, ProposedTrial, TrialRecord, charged_trials, read_trials

pytestmark = pytest.mark.slow


def tried(out: Path) -> list[TrialRecord]:
    return read_trials(load_study(place_of(out, None)))


def finished(out: Path) -> list[TrialRecord]:
    """Trials that are told, whatever became of them."""
    return [
        record
        for record in tried(out)
        if type(record) is not ProposedTrial
        and not (isinstance(record, FailedTrial) and record.reason == INTERRUPTED)
    ]


def search(*options: str | Path) -> list[str | Path]:
    return ["search", *TINY, "--sampler", "random", *options]


def read_until(process: "subprocess.Popen[str]", beginning: str) -> str:
    """What the process has said when the first line that begins so is there."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith(beginning):
            return said
    raise AssertionError(f"it ended with {process.wait()} after:\n{said}{process.communicate()[1]}")


def stopped_by_ctrl_c(arguments: Sequence[str | Path], *, after: str) -> Ended:
    """Ctrl-C half a second after the line that begins with `after`."""
    process = started(arguments)
    read_until(process, after)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    return ended(process)


def trained_digests(records: list[TrialRecord]) -> list[str]:
    return [record.network.digest for record in charged_trials(records)]


def test_sigterm_is_one_line_and_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    process = started(search("--trials", "40", "--out", tmp_path / "out"))
    read_until(process, "device")
    assert any(temporary.glob("mnasnet-*"))
    process.terminate()
    stopped = ended(process)
    assert stopped.status == 128 + signal.SIGTERM
    assert stopped.line == "mnasnet search: ended by SIGTERM\n"
    assert not any(temporary.glob("mnasnet-*"))


def test_after_ctrl_c_the_same_command_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    # Trainings of some seconds, so that the interrupt meets one.
    command = search("--trials", "3", "--finalists", "1", "--epochs", "8", "--out", tmp_path / "out")
    stopped = stopped_by_ctrl_c(command, after="[1/3]")
    assert stopped.status == 130
    assert re.fullmatch(r"mnasnet search: stopped; what was finished is kept, .* goes on: .*\n", stopped.line)
    before = finished(tmp_path / "out")
    assert [record.charged for record in before].count(True) in (1, 2)

    again = ended(started(command))
    assert again.status == 0, again.err
    after = tried(tmp_path / "out")
    assert finished(tmp_path / "out")[: len(before)] == before
    assert len(trained_digests(after)) == len(set(trained_digests(after))) == 3
    assert len(read_cards(tmp_path / "out")) == 2


def test_ctrl_c_in_a_final_training_leaves_no_half_of_it(tmp_path: Path) -> None:
    command = search("--trials", "1", "--finalists", "1", "--final-epochs", "20", "--out", tmp_path / "out")
    stopped = stopped_by_ctrl_c(command, after="final training 1 of 2")
    assert stopped.status == 130
    assert "the same command goes on" in stopped.line
    assert list((tmp_path / "out" / "finalists").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process has loaded from /proc")
def test_ctrl_c_before_the_search_has_begun_is_one_line_too(tmp_path: Path) -> None:
    process = started(search("--out", tmp_path / "out"))
    while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.status == 130
    assert stopped.line.startswith("mnasnet search: stopped")
    assert list(tmp_path.iterdir()) == []


def test_killed_again_and_again_a_search_loses_nothing_that_it_has_said(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = search("--trials", "8", "--finalists", "1", "--out", out)
    rng = random.Random(0)
    said: set[int] = set()
    for beginning in ("space: ", "[", "[", "final training 1", "final training 2", None):
        process = started(command)
        text = ""
        if beginning is not None:
            text = read_until(process, beginning)
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
        text += process.communicate(timeout=300)[0]
        assert process.returncode == (0 if beginning is None else -signal.SIGKILL)
        said |= {int(number) for number in re.findall(r"^\[\d+/8\] trial (\d+): ", text, re.MULTILINE)}
        if said:
            assert said <= {record.number for record in finished(out)}
    records = tried(out)
    assert len(trained_digests(records)) == len(set(trained_digests(records))) == 8
    assert ProposedTrial not in set(map(type, records))
    assert all(record.reason == INTERRUPTED for record in records if isinstance(record, FailedTrial))
    with closing(sqlite3.connect(out / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    folders = list((out / "finalists").iterdir())
    assert sorted(folder.name for folder in folders) == sorted(card.digest for card in read_cards(out))
    assert {len(list(folder.iterdir())) for folder in folders} == {5}
    assert len(folders) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 12 MB."""
    assert sys.platform == "linux", "this test mounts a small disk, which only Linux can"
    assert os.geteuid() == 0, "this test mounts a small disk: run it as root"
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    """A file in all the room that the disk has left."""
    path = disk / "other people's files"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def test_a_full_disk_ends_the_search_in_one_line_and_room_lets_it_go_on(small_disk: Path) -> None:
    out = small_disk / "out"
    command = search("--trials", "4", "--finalists", "0", "--out", out)
    process = started([*command, "--epochs", "4"])
    read_until(process, "[1/4]")
    filler = fill(small_disk)
    full = ended(process)
    assert full.status == 1
    assert (
        "study.db no longer answers: database or disk is full: make room on the disk; what was finished is kept"
        in full.line
    )
    filler.unlink()
    before = finished(out)
    assert len(before) >= 1

    again = ended(started([*command, "--epochs", "4"]))
    assert again.status == 0, again.err
    assert finished(out)[: len(before)] == before
    assert len(trained_digests(tried(out))) == 4
    assert (out / "report.html").is_file()


def test_a_disk_too_full_for_a_finalist_keeps_the_trials(small_disk: Path) -> None:
    out = small_disk / "out"
    command = search("--trials", "1", "--finalists", "1", "--final-epochs", "4", "--out", out)
    process = started(command)
    read_until(process, "final training 1 of 2")
    filler = fill(small_disk)
    full = ended(process)
    assert full.status == 1
    assert "No space left on device" in full.err
    assert "what was finished is kept" in full.err
    assert "Traceback" not in full.err
    assert list((out / "finalists").iterdir()) == []
    filler.unlink()
    assert ended(started(command)).status == 0
    assert len(read_cards(out)) == 2


def test_the_report_that_ctrl_c_names_can_be_called_as_it_is_printed(tmp_path: Path) -> None:
    stopped = stopped_by_ctrl_c(
        search("--trials", "3", "--epochs", "8", "--out", tmp_path / "my out"), after="[1/3]"
    )
    named = re.search(r"`mnasnet (report .*)` shows it", stopped.line)
    assert named is not None
    report = ended(started(shlex.split(named[1])))
    assert report.status == 0, report.err
    assert (tmp_path / "my out" / "report.html").is_file()
