"""Tests of measure, doctor and reach as they are called, on this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.cli.conftest import called
from mnasnet.devices.conftest import artifact as artifact
from mnasnet.devices.conftest import reference as reference
from mnasnet.devices.runner_test import with_an_operator_of_its_own
from mnasnet.measures.latency import latency_from_json

SMALL = ("--image-size", "32", "--width", "0.35")


@pytest.mark.slow
def test_files_are_timed_and_every_pair_is_judged(
    capsys: pytest.CaptureFixture[str], artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tflite"
    shutil.copy(reference.path, copy)
    ended = called(capsys, "measure", str(reference.path), str(artifact.path), str(copy))
    assert (ended.status, ended.err) == (0, "")
    assert f"{reference.path} is faster than {artifact.path}" in ended.out
    assert f"{artifact.path} is slower than {copy}" in ended.out
    assert "LiteRT" in ended.out


@pytest.mark.slow
def test_json_has_latency_interval_verdicts_and_the_whole_record(
    capsys: pytest.CaptureFixture[str], artifact: Artifact, reference: Artifact
) -> None:
    short, long = json.loads(called(capsys, "measure", "--json", str(reference.path), str(artifact.path)).out)
    assert long["file"] == str(artifact.path)
    assert 0 < long["low_ms"] <= long["latency_ms"] <= long["high_ms"]
    assert long["than"] == {str(reference.path): "slower"}
    assert short["than"] == {str(artifact.path): "faster"}
    assert latency_from_json(long["record"]).launches == 5


@pytest.mark.slow
def test_an_operator_that_falls_back_is_a_warning(
    capsys: pytest.CaptureFixture[str], artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "other.tflite"
    with_an_operator_of_its_own(artifact.path, path)
    ended = called(capsys, "measure", str(path))
    assert ended.status == 0
    assert f"warning: {path}: LOG_SOFTMAX fell back to slower kernels" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give at least one FILE"),
        (("none.tflite",), "none.tflite: No such file"),
        (("README.md",), "README.md: give a file whose name ends in .tflite or .onnx"),
        (("a.tflite", "b.tflite", "a.tflite"), "a.tflite: is given twice"),
        (("a.tflite", "--device", "android", "--benchmark-model", "README.md"), "README.md: is no program"),
        (("a.tflite", "--device", "hots"), "--device hots: the nearest is 'host'"),
        (("a.tflite", "--device", "ssh:"), "--device ssh:: name the board, as in ssh:pi@board"),
        (("a.tflite", "--device", "android:"), "--device android:: name the phone"),
        (("a.tflite", "--python", "py"), "--python py: is for ssh, and --device is host"),
        (
            ("a.tflite", "--device", "ssh:pi@b", "--benchmark-model", "README.md"),
            "--benchmark-model README.md: is for android",
        ),
        (("a.tflite", "--device", "table"), "--device table: name its file, as in table:phone.table"),
        (("a.tflite", "--threads", "0"), "--threads 0: give a whole number of at least 1"),
        (
            ("a.tflite", "--threads", "99999"),
            "--threads 99999: give a whole number of at least 1 and at most",
        ),
    ],
)
def test_a_request_that_cannot_be_served_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    ended = called(capsys, "measure", *arguments)
    assert ended.status == 2
    assert said in ended.line


def test_a_file_that_is_no_model_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_text("no flatbuffer")
    ended = called(capsys, "measure", str(path))
    assert ended.status == 1
    assert f"timing {path} failed" in ended.line


@pytest.mark.slow
def test_the_doctor_says_what_the_device_is_and_how_noisy(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "doctor", *SMALL)
    assert (ended.status, ended.err) == (0, "")
    for word in ("device: host", "runtime: LiteRT", "noise floor: ±", "a candidate of its size takes"):
        assert word in ended.out


@pytest.mark.slow
def test_the_doctors_json_has_the_card_and_the_problems(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(called(capsys, "doctor", "--json", *SMALL).out)
    assert found["card"]["abi"] == os.uname().machine
    assert found["noise"] > 0
    assert isinstance(found["problems"], list)


@pytest.mark.slow
def test_reach_says_what_a_target_leaves_to_choose_from(capsys: pytest.CaptureFixture[str]) -> None:
    ended = called(capsys, "reach", *SMALL, "--sample", "6", "--target-ms", "0.0001")
    assert (ended.status, ended.err) == (0, "")
    assert "0.0001 ms is out of reach" in ended.out
    assert "mnasnet-a1" in ended.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--space", "flatt"), "--space flatt: give one of"),
        (("--image-size", "8"), "--image-size 8: give 16 to 1024"),
        (("--width", "0"), "--width 0.0: give 0.05 to 8"),
        (("--classes", "0"), "--classes 0: give a whole number of at least 1"),
        (("--in-channels", "-1"), "--in-channels -1: give a whole number of at least 1"),
        (("--sample", "1"), "--sample 1: give at least 6"),
        (("--target-ms", "0"), "--target-ms 0.0: give a number above 0"),
    ],
)
def test_reach_refuses_what_it_cannot_serve(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    ended = called(capsys, "reach", *arguments)
    assert ended.status == 2
    assert said in ended.line


def test_none_of_them_loads_torch() -> None:
    program = (
        "import sys; import mnasnet.cli.measure, mnasnet.cli.doctor, mnasnet.cli.reach; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
