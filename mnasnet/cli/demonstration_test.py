"""The demonstration as a newcomer runs it: `mnasnet search` without a word more. About four minutes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mnasnet.study.card import read_cards
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import charged_trials, read_trials

pytestmark = pytest.mark.slow


def test_the_demonstration_ends_with_trained_exported_and_measured_networks(tmp_path: Path) -> None:
    environment = {**os.environ, "MNASNET_CACHE": str(tmp_path / "cache")}
    environment.pop("OMP_NUM_THREADS", None)  # set for tests that run side by side
    ended = subprocess.run(
        [sys.executable, "-m", "mnasnet.cli.main", "search"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    out = tmp_path / "runs" / "digits"

    records = read_trials(load_study(place_of(out, None)))
    trained = charged_trials(records)
    assert len(trained) >= 12
    assert max(record.quality.value for record in trained) >= 0.90

    *finalists, control = read_cards(out)
    assert len(finalists) == 2
    assert (control.name, control.control) == ("mobilenet-v2", True)
    assert max(card.quality.value for card in finalists) >= 0.95
    assert all(card.quality.on == "test" for card in (*finalists, control))
    assert all((out / "finalists" / card.digest / "network.tflite").is_file() for card in finalists)

    said = ended.stdout
    learned = re.search(r"^the controller learned (\d+) times$", said, re.MULTILINE)
    assert learned is not None
    assert int(learned[1]) >= 2
    assert re.search(r"^cost: .* hours; ends about \d\d:\d\d$", said, re.MULTILINE)
    assert "Pareto front" in said
    assert all(f"finalist {card.name} {card.digest}: " in said for card in finalists)
    assert f"control mobilenet-v2 {control.digest}: " in said
    assert "report: runs/digits/report.html\n" in said
    assert said.splitlines()[-1].startswith("next: ")
    assert " search --data FOLDER " in said.splitlines()[-1]
    assert (out / "report.html").is_file()
