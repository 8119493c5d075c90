"""Tests of search.py."""

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from mnasnet.cli.conftest import TINY, called, pictures
from mnasnet.cli.search import next_command
from mnasnet.cli.terminal import Terminal
from mnasnet.search.conftest import device
from mnasnet.search.settings import DEMONSTRATION, Settings
from mnasnet.study.conftest import accuracy, latency
from mnasnet.study.trial import TrialRecord

TRAINED = TrialRecord(
    number=4,
    outcome="trained",
    params={},
    digest="c0ffee",
    architecture=None,
    parameters=None,
    multiply_adds=None,
    latency=latency(1.0),
    accuracy=accuracy(900),
    copy_of=None,
    reason=None,
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--trials", "0"], "--trials 0"),
        (["--target-ms", "0"], "--target-ms 0"),
        (["--target-ms", "-12"], "--target-ms -12"),
        (["--target-ms", "nan"], "--target-ms nan"),
        (["--max-ms", "nan"], "--max-ms nan"),
        (["--trials", "several"], "--trials several"),
        (["--sampler", "pop"], "the nearest is 'ppo'"),
        (["--sampler", "nsga"], "the nearest is 'nsga2'"),
        (["--reward", "sofd"], "give one of 'soft', 'hard', 'absolute'"),
        (["--space", "cells"], "give one of 'mnasnet', 'mnasnet-published', 'flat'"),
        (["--trails", "5"], "--trials"),
        (["--sede", "5"], "--seed"),
        (["--data", "/no/such/folder"], "/no/such/folder: no such file or folder"),
        (["--image-size", "1"], "give a whole number of at least 2"),
        (["--max-images", "3"], "--max-images 3: too few"),
        (["--storage", "postgresql://me:secret@127.0.0.1:1/db"], "127.0.0.1:1/db does not answer"),
        (["--storage", "postgres"], "--storage postgres: not on a PostgreSQL server"),
        (["--storage", "oracel://host/db"], "oracel"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_one_line_that_names_it_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = called(capsys, "search", *TINY, "--out", tmp_path / "runs" / "mine", *arguments)
    assert ended.status == 2
    assert ended.line.startswith("mnasnet search: ")
    assert said in ended.line
    assert "secret" not in ended.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({}, "has no sub-folders"),
        ({"cat": 10}, "images of at least two classes are needed, and all are of 'cat'"),
        ({"cat": 10, "dog": 1}, "class 'dog' needs at least 3 training images and has 1"),
    ],
    ids=["no classes", "one class", "one image"],
)
def test_a_folder_that_cannot_be_learnt_from_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, classes: dict[str, int], said: str
) -> None:
    (tmp_path / "pets").mkdir()
    pictures(tmp_path / "pets", **classes)
    ended = called(capsys, "search", "--data", tmp_path / "pets", "--out", tmp_path / "out")
    assert ended.status == 2
    assert str(tmp_path / "pets") in ended.line
    assert said in ended.line
    assert not (tmp_path / "out").exists()


def test_more_corrupt_images_than_a_few_are_refused_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for path in pictures(tmp_path / "pets", cat=20, dog=20).glob("cat/*.png"):
        path.write_bytes(b"no picture")
    ended = called(capsys, "search", "--data", tmp_path / "pets", "--out", tmp_path / "out")
    assert ended.status == 2
    assert "images are corrupt (cat/" in ended.line
    assert not (tmp_path / "out").exists()


