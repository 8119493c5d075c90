"""Tests of timing behind a real sshd, which not every machine has."""

import contextlib
import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.devices.conftest import median_ratio
from mnasnet.devices.device import Device, DeviceError, DeviceLostError, wait_for
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.devices.host_test import ends
from mnasnet.devices.ssh import SshDevice
from mnasnet.devices.ssh_test import OLD, comes_true, is_empty, script
from mnasnet.fakes.loopback_sshd import LoopbackSshd


@pytest.fixture(scope="module")
def sshd() -> Iterator[LoopbackSshd]:
    with LoopbackSshd() as sshd:
        yield sshd


@pytest.fixture
def fresh() -> Iterator[LoopbackSshd]:
    """One to break."""
    with LoopbackSshd() as sshd:
        yield sshd


def board(sshd: LoopbackSshd, *, python: str = sys.executable, limit_s: float = 30.0) -> SshDevice:
    return SshDevice(sshd.address, python=python, limit_s=limit_s, ssh=sshd.client)


@contextlib.contextmanager
def soon(action: Callable[[], object], when: Callable[[], bool]) -> Iterator[None]:
    """Does something as soon as something is true, while the block runs."""
    done = threading.Thread(target=lambda: comes_true(when) and action())
    done.start()
    yield
    done.join()


def long(artifact: Artifact, path: Path) -> Artifact:
    """A file that takes a while to send and cannot be run."""
    path.write_bytes(bytes(100 << 20))
    return dataclasses.replace(artifact, path=path)


@pytest.mark.slow
class TestSshDevice(DeviceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def device(cls, sshd: LoopbackSshd) -> Iterator[Device]:
        with board(sshd) as device:
            yield device

    def test_nothing_is_left_there(self, device: Device, sshd: LoopbackSshd) -> None:
        device.close()
        assert is_empty(sshd.there)


@pytest.mark.slow
def test_one_connection_serves_all_measurements(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        for _ in range(3):
            device.time_file(artifact, reference=reference)
    assert fresh.log.count("Accepted publickey") == 1


@pytest.mark.slow
def test_a_stopped_server_is_a_lost_device(fresh: LoopbackSshd) -> None:
    fresh.stop()
    with board(fresh) as device, pytest.raises(DeviceLostError, match=r"out of reach: .*Connection refused"):
        device.read_card()


@pytest.mark.slow
def test_a_host_without_a_name_is_a_lost_device(sshd: LoopbackSshd) -> None:
    with (
        SshDevice("pi@no-such-host.invalid", ssh=sshd.client) as device,
        pytest.raises(
            DeviceLostError, match=r"out of reach: .*Could not resolve hostname no-such-host\.invalid"
        ),
    ):
        device.read_card()


@pytest.mark.slow
def test_a_server_that_says_nothing_is_a_lost_device(fresh: LoopbackSshd) -> None:
    fresh.freeze_listener()
    with (
        SshDevice(fresh.address, ssh=(*fresh.client, "-oConnectTimeout=1")) as device,
        pytest.raises(DeviceLostError, match=r"out of reach: .*timed out"),
    ):
        device.read_card()


@pytest.mark.slow
def test_an_unknown_host_key_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.known_hosts.unlink()
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"its host key is not known; connect once") as error,
    ):
        device.read_card()
    assert not isinstance(error.value, DeviceLostError)
    assert f"ssh -p {fresh.port} " in str(error.value)


@pytest.mark.slow
def test_another_host_key_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.known_hosts.write_text(f"[127.0.0.1]:{fresh.port} {fresh.public_key('other_key')}")
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"its host key is not the one that is known") as error,
    ):
        device.read_card()
    assert not isinstance(error.value, DeviceLostError)
    assert f"ssh-keygen -R '[127.0.0.1]:{fresh.port}'" in str(error.value)


@pytest.mark.slow
def test_a_key_that_is_not_accepted_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.authorized_keys.write_text(fresh.public_key("other_key"))
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"accepts none of your keys .*ssh-copy-id -p") as error,
    ):
        device.read_card()
    assert not isinstance(error.value, DeviceLostError)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script_there", "message"),
    [
        ("exec no-such-python", r"has no .*python \(.*not found\)"),
        (f'exec {sys.executable} -c {shlex.quote(OLD)} "$@"', r"is Python 3\.7\.3"),
        (f'exec {sys.executable} -S "$@"', r"its Python has no LiteRT or ONNX Runtime"),
        (f'ulimit -f 0\nexec {sys.executable} "$@"', r"has no room for temporary files"),
        ("exit 3", r"failed twice: the process ended with status 3"),
    ],
)
def test_a_python_there_that_will_not_do_is_an_error(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact, script_there: str, message: str
) -> None:
    python = script(fresh.folder / "python", script_there)
    with board(fresh, python=python) as device:
        with pytest.raises(DeviceError, match=message) as error:
            device.read_card()
        assert not isinstance(error.value, DeviceLostError)
        with pytest.raises(DeviceError, match=message):
            device.time_file(artifact, reference=reference)


