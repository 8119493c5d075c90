"""Tests of calibrate, and of what can be done with its table, as they are called."""

import re
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.cli.conftest import TINY, called
from mnasnet.devices.conftest import artifact as artifact
from mnasnet.meters.calibration import Calibration
from mnasnet.meters.conftest import calibration as calibration
from mnasnet.meters.table import write_table
from mnasnet.study.card import read_cards

SIZE = ("--image-size", "16", "--width", "0.35", "--in-channels", "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minutes", "0"), "--minutes 0: give a number above 0"),
        (("--device", "tabel:x"), "--device tabel:x: the nearest is 'table'"),
        (("--device", "table:none.table"), "none.table cannot be read"),
        (("--space", "flatt"), "--space flatt: give one of"),
        (("-o", "nowhere/x.table"), "nowhere/x.table: give a file in a folder that is there"),
    ],
)
def test_a_request_that_cannot_be_served_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = called(capsys, "calibrate", *SIZE, "-o", str(tmp_path / "x.table"), *arguments)
    assert ended.status == 2
    assert re.search(said, ended.line)
    assert not (tmp_path / "x.table").exists()


@pytest.fixture(scope="module")
def host_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "host.table"


@pytest.mark.slow
def test_this_machine_is_calibrated_and_a_search_on_the_table_measures_its_finalists(
    capsys: pytest.CaptureFixture[str], host_table: Path, tmp_path: Path
) -> None:
    # On a machine too slow for three minutes the refusal names how many it takes.
    ended = called(capsys, "calibrate", *SIZE, "--minutes", "3", "-o", str(host_table))
    if ended.status == 2:
        (minutes,) = re.findall(r"give --minutes (\d+)", ended.line)
        ended = called(capsys, "calibrate", *SIZE, "--minutes", minutes, "-o", str(host_table))
    assert (ended.status, ended.err) == (0, "")
    # Nobody can watch a bar there, so every tenth is said.
    assert len(re.findall(r"^timing networks: \d+ of about \d+$", ended.out, re.MULTILINE)) >= 8
    for way in ("the table", "multiply-adds alone", "100 random networks", "the device again"):
        assert way in ended.out

    device = ("--device", f"table:{host_table}")
    asked = called(capsys, "reach", *SIZE, *device, "--target-ms", "0.0001")
    assert "predicted: table of host" in asked.out
    assert "0.0001 ms is out of reach" in asked.out

    out = tmp_path / "out"
    ended = called(capsys, "search", *TINY, *device, "--trials", "2", "--finalists", "1", "--out", str(out))
    assert ended.status == 0
    assert "when the table was calibrated" in ended.out
    assert "finalists are measured on host" in ended.out
    cards = read_cards(out)
    assert [card.latency.predicted for card in cards] == [False, False]
    assert all(card.proxy_latency is None or card.proxy_latency.predicted for card in cards)

    file = next(out.glob("finalists/*/network.tflite"))
    told = called(capsys, "measure", str(file), *device)
    assert told.status == 0
    assert "predicted" in told.out


def test_a_table_is_not_calibrated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calibration: Calibration
) -> None:
    write_table(calibration.table, tmp_path / "a.table")
    ended = called(
        capsys, "calibrate", "--device", f"table:{tmp_path / 'a.table'}", "-o", str(tmp_path / "b.table")
    )
    assert ended.status == 2
    assert "is a table already" in ended.line


def test_a_table_is_not_examined_and_says_how_well_it_predicts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calibration: Calibration
) -> None:
    write_table(calibration.table, tmp_path / "a.table")
    ended = called(capsys, "doctor", "--device", f"table:{tmp_path / 'a.table'}")
    assert ended.status == 2
    assert "is a table already, which tells " in ended.line
    assert "networks that it had not seen to ± 10 %; name a device, such as roofline" in ended.line


def test_a_search_of_other_images_than_the_tables_is_refused_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calibration: Calibration
) -> None:
    write_table(calibration.table, tmp_path / "a.table")
    out = tmp_path / "out"
    ended = called(capsys, "search", *TINY, "--device", f"table:{tmp_path / 'a.table'}", "--out", str(out))
    assert ended.status == 2
    line = ended.err.splitlines()[-1]
    assert "the table is for images of 64 px, 3 channels and 10 classes at width 0.5" in line
    assert "goes on" not in line
    assert not list(out.glob("*.html"))


def test_a_file_that_the_device_never_runs_is_a_wrong_request(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, calibration: Calibration, artifact: Artifact
) -> None:
    write_table(calibration.table, tmp_path / "a.table")
    ended = called(capsys, "measure", str(artifact.path), "--device", f"table:{tmp_path / 'a.table'}")
    assert ended.status == 2
    assert "a table knows networks that mnasnet wrote itself, not files" in ended.line
