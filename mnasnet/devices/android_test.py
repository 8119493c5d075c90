"""Tests of timing on a phone: the real adb client, and a phone that this process plays."""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.base.errors import RequestError
from mnasnet.devices.android import AndroidDevice
from mnasnet.devices.conftest import blocks_of, median_ratio
from mnasnet.devices.device import Device, DeviceError, DeviceLostError, UnsuitableError, wait_for
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.devices.named import open_device
from mnasnet.devices.timing import DeviceState
from mnasnet.fakes.loopback_adb_link import BENCHMARK_CALL
from mnasnet.fakes.loopback_adbd import LoopbackPhone, ask_adb_server, private_adb_server

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the loopback phone is made of this system's parts"
)

TIMED_S = 0.002
"""Short, for networks of some 10 µs."""


@pytest.fixture(scope="module", autouse=True)
def adb_server() -> Iterator[int]:
    with private_adb_server() as port:
        yield port


@pytest.fixture(scope="module")
def plugged_in(adb_server: int) -> Iterator[LoopbackPhone]:
    with LoopbackPhone() as phone:
        yield phone


@pytest.fixture
def phone(plugged_in: LoopbackPhone) -> LoopbackPhone:
    """Without the faults and the memories that other tests left."""
    plugged_in.faults = dict.fromkeys(plugged_in.faults, 0)
    plugged_in.prints_median, plugged_in.away_s = True, 0
    plugged_in.commands.clear()
    plugged_in.sent.clear()
    plugged_in.plug_in()
    return plugged_in


@pytest.fixture
def android(phone: LoopbackPhone) -> Iterator[AndroidDevice]:
    with AndroidDevice(phone.address, phone.benchmark_model, timed_s=TIMED_S) as device:
        yield device


def runs_of(phone: LoopbackPhone) -> list[str]:
    """The commands in which networks ran."""
    return [command for command in phone.commands if BENCHMARK_CALL in command]


