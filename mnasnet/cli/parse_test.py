"""Tests of parse.py."""

import errno
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
import tyro

from mnasnet.base.errors import RequestError, RunError
from mnasnet.cli.parse import convert_torch_errors, flags_of, parse, served, write_flags


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be asked for."""

    trials: int = 3
    target_ms: float | None = None
    reward: Literal["soft", "hard"] = "soft"
    flip: bool = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise RequestError("give a whole number of at least 1", field="trials", value=self.trials)


def serve(error: BaseException | None) -> int:
    def action() -> None:
        if error is not None:
            raise error

    return served(action, verb="search", flags=flags_of(Options), kept="all is kept")


def test_what_is_left_open_is_as_declared_or_as_in_the_default() -> None:
    assert parse(Options, ["--target-ms", "5"], verb="search") == Options(target_ms=5.0)
    assert parse(Options, [], verb="search", default=Options(trials=9)) == Options(trials=9)


def test_none_may_be_given_where_it_is_the_default() -> None:
    assert parse(Options, ["--target-ms", "None"], verb="search", default=Options(target_ms=5.0)) == Options()


def test_of_an_option_that_is_given_twice_the_last_counts() -> None:
    # The command that a search proposes as the next one relies on it.
    assert parse(Options, ["--trials", "5", "--trials", "10"], verb="search").trials == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trails", "5"], "--trails: no such option; the nearest is --trials"),
        (["--target_sm=5"], "--target_sm: no such option; the nearest is --target-ms"),
        (["--no-flap"], "--no-flap: no such option; the nearest is --no-flip"),
        (
            ["--device", "phone"],
            "--device: no such option; there are --help, --trials, --target-ms, --reward, --flip, --no-flip",
        ),
        (["--target-ms", "5", "phone"], "phone belongs to no option: put one before it"),
        (["--flip", "yes"], "yes belongs to no option: put one before it"),
        (["--trials", "many"], "--trials many: give a whole number"),
        (["--trials", "1.5"], "--trials 1.5: give a whole number"),
        (["--trials", "None"], "--trials None: give a whole number"),
        (["--target-ms=soon"], "--target-ms soon: give a number"),
        (["--trials", "0"], "--trials 0: give a whole number of at least 1"),
        (["--reward", "sofd"], "--reward sofd: give one of 'soft', 'hard'"),
        (["--trials"], "--trials: give a value"),
    ],
    ids=" ".join,
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
    assert err == f"mnasnet search: {said}\n"


@dataclass(frozen=True, kw_only=True)
class WithAPlace:
    folder: Annotated[str, tyro.conf.Positional]
    """Where it is."""
    seed: int = 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give STR: Where it is"),
        (["--folder", "x"], "--folder: no such option; there are --help, --seed"),
        (["x", "y"], "y belongs to no option: put one before it"),
    ],
    ids=["none", "as an option", "two"],
)
def test_what_has_no_flag_is_asked_for_by_what_it_is(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit):
        parse(WithAPlace, arguments, verb="report")
    assert capsys.readouterr().err == f"mnasnet report: {said}\n"


def test_fields_are_written_as_flags_and_what_has_no_flag_as_the_help_calls_it() -> None:
    flags = flags_of(WithAPlace)
    assert flags == {"folder": "FOLDER", "seed": "--seed"}
    said = write_flags("`folder` x: another `seed`, as `mnasnet zoo` and `batch` say", flags)
    assert said == "FOLDER x: another --seed, as `mnasnet zoo` and `batch` say"


def test_help_says_the_description_that_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(Options, ["--help"], verb="search", description="So it goes.")
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert "So it goes." in out
    assert "What may be asked for." not in out
    assert err == ""


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (RequestError("no such\nthing"), 2, "mnasnet search: no such thing\n"),
        (RequestError(""), 2, "mnasnet search: RequestError\n"),
        (
            RequestError("raise it, or lower `width`", field="target_ms", value=1),
            2,
            "mnasnet search: --target-ms 1: raise it, or lower `width`\n",  # no option of this verb
        ),
        (
            RunError("5 failed; give more `trials`"),
            1,
            "mnasnet search: 5 failed; give more --trials; all is kept\n",
        ),
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


@pytest.mark.parametrize(
    ("error", "said"),
    [(RuntimeError("can't allocate memory"), "can't allocate memory"), (MemoryError(), "MemoryError")],
)
def test_memory_that_ran_out_is_a_run_that_failed(error: Exception, said: str) -> None:
    with pytest.raises(RunError, match=f"^{said}$"), convert_torch_errors():
        raise error


def test_the_line_has_no_box_where_none_can_be_drawn() -> None:
    call = [sys.executable, "-m", "mnasnet.cli.main", "report", "--targt-ms", "8"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(call, env=ascii_only, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "---" not in ended.stderr


def test_help_that_nobody_reads_ends_without_a_traceback() -> None:
    call = [sys.executable, "-m", "mnasnet.cli.main", "report", "--help"]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="ours"):
        serve(ValueError("ours"))