def test_a_corrupt_image_among_good_ones_is_named_and_the_summary_counts_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A real device takes seconds more and has nothing to do with images.
    monkeypatch.setattr(Settings, "open_device", lambda settings: device())
    pictures(tmp_path / "pets" / "val", cat=4, dog=4)
    pictures(tmp_path / "pets" / "train", cat=10, dog=10)
    (tmp_path / "pets" / "train" / "cat" / "torn.png").write_bytes(b"no picture")
    small = [*TINY, "--trials", "1", "--finalists", "0", "--batch-size", "4"]
    ended = called(capsys, "search", *small, "--data", tmp_path / "pets", "--out", tmp_path / "out")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "skipped: train/cat/torn.png: no image format that is known" in lines
    assert "1 corrupt image skipped: train/cat/torn.png: no image format that is known" in lines
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_file_is_no_folder_for_a_search(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    ended = called(capsys, "search", *TINY, "--out", tmp_path / "notes.txt")
    assert ended.status == 2
    assert f"--out {tmp_path / 'notes.txt'}: cannot be made (File exists)" in ended.line


def test_a_folder_that_holds_another_search_is_refused(
    capsys: pytest.CaptureFixture[str], kept: Path
) -> None:
    ended = called(capsys, "search", *TINY, "--out", kept)
    assert ended.status == 2
    assert f"{kept} holds another search: its " in ended.line
    assert sorted(path.name for path in kept.iterdir() if path.name[0] != "." and "-" not in path.name) == [
        "study.db"
    ]


def test_after_the_demonstration_comes_a_search_on_ones_own_images() -> None:
    next_ = next_command(DEMONSTRATION, ["mnasnet", "search"], trained=12)
    assert next_.startswith("mnasnet search --trials 24, or ")
    assert "mnasnet search --data FOLDER" in next_


def test_after_a_search_come_more_trials_by_the_same_command() -> None:
    command = ["mnasnet", "search", "--data", "my pets", "--trials", "10"]
    assert next_command(Settings(data="my pets", trials=1), command, trained=10) == (
        "mnasnet search --data 'my pets' --trials 20"
    )


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (TRAINED, "[3/9] trial 4: 90.0 [88.0, 91.7] % at 1.00 [0.99, 1.01] ms"),
        (replace(TRAINED, copy_of=1), "% at 1.00 [0.99, 1.01] ms, the network of trial 1"),
        (
            replace(TRAINED, outcome="too slow", accuracy=None, reason="9 ms > 2 ms"),
            "not trained, 9 ms > 2 ms",
        ),
        (replace(TRAINED, outcome="failed", reason="DivergedError: nan"), "failed, DivergedError: nan"),
    ],
    ids=["trained", "copy", "too slow", "failed"],
)
def test_without_a_terminal_every_trial_is_one_plain_line(record: TrialRecord, line: str) -> None:
    text = io.StringIO()
    with Terminal(console=Console(file=text, soft_wrap=True, markup=False)) as terminal:
        for done in range(5):
            terminal.step("training", done, 4)
        terminal.trial(record, trained=3, trials=9, best=TRAINED)
    assert text.getvalue().count("\n") == 1
    assert line in text.getvalue()
    assert "\x1b" not in text.getvalue()


def test_without_a_terminal_the_beginning_of_a_final_training_is_said_once() -> None:
    text = io.StringIO()
    with Terminal(console=Console(file=text)) as terminal:
        for done in range(5):
            terminal.step("final training 1 of 2, trial-4", done, 4)
    assert text.getvalue() == "final training 1 of 2, trial-4\n"


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_in_a_terminal_what_is_under_way_is_drawn_with_the_best_and_the_time_left() -> None:
    text, clock = io.StringIO(), Clock()
    console = Console(file=text, force_terminal=True, width=120)
    with Terminal(console=console, clock=clock) as terminal:
        terminal.step("trials", 0, 9)
        for trained in (1, 2, 3):
            for done in (1, 2, 3, 4):
                clock.now += 15
                terminal.step("training", done, 4)
            terminal.trial(TRAINED, trained=trained, trials=9, best=TRAINED)
        for done in (1, 2):
            clock.now += 15
            terminal.step("training", done, 4)
    last = text.getvalue()[text.getvalue().rindex("trials, best") :]
    assert "trials, best 4: 90.0 [88.0, 91.7] %" in last
    assert "3/9" in last
    assert "0:06:00" in last  # six more at a minute each
    assert "2/4" in last
    assert "0:00:30" in last  # of the second training of a minute, not 0 as of one that has ended


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target-ms", "2", "--max-ms", "1"], "--max-ms 1.0: below --target-ms 2"),
        (["--width", "0.001"], "--width 0.001: give at least 0.05"),
        (["--sampler", "xyz"], "--sampler xyz: give one of ppo, bayesian, evolution, random, tpe, nsga2\n"),
        (["--trials", "1.5"], "mnasnet search: --trials 1.5: give a whole number\n"),
        (["--target-ms", "abc"], "mnasnet search: --target-ms abc: give a number\n"),
    ],
    ids=" ".join,
)
def test_a_value_that_makes_no_search_is_refused_by_its_flag(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    ended = called(capsys, "search", *TINY, "--out", tmp_path / "out", *arguments)
    assert ended.status == 2
    assert said in ended.line
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_no_network_reaches_is_refused_before_any_training_and_leaves_no_study(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ended = called(capsys, "search", *TINY, "--out", tmp_path / "out", "--target-ms", "0.0001")
    assert ended.status == 2
    assert re.search(
        r"--target-ms 0.0001: out of reach: the smallest network of the space takes 0\.\d+ ms on host",
        ended.line,
    )
    assert "trial" not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_help_has_the_defaults_for_ones_own_images_and_names_those_of_the_demonstration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = " ".join(called(capsys, "search", "--help").out.replace("│", " ").split())
    assert "The defaults below are for images of your own, given as --data." in said
    assert (
        "--image-size 32 --trials 12 --sampler ppo --batch-size 48 --learning-rate 0.003 --finalists 2"
        in said
    )
    assert f"Networks to train. (default: {Settings(data='mine').trials})" in said