class TestAndroidDevice(DeviceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def device(cls, plugged_in: LoopbackPhone) -> Iterator[Device]:
        with AndroidDevice(None, plugged_in.benchmark_model, timed_s=TIMED_S) as device:
            yield device


def test_the_record_says_on_what_and_with_what(
    phone: LoopbackPhone, android: AndroidDevice, artifact: Artifact, reference: Artifact
) -> None:
    timings = android.time_file(artifact, reference=reference)
    assert median_ratio(timings) > 1.5  # about five times the multiply-adds
    assert timings.device == f"android (Loopback 8, {phone.address})"
    assert timings.runtime.startswith("LiteRT benchmark_model ")
    assert timings.runtime.endswith(", XNNPACK")
    assert timings.clock == "wall time"
    assert (timings.statistic, timings.not_delegated) == ("median", ())
    assert timings.state == DeviceState(governor="schedutil", frequency_mhz=576, temperature_c=31.5)
    blocks = blocks_of(timings)
    assert sum(block.summarized for block in blocks) > 3 * len(
        blocks
    )  # each stands for the runs of a process
    # Core 7 is the only big one.
    assert timings.cores == (7,)
    assert all(command.count("taskset 80 ") == 2 for command in runs_of(phone))
    # Each network goes first in half of the loads.
    first = [
        command.index("candidate.tflite") < command.index("reference.tflite") for command in runs_of(phone)
    ]
    assert first == [load % 2 == 0 for load in range(len(first))]


def test_the_card_has_all_clusters(android: AndroidDevice) -> None:
    card = android.read_card()
    assert (card.system, card.abi) == ("Android 14", "arm64-v8a")
    assert [[core.number for core in cluster] for cluster in card.clusters] == [[7], [4, 5, 6], [0, 1, 2, 3]]
    assert card.clusters[0][0].most_mhz == 2850
    assert card.pinned == (7,)


def test_what_others_leave_of_each_core_is_a_share(android: AndroidDevice) -> None:
    shares = android.measure_idle_shares()
    assert set(shares) == set(range(os.cpu_count() or 1))
    assert all(0 <= share <= 1 for share in shares.values())


def test_two_threads_get_the_next_fastest_cores_too(
    phone: LoopbackPhone, artifact: Artifact, broken: Artifact
) -> None:
    with (
        AndroidDevice(phone.address, phone.benchmark_model, threads=2) as device,
        pytest.raises(DeviceError),
    ):
        device.time_file(broken, reference=artifact)
    assert device.read_card().pinned == (4, 5, 6, 7)
    [command] = runs_of(phone)
    assert command.count("taskset f0 ") == command.count("--num_threads=2 ") == 2


def test_an_old_tool_gives_means_and_delegates_nothing_and_the_record_says_so(
    phone: LoopbackPhone, android: AndroidDevice, artifact: Artifact, reference: Artifact
) -> None:
    phone.prints_median = False
    phone.faults["no_delegate"] = math.inf
    timings = android.time_file(artifact, reference=reference)
    assert timings.statistic == "mean"
    assert timings.not_delegated == ("all operators",)


def test_what_is_there_is_not_sent_again_and_the_candidate_never_stays(
    phone: LoopbackPhone, artifact: Artifact, reference: Artifact, broken: Artifact
) -> None:
    with AndroidDevice(phone.address, phone.benchmark_model, timed_s=TIMED_S) as device:
        device.time_file(artifact, reference=reference)
        for other in (reference, artifact):
            with pytest.raises(DeviceError):
                device.time_file(broken, reference=other)
            assert [path.name for path in phone.tmp.rglob("*.tflite")] == ["reference.tflite"]
    names = [Path(path).stem for path in phone.sent]
    assert names == ["benchmark_model", "reference", "candidate", "candidate", "reference", "candidate"]
    assert list(phone.tmp.iterdir()) == []


def test_closing_removes_also_what_lay_there_when_the_phone_went_away(
    phone: LoopbackPhone, artifact: Artifact, reference: Artifact
) -> None:
    with AndroidDevice(phone.address, phone.benchmark_model, timed_s=TIMED_S) as device:
        phone.faults["drop_running"] = 1
        with pytest.raises(DeviceLostError):
            device.time_file(artifact, reference=reference)
        assert list(phone.tmp.iterdir()) != []
    assert list(phone.tmp.iterdir()) == []


def test_what_a_killed_process_left_goes_after_two_days(
    phone: LoopbackPhone, android: AndroidDevice, artifact: Artifact, broken: Artifact
) -> None:
    for name, days in (("old", 4), ("new", 1)):
        folder = phone.tmp / f"mnasnet-{name}"
        folder.mkdir()
        long_ago = time.time() - 86_400 * days
        os.utime(folder, (long_ago, long_ago))
    with pytest.raises(DeviceError):
        android.time_file(broken, reference=artifact)
    assert not (phone.tmp / "mnasnet-old").exists()
    (phone.tmp / "mnasnet-new").rmdir()


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("drop_pushing", DeviceLostError, r"sending .*benchmark_model broke off: the connection .* is lost"),
        (
            "drop_running",
            DeviceLostError,
            r"timing .*candidate\.tflite .* broke off: the connection .* is lost",
        ),
        ("drop_asking", DeviceLostError, r"asking 127\.0\.0\.1:\d+ broke off: the connection .* is lost"),
        (
            "storage_full",
            DeviceError,
            r"sending .*: the storage of 127\.0\.0\.1:\d+ is full; free \d+ MB or more",
        ),
        ("crash", DeviceError, r"timing .*candidate\.tflite failed: benchmark_model crashed \(SIGSEGV\)"),
        ("killed", DeviceError, r"benchmark_model was ended from outside \(SIGKILL\)"),
        (
            "wrong_abi",
            DeviceError,
            r"benchmark_model is for another processor .*, arm64-v8a; take android_aarch64_benchmark_model",
        ),
        ("cut_short", DeviceError, r"candidate\.tflite failed: benchmark_model said nothing of the time"),
        (
            "cut_in_line",
            DeviceError,
            r"said nothing of the time it took, but: .*count=\d+ first=\d+ curr=\d$",
        ),
    ],
)
def test_a_fault_is_one_clear_line(
    phone: LoopbackPhone,
    android: AndroidDevice,
    artifact: Artifact,
    reference: Artifact,
    fault: str,
    kind: type[DeviceError],
    says: str,
) -> None:
    phone.faults[fault] = 1
    with pytest.raises(DeviceError, match=says) as raised:
        android.time_file(artifact, reference=reference)
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    assert phone.faults[fault] == 0


def test_after_one_fault_upon_another_the_phone_can_be_measured(
    phone: LoopbackPhone, android: AndroidDevice, artifact: Artifact, reference: Artifact
) -> None:
    for fault in ("drop_asking", "storage_full", "crash", "drop_pushing", "cut_short", "drop_running"):
        phone.faults[fault] = 1
        with pytest.raises(DeviceError):
            android.time_file(artifact, reference=reference)
    assert android.time_file(artifact, reference=reference).launches


def test_a_run_that_hangs_is_ended_at_the_limit(
    phone: LoopbackPhone, artifact: Artifact, reference: Artifact
) -> None:
    with AndroidDevice(phone.address, phone.benchmark_model, timed_s=TIMED_S, limit_s=2.0) as device:
        phone.faults["hang"] = 1
        with pytest.raises(DeviceError, match=r"took more than 2 s on 127") as raised:
            device.time_file(artifact, reference=reference)
        assert not isinstance(raised.value, DeviceLostError)
        deadline = time.monotonic() + 5
        while phone.shells and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not phone.shells


