"""Tests of timing on this machine, with the real runtime in a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.devices.conftest import blocks_of, median_ratio
from mnasnet.devices.device import Device, DeviceError, UnsuitableError
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.devices.host import HostDevice
from mnasnet.devices.timing import LAUNCH_LOADS, LOAD_BLOCKS


class TestHostDevice(DeviceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def device(cls) -> Iterator[Device]:
        with HostDevice() as device:
            yield device


@pytest.fixture(scope="module")
def host() -> Iterator[HostDevice]:
    with HostDevice() as device:
        yield device


def ends(process: int) -> bool:
    """Whether the process with this number is gone within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
            # A process that nobody has waited for yet has ended all the same.
            if " Z " in Path(f"/proc/{process}/stat").read_text(encoding="utf-8"):
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_one_process_serves_all_measurements_and_never_loads_torch(
    host: HostDevice, artifact: Artifact, reference: Artifact
) -> None:
    before = host.describe_runner()["process"]
    host.time_file(artifact, reference=reference)
    after = host.describe_runner()
    assert after["process"] == before
    assert "ai_edge_litert" in after["packages"]
    assert not {"torch", "mnasnet", "optuna"} & set(after["packages"])


def test_the_record_says_how_large_the_ratio_was_and_on_what(
    host: HostDevice, artifact: Artifact, reference: Artifact
) -> None:
    timings = host.time_file(artifact, reference=reference)
    assert median_ratio(timings) > 1.5  # about five times the multiply-adds
    assert timings.runtime.startswith("LiteRT ")
    assert timings.runtime.endswith(", XNNPACK")
    assert timings.clock in ("CPU time", "wall time")
    pinned = sys.platform == "linux"
    assert timings.cores == ((max(os.sched_getaffinity(0)),) if pinned else ())


def test_two_threads_are_not_pinned_and_timed_by_the_wall(artifact: Artifact, reference: Artifact) -> None:
    with HostDevice(threads=2) as host:
        timings = host.time_file(artifact, reference=reference)
    assert (timings.threads, timings.cores, timings.clock) == (2, (), "wall time")


def test_each_of_several_launches_is_a_process_of_its_own(
    host: HostDevice, artifact: Artifact, reference: Artifact
) -> None:
    before = host.describe_runner()["process"]
    host.time_file(artifact, reference=reference, launches=2)
    assert host.describe_runner()["process"] != before


def test_a_process_that_was_killed_is_started_again(
    host: HostDevice, artifact: Artifact, reference: Artifact
) -> None:
    os.kill(host.describe_runner()["process"], signal.SIGTERM)
    assert host.time_file(artifact, reference=reference).launches


def test_a_process_that_dies_twice_is_an_error_with_its_last_words() -> None:
    dies = "import sys; sys.exit('Illegal instruction')"
    with (
        HostDevice(command=(sys.executable, "-c", dies)) as host,
        pytest.raises(DeviceError, match=r"failed twice.*Illegal instruction"),
    ):
        host.describe_runner()


def test_a_process_that_hangs_is_ended_at_the_limit(artifact: Artifact, reference: Artifact) -> None:
    hangs = "import time; time.sleep(60)"
    with (
        HostDevice(command=(sys.executable, "-c", hangs), limit_s=0.2) as host,
        pytest.raises(DeviceError, match=r"more than 0\.2 s"),
    ):
        host.time_file(artifact, reference=reference)


def test_a_command_that_is_not_there_is_an_error() -> None:
    with (
        HostDevice(command=("no-such-python",)) as host,
        pytest.raises(DeviceError, match=r"cannot be started.*no-such-python"),
    ):
        host.describe_runner()


def test_an_error_names_the_file_that_cannot_be_loaded(
    host: HostDevice, artifact: Artifact, broken: Artifact
) -> None:
    process = host.describe_runner()["process"]
    with pytest.raises(DeviceError, match=r"broken\.tflite cannot be loaded"):
        host.time_file(artifact, reference=broken)
    assert host.describe_runner()["process"] == process


def test_closing_ends_the_process() -> None:
    host = HostDevice()
    process = host.describe_runner()["process"]
    host.close()
    assert ends(process)


@pytest.mark.skipif(sys.platform != "linux", reason="kills as POSIX does and looks into /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind_when_the_program_ends(sent: signal.Signals) -> None:
    program = (
        "import time; from mnasnet.devices.host import HostDevice; host = HostDevice();"
        "print(host.describe_runner()['process'], flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        parent.send_signal(sent)
    assert ends(process)


def test_more_threads_than_cores_are_refused() -> None:
    with (
        HostDevice(threads=1000) as host,
        pytest.raises(UnsuitableError, match=r"--threads 1000: host has \d+"),
    ):
        host.read_card()


@pytest.mark.parametrize(("threads", "limit_s"), [(0, 1.0), (1, 0.0)])
def test_settings_without_meaning_are_refused(threads: int, limit_s: float) -> None:
    with pytest.raises(ValueError, match="not 0"):
        HostDevice(threads=threads, limit_s=limit_s)


RUNNER_THAT_DIES = """
import json, os, sys
from pathlib import Path
loads, died = 0, Path(sys.argv[1])
version = "2.0" if died.exists() else "1.0"
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "time":
        loads += 1
        if loads == 4 and not died.exists():
            died.touch()
            os._exit(9)
        block = {"reference_ms": [1.0, 1.0], "candidate_ms": [2.0, 2.0]}
        reply = {"not_delegated": [], "blocks": [block] * request["blocks"]}
    else:
        reply = dict.fromkeys(("governor", "frequency_mhz", "temperature_c"))
        reply |= dict(system="s", abi="a", processor="p", clock="CPU time", runtimes=["LiteRT " + version])
        reply |= dict(threads=1, pinned=[0], cores=[], process=os.getpid())
    print(json.dumps(reply), flush=True)
"""


def test_what_a_process_timed_before_it_died_is_no_part_of_the_timings(
    artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    program = RUNNER_THAT_DIES
    with HostDevice(command=(sys.executable, "-c", program, str(tmp_path / "died"))) as host:
        timings = host.time_file(artifact, reference=reference)
    assert (tmp_path / "died").exists()
    assert timings.runtime.startswith("LiteRT 2.0")  # of the process that timed
    assert len(blocks_of(timings)) == LAUNCH_LOADS * LOAD_BLOCKS


@pytest.mark.slow
def test_a_network_takes_as_long_as_a_copy_of_itself(host: HostDevice, artifact: Artifact) -> None:
    # What ten measurements say together; how far a single one may be off is for the machine to say, and for
    # `benchmarks/latency_repeatability.py`.
    ratios = [median_ratio(host.time_file(artifact, reference=artifact)) for _ in range(10)]
    assert median(ratios) == pytest.approx(1.0, rel=0.03)
