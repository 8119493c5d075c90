"""Tests of zoo.py and cost.py: what the two tables say, also as JSON, and how they refuse."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mnasnet.arch.networks import MNASNET_B1
from mnasnet.arch.zoo import ARCHITECTURE, ZOO
from mnasnet.cli.conftest import called


def test_every_network_is_listed_with_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "zoo")
    assert (ended.status, ended.err) == (0, "")
    for name in ZOO:
        assert name in ended.out
    assert "3,887,038" in ended.out
    assert "Pixel 1, one big core" in ended.out


def test_the_list_as_json_has_what_was_published_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {row["name"]: row for row in json.loads(called(capsys, "zoo", "--json").out)}
    assert list(listed) == list(ZOO)
    a1 = listed["mnasnet-a1"]
    assert (a1["parameters"], a1["multiply_adds"], a1["layers"]) == (3_887_038, 311_579_072, 16)
    assert a1["published"][0]["source"] == "MnasNet, Table 1"
    # Seven layers of A1 without those of SE: 1 + 2 + 3 + 4 + 2 + 3 + 1.
    assert a1["layers"] == 1 + 2 + 3 + 4 + 2 + 3 + 1


def test_a_network_is_counted_layer_by_layer(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "cost", "mnasnet-a1", "--width", "0.5", "--image-size", "160")
    assert (ended.status, ended.err) == (0, "")
    assert "160×160×3" in ended.out
    assert "block 6.3" in ended.out
    assert "2,082,006" in ended.out  # the official code's


def test_the_count_as_json_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    counted = json.loads(called(capsys, "cost", "mnasnet-b1", "--json").out)
    assert counted["parameters"] == 4_383_312
    for total in ("parameters", "multiply_adds"):
        assert counted[total] == sum(layer[total] for layer in counted["layers"])


def test_a_searched_network_is_counted_by_its_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / ARCHITECTURE).write_text(json.dumps(MNASNET_B1.to_json()))
    counted = json.loads(called(capsys, "cost", tmp_path, "--json").out)
    assert (counted["digest"], counted["parameters"]) == (MNASNET_B1.digest(), 4_383_312)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cost", "mnasnet-a2"], "the nearest is mnasnet-a1"),
        (["cost", "mnasnet-a1", "--width", "-1"], "width -1.0"),
        (["cost", "mnasnet-a1", "--width", "wide"], "--width"),
        (["cost", "mnasnet-a1", "--image-size", "16"], "at least 32"),
        (["cost"], "give"),
        (["zoo", "--jason"], "the nearest is --json"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    ended = called(capsys, *arguments)
    assert ended.status == 2
    assert said in ended.line
    assert ended.out == ""


@pytest.mark.parametrize("arguments", [["zoo"], ["cost", "mnasnet-a1"]])
def test_they_start_without_torch(arguments: list[str]) -> None:
    code = (
        f"import sys; from mnasnet.cli.main import main; main({arguments}); sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