def tools_running(phone: LoopbackPhone) -> list[str]:
    """The command lines of what was started from the phone's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # of a process that has just ended
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{phone.tmp}/mnasnet-" in line:
                found.append(line)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_that_hangs_while_the_phone_is_unplugged_is_ended_when_it_is_back(
    phone: LoopbackPhone, artifact: Artifact, reference: Artifact
) -> None:
    with AndroidDevice(phone.address, phone.benchmark_model, timed_s=TIMED_S, limit_s=20.0) as device:
        phone.faults["hang"] = 1
        unplugging = threading.Timer(1.5, phone.unplug)
        unplugging.start()
        with pytest.raises(DeviceLostError):
            device.time_file(artifact, reference=reference)
        unplugging.join()
        phone.plug_in()
        assert device.time_file(artifact, reference=reference).launches
        assert not tools_running(phone)


def test_a_file_that_cannot_be_loaded_is_named_with_the_tool_s_words(
    android: AndroidDevice, artifact: Artifact, broken: Artifact
) -> None:
    with pytest.raises(DeviceError, match=r"broken\.tflite failed: .* exit status 1, .*Benchmarking failed"):
        android.time_file(artifact, reference=broken)


def test_a_phone_that_lets_nobody_in_is_an_error_until_somebody_allows_it(
    phone: LoopbackPhone, android: AndroidDevice
) -> None:
    phone.faults["unauthorized"] = math.inf
    phone.plug_in()
    with pytest.raises(DeviceError, match=r"allow USB debugging on the phone's screen") as raised:
        android.read_card()
    assert not isinstance(raised.value, DeviceLostError)
    phone.faults["unauthorized"] = 0
    phone.plug_in()
    assert android.read_card().system == "Android 14"


def test_a_phone_that_was_unplugged_between_measurements_is_lost_and_then_sent_everything_again(
    phone: LoopbackPhone, android: AndroidDevice, artifact: Artifact, reference: Artifact, broken: Artifact
) -> None:
    with pytest.raises(DeviceError):
        android.time_file(broken, reference=reference)
    phone.unplug()
    with pytest.raises(DeviceLostError):
        android.time_file(artifact, reference=reference)
    with pytest.raises(DeviceLostError, match=rf"{phone.address} is not connected any more"):
        android.time_file(artifact, reference=reference)
    phone.plug_in()
    phone.sent.clear()
    assert android.time_file(artifact, reference=reference).launches
    assert len(phone.sent) == 3


def test_a_phone_that_stays_away_is_given_up_after_the_limit(
    phone: LoopbackPhone, android: AndroidDevice
) -> None:
    android.read_card()
    phone.unplug()
    waits: list[float] = []
    with pytest.raises(DeviceLostError):
        wait_for(android, limit_s=0, sleep=waits.append)
    assert waits == []


def test_an_unknown_serial_is_an_error_with_those_that_are_connected(phone: LoopbackPhone) -> None:
    with (
        AndroidDevice("R58M42", phone.benchmark_model) as device,
        pytest.raises(
            UnsuitableError, match=rf"no phone has the serial number R58M42; connected: {phone.address}$"
        ),
    ):
        device.read_card()


def test_of_two_phones_one_has_to_be_named(phone: LoopbackPhone) -> None:
    with LoopbackPhone() as second:
        with (
            AndroidDevice(None, phone.benchmark_model) as device,
            pytest.raises(
                UnsuitableError, match=r"2 phones are connected, .*; name one: --device android:SERIAL"
            ),
        ):
            device.read_card()
        with AndroidDevice(second.address, phone.benchmark_model) as device:
            assert second.address in device.name


def test_no_phone_at_all_may_still_be_plugged_in(phone: LoopbackPhone) -> None:
    phone.unplug()
    # A server that is just connecting again when it is told to forget the phone lists it once more, as offline.
    deadline = time.monotonic() + 10
    while phone.address in ask_adb_server("host:devices"):
        assert time.monotonic() < deadline
        ask_adb_server(f"host:disconnect:{phone.address}")
        time.sleep(0.05)
    with AndroidDevice(None, phone.benchmark_model) as device:
        with pytest.raises(DeviceLostError, match=r"no phone is connected; plug one in"):
            device.read_card()
        phone.plug_in()
        assert device.read_card().abi == "arm64-v8a"


def test_a_file_of_another_format_is_refused(
    android: AndroidDevice, artifact: Artifact, reference: Artifact
) -> None:
    with pytest.raises(UnsuitableError, match=r"is of the format onnx; benchmark_model runs tflite"):
        android.time_file(replace(artifact, format="onnx"), reference=reference)


@pytest.mark.parametrize("settings", [{"threads": 0}, {"limit_s": 0}, {"timed_s": 0}])
def test_settings_without_meaning_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not 0"):
        AndroidDevice(None, Path("benchmark_model"), **settings)


def test_the_name_of_a_device_needs_the_tool(phone: LoopbackPhone, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--benchmark-model; docs/measuring\.md says where"):
        open_device("android")
    with pytest.raises(RequestError, match=r"nowhere: is no file"):
        open_device("android", benchmark_model=tmp_path / "nowhere")
    with open_device(f"android:{phone.address}", benchmark_model=phone.benchmark_model) as device:
        assert phone.address in device.name


@pytest.mark.slow
def test_a_network_takes_as_long_as_a_copy_of_itself(android: AndroidDevice, artifact: Artifact) -> None:
    ratios = [median_ratio(android.time_file(artifact, reference=artifact)) for _ in range(10)]
    assert sorted(ratios)[5] == pytest.approx(1.0, rel=0.05)
