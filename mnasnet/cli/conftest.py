"""The command as it is called, with what it says and how it ends."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnasnet.cli.main import main
from mnasnet.search.conftest import cache as cache
from mnasnet.study.conftest import setup, tell
from mnasnet.study.setup import write_setup
from mnasnet.study.storage import create_study, place_of

TINY = (
    *("--data", "digits", "--image-size", "16", "--width", "0.35", "--epochs", "1", "--max-images", "200"),
    *("--final-epochs", "1"),
)
"""Options of a search of seconds."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a call of `mnasnet` left behind."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on standard error."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err


def called(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ended:
    """`mnasnet ARGUMENTS`, in this process."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
    out, err = capsys.readouterr()
    return Ended(status=status, out=out, err=err)


def started(arguments: Sequence[str | Path]) -> "subprocess.Popen[str]":
    """`mnasnet ARGUMENTS`, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "mnasnet.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> Ended:
    """How a process ended that `started`."""
    out, err = process.communicate(timeout=300)
    return Ended(status=process.returncode, out=out, err=err)


def pictures(folder: Path, **classes: int) -> Path:
    """So many pictures of noise in a sub-folder for each class."""
    for number, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for at in range(count):
            noise = np.random.default_rng([number, at]).integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{at}.png")
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of a search made up of three trials: 1 ms 90 %, 1.5 ms 95 %, and one that still runs."""
    out = tmp_path / "kept"
    study = create_study(place_of(out, None))
    write_setup(study, setup())
    tell(study, median_ms=1.0, correct=900)
    tell(study, median_ms=1.5, correct=950)
    study.ask()
    return out
