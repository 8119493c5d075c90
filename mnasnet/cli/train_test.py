"""Tests of train.py: a network by name, on one's own images."""

import signal
import time
from pathlib import Path

import pytest

from mnasnet.arch.zoo import find_architecture
from mnasnet.cli.conftest import called, ended, pictures, started
from mnasnet.nn.checkpoint import load_network
from mnasnet.nn.model import WEIGHTS
from mnasnet.study.training import TRAINING, read_training
from mnasnet.train.loop_test import equal
from mnasnet.train.run import RESUME

SMALL = ("train", "mnasnet-small", "--width", "0.35", "--image-size", "32", "--data", "digits")
BRIEF = (*SMALL, "--max-images", "200", "--epochs", "2", "--seed", "3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that ended."""
    out = tmp_path_factory.mktemp("trained") / "out"
    assert ended(started([*BRIEF, "--out", out])).status == 0
    return out


def test_a_network_is_trained_from_scratch_tested_and_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = called(capsys, *BRIEF, "--out", out)
    assert (found.status, found.err) == (0, "")
    assert "begins from scratch" in found.out
    assert "at 32 px its first strides are left out" in found.out
    assert "[1/2]" in found.out
    assert "cost: 1 more epoch" in found.out
    assert "test: top-1" in found.out
    assert "of 359 images, seen once, with the weights of the best epoch" in found.out
    assert f"next: mnasnet export {out} -o network.tflite" in found.out
    assert "held-out top-1" in (out / "report.html").read_text()


def test_a_training_that_has_ended_costs_nothing_again(
    capsys: pytest.CaptureFixture[str], trained: Path
) -> None:
    before = (trained / WEIGHTS).read_bytes()
    found = called(capsys, *BRIEF, "--out", trained)
    assert found.status == 0
    assert "it has ended: nothing is trained again" in found.out
    assert "[1/2]" not in found.out
    assert "test: top-1" in found.out
    assert (trained / WEIGHTS).read_bytes() == before


def test_a_trained_network_is_gone_on_from_and_exported_by_its_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path
) -> None:
    again = ("train", trained, "--data", "digits", "--epochs", "1", "--max-images", "200")
    found = called(capsys, *again, "--out", tmp_path / "out")
    assert found.status == 0
    assert "begins from the weights weights.safetensors " in found.out
    found = called(capsys, "export", trained, "-o", tmp_path / "a.tflite")
    assert "10 labels inside" in found.out


def test_weights_of_a_publisher_are_looked_for_in_torchs_cache(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "mnasnet_b1-74cb7081.pth").write_bytes(b"something else")
    asked = ("train", "mnasnet-b1", "--data", "digits", "--out", tmp_path / "out", "--weights")
    found = called(capsys, *asked, "timm")
    assert found.status == 2
    assert "mnasnet_b1-74cb7081.pth is not what its name says" in found.line
    found = called(capsys, *asked, "random")
    assert found.status == 2
    assert "leave it out to train from scratch" in found.line


def test_its_report_is_written_again(capsys: pytest.CaptureFixture[str], trained: Path) -> None:
    (trained / "report.html").unlink()
    found = called(capsys, "report", trained)
    assert found.status == 0
    assert "best epoch: " in found.out
    assert (trained / "report.html").is_file()


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_network(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = started([*BRIEF, "--out", out])
    while not (out / RESUME).is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    record = read_training(out)
    assert record is not None
    assert (len(record.epochs), record.test) == (1, None)
    found = ended(started([*BRIEF, "--out", out]))
    assert found.status == 0
    assert "goes on after epoch 1 of 2" in found.out
    assert "begins" not in found.out
    assert "[1/2]" not in found.out
    networks = [load_network(folder / WEIGHTS, find_architecture(str(folder))) for folder in (out, trained)]
    assert equal(*networks)


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = started([*SMALL, "--epochs", "50", "--out", out])
    while not (out / RESUME).is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    found = ended(process)
    assert found.status == 130
    assert f"the epochs that ended are kept in {out}" in found.line
    assert (out / TRAINING).is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["mnasnet-a9", "--data", "digits"], "the nearest is mnasnet-a1"),
        (["mnasnet-a1"], "give --data: Your images"),
        (["mnasnet-a1", "--data", "./none"], "./none: no such file or folder"),
        (
            ["mnasnet-a1", "--data", "digits", "--epochs", "0"],
            "--epochs 0: give a whole number of at least 1",
        ),
        (["mnasnet-a1", "--data", "digits", "--width", "-1"], "width -1.0: give a number above 0"),
        (["mnasnet-a1", "--data", "digits", "--image-size", "16"], "at least 32"),
        (["mnasnet-a1", "--data", "digits", "--weights", "none.pth"], "none.pth: No such file"),
        (
            ["mnasnet-a1", "--data", "digits", "--learning-rate", "0"],
            "--learning-rate 0.0: give a number above 0",
        ),
        (["mnasnet-a1", "--data", "digits", "--ema", "1"], "--ema 1.0"),
        (["mnasnet-a1", "--data", "digits", "--epcohs", "3"], "the nearest is --epochs"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], said: str
) -> None:
    found = called(capsys, "train", *options, "--out", tmp_path / "out")
    assert found.status == 2
    assert said in found.line
    assert not (tmp_path / "out").exists()


def test_another_training_in_the_same_folder_is_refused(
    capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path
) -> None:
    found = called(capsys, *BRIEF, "--epochs", "3", "--out", trained)
    assert found.status == 2
    assert "begins" not in found.out
    assert "holds another training: --epochs 3 here, 2 there" in found.line
    images = pictures(tmp_path / "images", cat=8, dog=8)
    found = called(capsys, *BRIEF, "--data", images, "--out", trained)
    assert found.status == 2
    assert "its images were others" in found.line


def test_a_training_that_diverges_fails_with_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = called(capsys, *BRIEF, "--learning-rate", "1e9", "--out", tmp_path / "out")
    assert found.status == 1
    assert "training diverged" in found.line
