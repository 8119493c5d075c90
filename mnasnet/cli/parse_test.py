"""Tests of parse.py."""

import errno
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from mnasnet.cli.parse import parse, served


class RefusedError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be asked for."""

    trials: int = 3
    target_ms: float | None = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"--trials {self.trials}: give a whole number of at least 1")


def serve(error: BaseException | None) -> int:
    def action() -> None:
        if error is not None:
            raise error

    return served(action, verb="search", refused=(RefusedError,), failed=(OSError,), kept="all is kept")


def test_what_is_left_open_is_as_declared_or_as_in_the_default() -> None:
    assert parse(Options, ["--target-ms", "5"], verb="search") == Options(target_ms=5.0)
    assert parse(Options, [], verb="search", default=Options(trials=9)) == Options(trials=9)


def test_of_an_option_that_is_given_twice_the_last_counts() -> None:
    # The command that a search proposes as the next one relies on it.
    assert parse(Options, ["--trials", "5", "--trials", "10"], verb="search").trials == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trails", "5"], "Unrecognized options: --trails, 5 Perhaps you meant: --trials"),
        (["--trials", "many"], "--trials: invalid literal for int() with base 10: 'many'"),
        (["--trials", "0"], "--trials 0: give a whole number of at least 1"),
        (["--trials"], "--trials"),
    ],
)
def test_what_cannot_be_understood_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(Options, arguments, verb="search")
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("mnasnet search: ")
    assert said in err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (RefusedError("no such\nthing"), 2, "mnasnet search: no such thing\n"),
        (RefusedError(), 2, "mnasnet search: RefusedError\n"),
        (ConnectionError("lost"), 1, "mnasnet search: lost; all is kept\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "mnasnet search: No space left on device: make room on the disk; all is kept\n",
        ),
        (KeyboardInterrupt(), 130, "mnasnet search: stopped; all is kept\n"),
    ],
    ids=str,
)
def test_an_error_is_one_line_and_a_status(
    capsys: pytest.CaptureFixture[str], error: BaseException | None, status: int, line: str
) -> None:
    assert serve(error) == status
    assert capsys.readouterr() == ("", line)


def test_the_line_has_no_box_where_none_can_be_drawn() -> None:
    call = [sys.executable, "-m", "mnasnet.cli.main", "report", "--targt-ms", "8"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(call, env=ascii_only, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "---" not in ended.stderr


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="ours"):
        serve(ValueError("ours"))
