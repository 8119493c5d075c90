"""Tests of lock.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from mnasnet.base.errors import RequestError
from mnasnet.study.lock import only_process_in

HOLDS = """
import sys
from pathlib import Path
from mnasnet.study.lock import only_process_in
with only_process_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_worked_in_by_one_process_until_that_one_ends_however_it_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RequestError, match=f"another process is at work in {tmp_path}"):
            only_process_in(tmp_path).__enter__()
        other.kill()
        other.wait()
        with only_process_in(tmp_path):
            pass


def test_folders_made_for_a_request_that_was_refused_go_again(tmp_path: Path) -> None:
    with only_process_in(tmp_path / "runs" / "mine"):
        assert (tmp_path / "runs" / "mine").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with only_process_in(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").is_dir()


def test_what_a_search_has_written_stays(tmp_path: Path) -> None:
    with only_process_in(tmp_path / "mine"):
        (tmp_path / "mine" / "study.db").touch()
    assert (tmp_path / "mine" / "study.db").is_file()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder_to_search_in(tmp_path: Path, below: str) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with (
        pytest.raises(RequestError, match="cannot be made"),
        only_process_in(tmp_path / "notes.txt" / below),
    ):
        pass
    assert (tmp_path / "notes.txt").read_text() == "mine"
