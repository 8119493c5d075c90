"""Tests of main.py."""

import os
import subprocess
import sys

import pytest

from mnasnet import __version__
from mnasnet.cli.conftest import called
from mnasnet.cli.main import VERBS


def test_without_a_verb_the_usage_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: mnasnet VERB")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_verb(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    ended = called(capsys, flag)
    assert (ended.status, ended.err) == (0, "")
    assert all(f"\n  {verb} " in ended.out for verb in VERBS)


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "--version")
    assert (ended.status, ended.out) == (0, f"mnasnet {__version__}\n")


@pytest.mark.parametrize(
    ("verb", "nearest"), [("serch", "search"), ("repot", "report"), ("--searhc", "search")]
)
def test_an_unknown_verb_is_named_with_the_nearest(
    capsys: pytest.CaptureFixture[str], verb: str, nearest: str
) -> None:
    ended = called(capsys, verb, "--out", "x")
    assert ended.status == 2
    assert ended.line == f"mnasnet: no verb {verb!r}; the nearest is {nearest!r}, of {', '.join(VERBS)}\n"


def test_of_verbs_that_are_nothing_alike_none_is_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "photos/")
    assert ended.line == f"mnasnet: no verb 'photos/'; give one of {', '.join(VERBS)}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    ended = called(capsys, verb, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert f"usage: mnasnet {verb}" in ended.out


def test_a_report_needs_no_torch() -> None:
    code = "import sys, mnasnet.cli.main, mnasnet.cli.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_torchs_threads_sleep_while_they_wait_unless_somebody_says_otherwise(
    before: str | None, after: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if before is None else {"OMP_WAIT_POLICY": before}
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from mnasnet.cli import main; sys.argv[1:] = ['cost', 'mnasnet-a1']; main.main(); "
            "print(os.environ['OMP_WAIT_POLICY'])",
        ],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[-1] == after