@pytest.mark.slow
def test_a_full_disk_there_is_an_error(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    python = script(fresh.folder / "python", f'ulimit -f 128\nexec {sys.executable} "$@"')
    large = long(artifact, tmp_path / "large.tflite")
    with board(fresh, python=python) as device:
        with pytest.raises(DeviceError, match=r"large\.tflite cannot be stored on ssh:"):
            device.time_file(large, reference=reference)
        assert is_empty(fresh.there)
        assert device.time_file(artifact, reference=reference).launches


@pytest.mark.slow
def test_a_runner_that_hangs_is_an_error_and_ends(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh, limit_s=3) as device:
        device.time_file(artifact, reference=reference)
        runner = device.describe_runner()["process"]
        os.kill(runner, signal.SIGSTOP)
        with pytest.raises(DeviceError, match=r"took more than 3 s") as error:
            device.time_file(artifact, reference=reference)
        assert not isinstance(error.value, DeviceLostError)
        assert ends(runner)
        assert is_empty(fresh.there)
        assert device.time_file(artifact, reference=reference).launches


@pytest.mark.slow
def test_a_connection_lost_while_a_file_is_sent_is_a_lost_device(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    large = long(artifact, tmp_path / "large.tflite")
    with board(fresh) as device:
        runner = device.describe_runner()["process"]
        os.kill(runner, signal.SIGSTOP)  # it does not read, so the file cannot have arrived
        timer = threading.Timer(0.5, fresh.drop)
        timer.start()
        with pytest.raises(DeviceLostError, match="out of reach"):
            device.time_file(large, reference=reference)
        timer.join()
        assert ends(runner)
        assert is_empty(fresh.there)
        wait_for(device, limit_s=5)
        assert device.time_file(artifact, reference=reference).launches


@pytest.mark.slow
def test_a_connection_lost_while_a_network_runs_is_a_lost_device(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        runner = device.describe_runner()["process"]
        # The second file is there: networks are being loaded, warmed up and timed.
        with (
            soon(fresh.drop, lambda: len(list(fresh.there.rglob("*.tflite"))) == 2),
            pytest.raises(DeviceLostError, match="out of reach"),
        ):
            device.time_file(artifact, reference=reference, launches=50)
        assert ends(runner)
        assert is_empty(fresh.there)
        wait_for(device, limit_s=5)
        assert device.time_file(artifact, reference=reference).launches


@pytest.mark.slow
def test_a_server_that_is_away_between_measurements_is_waited_for(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        device.time_file(artifact, reference=reference)
        fresh.stop()
        with pytest.raises(DeviceLostError, match="out of reach"):
            device.time_file(artifact, reference=reference)
        with pytest.raises(DeviceLostError, match="Connection refused"):
            wait_for(device, limit_s=0)
        wait_for(device, limit_s=30, sleep=lambda _: fresh.start())
        assert device.time_file(artifact, reference=reference).launches


@pytest.mark.slow
def test_the_users_own_settings_count_and_those_for_a_terminal_do_not_get_in_the_way(
    fresh: LoopbackSshd,
) -> None:
    with (fresh.folder / "ssh_config").open("a") as config:
        config.write(
            f"Host bench\nHostName 127.0.0.1\nHostKeyAlias [127.0.0.1]:{fresh.port}\nPort {fresh.port}\n"
            f"LocalForward {fresh.folder}/forwarded 127.0.0.1:9\nExitOnForwardFailure yes\nRequestTTY force\n"
            f"RemoteCommand top\nControlMaster auto\nControlPath {fresh.folder}/control\nLogLevel QUIET\n"
        )
    first, second = (SshDevice("bench", python=sys.executable, ssh=fresh.client) for _ in range(2))
    with first, second:
        assert first.describe_runner()["process"] != second.describe_runner()["process"]
        fresh.stop()
        with pytest.raises(DeviceLostError, match="is out of reach"):
            first.read_card()


@pytest.mark.slow
def test_a_connection_that_falls_silent_is_lost_within_seconds(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        device.read_card()
        fresh.freeze()
        begun = time.monotonic()
        with pytest.raises(DeviceLostError, match=r"not responding"):
            device.time_file(artifact, reference=reference)
        assert time.monotonic() - begun < 60  # four times 5 s; a measurement itself may take 120


@pytest.mark.slow
def test_nothing_is_left_there_when_the_program_is_killed(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    program = f"""
from pathlib import Path
from mnasnet.arch.records import Artifact
from mnasnet.devices.ssh import SshDevice
device = SshDevice({fresh.address!r}, python={sys.executable!r}, ssh={fresh.client!r})
print(device.describe_runner()["process"], flush=True)
artifact, reference = (
    Artifact(path=Path(path), format="tflite", digest="", size_bytes=0)
    for path in ({str(artifact.path)!r}, {str(reference.path)!r})
)
device.time_file(artifact, reference=reference, launches=50)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as killed:
        assert killed.stdout is not None
        runner = int(killed.stdout.readline())
        assert comes_true(lambda: any(fresh.there.rglob("*.tflite")))
        killed.kill()
    assert ends(runner)
    assert is_empty(fresh.there)


@pytest.mark.slow
def test_a_board_with_another_processor_is_measured(
    sshd: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    root = os.environ.get("MNASNET_ARM64_ROOT")
    assert root, "set MNASNET_ARM64_ROOT to a folder that scripts/arm64-root has filled"
    # Emulated: whether it runs there, not how fast it is.
    with board(sshd, python=str(Path(root).resolve() / "python"), limit_s=300) as device:
        card = device.read_card()
        assert card.abi == "aarch64"
        assert card.system.startswith("Linux ")
        assert [runtime.partition(" ")[0] for runtime in card.runtimes] == ["LiteRT"]
        assert device.formats == ("tflite",)
        timings = device.time_file(artifact, reference=reference)
    assert median_ratio(timings) > 1
    assert timings.not_delegated == ()
    assert is_empty(sshd.there)
