"""Tests of timing behind ssh: the command and its far end through a shell here, the rest with a real sshd."""

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
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device, DeviceError, DeviceLostError, wait_for
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.devices.host_test import ends
from mnasnet.devices.named import open_device
from mnasnet.devices.ssh import Address, SshDevice, fault_of, known_as, parse_address
from mnasnet.fakes.loopback_sshd import LoopbackSshd

# As the ssh client does it: whatever follows the host, joined with spaces, is the business of a shell there.
SHELL = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec sh -c "$*"
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> str:
    """In the ssh client's place: a shell here."""
    path = tmp_path_factory.mktemp("shell") / "ssh"
    path.write_text(SHELL)
    path.chmod(0o755)
    return str(path)


class TestThroughAShell(DeviceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def device(cls, shell: str) -> Iterator[Device]:
        with SshDevice("pi@board", python=sys.executable, ssh=(shell,)) as device:
            yield device


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of the processes started here."""
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.setenv("TMPDIR", str(there))
    return there


def script(path: Path, lines: str) -> str:
    """The path of a new command."""
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return str(path)


def parent(process: int) -> int:
    """The number of the process that started it."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_empty(folder: Path) -> bool:
    """Whether nothing is left in it within five seconds."""
    return comes_true(lambda: not any(folder.iterdir()))


def comes_true(true: Callable[[], bool]) -> bool:
    """Whether it does within five seconds."""
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("board", Address(host="board")),
        ("pi@board", Address(host="board", user="pi")),
        ("pi@192.168.1.7:2222", Address(host="192.168.1.7", user="pi", port=2222)),
        ("me@home.example@board", Address(host="board", user="me@home.example")),
        ("[::1]", Address(host="::1")),
        ("pi@[fe80::1%eth0]:22", Address(host="fe80::1%eth0", user="pi", port=22)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_user_and_a_port(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "name the board, as in ssh:pi@board"),
        ("pi@", "host '' of 'pi@'"),
        ("@board", "user '' of '@board'"),
        ("-oProxyCommand=reboot", "host '-oProxyCommand=reboot'"),
        ("-l@board", "user '-l'"),
        ("pi@two words", "host 'two words'"),
        ("pi@a\nb", "host 'a\\\\nb'"),
        ("pi@$(reboot)", r"host '\$\(reboot\)'"),
        ("//pi@board", "user '//pi'"),
        ("pi@board:", "port '' of 'pi@board:' is not a whole number from 1 to 65535"),
        ("pi@board:0", "port '0'"),
        ("pi@board:65536", "port '65536'"),
        ("pi@board:２２", "port '２２'"),
        ("fe80::1", r"'fe80::1' is not \[USER@\]HOST\[:PORT\]; an IPv6 address goes in brackets"),
        ("pi@[::1", "an IPv6 address goes in brackets"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint) as error:
        open_device(f"ssh:{text}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("python", ["", "-c"])
def test_a_python_that_is_an_option_is_refused(python: str) -> None:
    with pytest.raises(RequestError, match=r"^`python` .*: give the name or the path"):
        open_device("ssh:pi@board", python=python)


def test_all_that_is_told_to_ssh_comes_before_the_host_and_what_the_shell_there_gets_is_quoted(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    tell = script(tmp_path / "ssh", f'for each; do echo "$each"; done > {told}; exit 255')
    # Options of the caller's own come first, where ssh heeds them.
    with (
        SshDevice("pi@[::1]:2222", threads=3, python="my python", ssh=(tell, "-F", "own")) as device,
        pytest.raises(DeviceLostError),
    ):
        device.card()
    arguments = told.read_text().splitlines()
    assert arguments[:2] == ["-F", "own"]
    assert {"-T", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes"} < set(arguments)
    end = arguments.index("--")
    assert arguments[end - 4 : end + 2] == ["-p", "2222", "-l", "pi", "--", "::1"]
    python, c, hello, *rest = shlex.split(" ".join(arguments[end + 2 :]))
    assert (python, c, rest) == ("my python", "-c", ["--threads", "3"])
    assert not {"'", '"', "\\", "\n", "!", "`", "$"} & set(hello)  # every shell takes that between quotes


def test_without_a_user_or_a_port_the_configuration_decides(tmp_path: Path) -> None:
    told = tmp_path / "told"
    tell = script(tmp_path / "ssh", f'for each; do echo "$each"; done > {told}; exit 255')
    with SshDevice("board", ssh=(tell,)) as device, pytest.raises(DeviceLostError):
        device.card()
    assert not {"-p", "-l"} & set(told.read_text().splitlines())


def test_the_files_are_gone_when_it_is_closed(
    shell: str, artifact: Artifact, reference: Artifact, there: Path
) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        device.measure(artifact, reference=reference, agreed=None)
        # The candidate's is already, the reference waits for the next measurement.
        assert [path.name for path in there.rglob("*.tflite")] == ["1-reference.tflite"]
    assert is_empty(there)


def test_a_file_that_has_changed_is_sent_again(
    shell: str, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    changing = dataclasses.replace(reference, path=tmp_path / "reference.tflite")
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        changing.path.write_bytes(reference.path.read_bytes())
        before = device.measure(artifact, reference=changing, agreed=None)
        changing.path.write_bytes(artifact.path.read_bytes())
        after = device.measure(artifact, reference=changing, agreed=None)
    assert before.ratio > 1.5  # about five times the multiply-adds
    assert after.ratio == pytest.approx(1, rel=0.2)


def test_a_runner_that_crashes_leaves_nothing_and_another_one_is_started(shell: str, there: Path) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        runner = device.about()["process"]
        assert any(there.iterdir())
        os.kill(runner, signal.SIGSEGV)
        assert is_empty(there)
        assert device.about()["process"] != runner
    assert is_empty(there)


@pytest.mark.parametrize(
    "said", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGTERM, signal.SIGHUP)], ids=str
)
def test_a_board_that_is_shut_down_ends_the_runner_and_its_files(
    shell: str, there: Path, said: tuple[signal.Signals, ...]
) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        runner = device.about()["process"]
        assert any(there.iterdir())
        bootstrap = parent(runner)
        for one in said:
            os.kill(bootstrap, one)
        assert ends(runner)
        assert is_empty(there)


def test_what_a_login_script_prints_is_passed_over(tmp_path: Path) -> None:
    chatty = script(tmp_path / "python", f'echo Welcome!\necho\nexec {sys.executable} "$@"')
    with SshDevice("board", python=chatty, ssh=(script(tmp_path / "ssh", SHELL),)) as device:
        assert device.card().threads == 1


def test_a_python_that_is_not_there_is_an_error(shell: str) -> None:
    with (
        SshDevice("board", python="no-such-python", ssh=(shell,)) as device,
        pytest.raises(
            DeviceError, match=r"ssh:board has no no-such-python \(.*not found\).*`python`"
        ) as error,
    ):
        device.card()
    assert not isinstance(error.value, DeviceLostError)


OLD = """
import sys
sys.version_info, sys.version = (3, 7, 3), "3.7.3 (default) [GCC 8.3.0]"
sys.argv = sys.argv[1:]
exec(sys.argv[1])
"""


def test_a_python_that_is_too_old_is_an_error(shell: str, tmp_path: Path) -> None:
    old = script(tmp_path / "python", f'exec {sys.executable} -c {shlex.quote(OLD)} "$@"')
    with (
        SshDevice("board", python=old, ssh=(shell,)) as device,
        pytest.raises(DeviceError, match=r"python is Python 3\.7\.3, and 3\.10 is the oldest that will do"),
    ):
        device.card()


def test_a_python_without_a_runtime_is_an_error_of_the_card_and_of_a_measurement(
    shell: str, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    bare = script(tmp_path / "python", f'exec {sys.executable} -S "$@"')
    with SshDevice("board", python=bare, ssh=(shell,)) as device:
        with pytest.raises(DeviceError, match=r"ssh:board: its Python has no LiteRT or ONNX Runtime"):
            device.card()
        with pytest.raises(DeviceError, match=r"pip install ai-edge-litert"):
            device.measure(artifact, reference=reference, agreed=None)


@pytest.mark.parametrize(
    ("words", "away", "message"),
    [
        ("ssh: connect to host b port 22: Connection refused", True, "is out of reach: .*Connection refused"),
        ("ssh: Could not resolve hostname b: Name or service not known", True, "out of reach: .*resolve"),
        ("", True, "ssh:b is out of reach: the connection was lost"),
        (
            "pi@b: Permission denied (publickey).",
            False,
            "accepts none of your keys .*: ssh-copy-id -p 7 pi@b",
        ),
        (
            "Host key for b has changed and you have",
            False,
            r"not the one that is known.*ssh-keygen -R '\[b\]:7'",
        ),
        (
            "No ED25519 host key is known for b and",
            False,
            "is not known; connect once by hand.*: ssh -p 7 pi@b",
        ),
    ],
)
def test_what_may_come_back_is_told_from_what_does_not(words: str, away: bool, message: str) -> None:
    address = Address(host="b", user="pi", port=7)
    fault = fault_of(255, words, called="ssh:b", address=address, python="python3")
    assert isinstance(fault, DeviceError)
    assert isinstance(fault, DeviceLostError) == away
    with pytest.raises(DeviceError, match=message):
        raise fault


def test_a_key_of_the_usual_port_is_kept_under_the_name_alone() -> None:
    assert [known_as(Address(host="b", port=port)) for port in (None, 22)] == ["b", "b"]


def test_a_runner_that_died_is_no_fault_of_the_connection() -> None:
    assert fault_of(139, "Segmentation fault", called="", address=Address(host="b"), python="python3") is None


# From here on with a real sshd, which not every machine has.


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
            device.measure(artifact, reference=reference, agreed=None)
    assert fresh.log.count("Accepted publickey") == 1


@pytest.mark.slow
def test_a_stopped_server_is_a_lost_device(fresh: LoopbackSshd) -> None:
    fresh.stop()
    with board(fresh) as device, pytest.raises(DeviceLostError, match=r"out of reach: .*Connection refused"):
        device.card()


@pytest.mark.slow
def test_a_host_without_a_name_is_a_lost_device(sshd: LoopbackSshd) -> None:
    with (
        SshDevice("pi@no-such-host.invalid", ssh=sshd.client) as device,
        pytest.raises(
            DeviceLostError, match=r"out of reach: .*Could not resolve hostname no-such-host\.invalid"
        ),
    ):
        device.card()


@pytest.mark.slow
def test_a_server_that_says_nothing_is_a_lost_device(fresh: LoopbackSshd) -> None:
    fresh.freeze_listener()
    with (
        SshDevice(fresh.address, ssh=(*fresh.client, "-oConnectTimeout=1")) as device,
        pytest.raises(DeviceLostError, match=r"out of reach: .*timed out"),
    ):
        device.card()


@pytest.mark.slow
def test_an_unknown_host_key_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.known_hosts.unlink()
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"its host key is not known; connect once") as error,
    ):
        device.card()
    assert not isinstance(error.value, DeviceLostError)
    assert f"ssh -p {fresh.port} " in str(error.value)


@pytest.mark.slow
def test_another_host_key_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.known_hosts.write_text(f"[127.0.0.1]:{fresh.port} {fresh.public_key('other_key')}")
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"its host key is not the one that is known") as error,
    ):
        device.card()
    assert not isinstance(error.value, DeviceLostError)
    assert f"ssh-keygen -R '[127.0.0.1]:{fresh.port}'" in str(error.value)


@pytest.mark.slow
def test_a_key_that_is_not_accepted_is_an_error(fresh: LoopbackSshd) -> None:
    fresh.authorized_keys.write_text(fresh.public_key("other_key"))
    with (
        board(fresh) as device,
        pytest.raises(DeviceError, match=r"accepts none of your keys .*ssh-copy-id -p") as error,
    ):
        device.card()
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
            device.card()
        assert not isinstance(error.value, DeviceLostError)
        with pytest.raises(DeviceError, match=message):
            device.measure(artifact, reference=reference, agreed=None)


@pytest.mark.slow
def test_a_full_disk_there_is_an_error(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    python = script(fresh.folder / "python", f'ulimit -f 128\nexec {sys.executable} "$@"')
    large = long(artifact, tmp_path / "large.tflite")
    with board(fresh, python=python) as device:
        with pytest.raises(DeviceError, match=r"large\.tflite cannot be stored on ssh:"):
            device.measure(large, reference=reference, agreed=None)
        assert is_empty(fresh.there)
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0


@pytest.mark.slow
def test_a_runner_that_hangs_is_an_error_and_ends(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh, limit_s=3) as device:
        device.measure(artifact, reference=reference, agreed=None)
        runner = device.about()["process"]
        os.kill(runner, signal.SIGSTOP)
        with pytest.raises(DeviceError, match=r"took more than 3 s") as error:
            device.measure(artifact, reference=reference, agreed=None)
        assert not isinstance(error.value, DeviceLostError)
        assert ends(runner)
        assert is_empty(fresh.there)
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0


@pytest.mark.slow
def test_a_connection_lost_while_a_file_is_sent_is_a_lost_device(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    large = long(artifact, tmp_path / "large.tflite")
    with board(fresh) as device:
        runner = device.about()["process"]
        os.kill(runner, signal.SIGSTOP)  # it does not read, so the file cannot have arrived
        timer = threading.Timer(0.5, fresh.drop)
        timer.start()
        with pytest.raises(DeviceLostError, match="out of reach"):
            device.measure(large, reference=reference, agreed=None)
        timer.join()
        assert ends(runner)
        assert is_empty(fresh.there)
        wait_for(device, limit_s=5)
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0


@pytest.mark.slow
def test_a_connection_lost_while_a_network_runs_is_a_lost_device(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        runner = device.about()["process"]
        # The second file is there: networks are being loaded, warmed up and timed.
        with (
            soon(fresh.drop, lambda: len(list(fresh.there.rglob("*.tflite"))) == 2),
            pytest.raises(DeviceLostError, match="out of reach"),
        ):
            device.measure(artifact, reference=reference, agreed=None, launches=50)
        assert ends(runner)
        assert is_empty(fresh.there)
        wait_for(device, limit_s=5)
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0


@pytest.mark.slow
def test_a_server_that_is_away_between_measurements_is_waited_for(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        device.measure(artifact, reference=reference, agreed=None)
        fresh.stop()
        with pytest.raises(DeviceLostError, match="out of reach"):
            device.measure(artifact, reference=reference, agreed=None)
        with pytest.raises(DeviceLostError, match="Connection refused"):
            wait_for(device, limit_s=0)
        wait_for(device, limit_s=30, sleep=lambda _: fresh.start())
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0


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
        assert first.about()["process"] != second.about()["process"]
        fresh.stop()
        with pytest.raises(DeviceLostError, match="is out of reach"):
            first.card()


@pytest.mark.slow
def test_a_connection_that_falls_silent_is_lost_within_seconds(
    fresh: LoopbackSshd, artifact: Artifact, reference: Artifact
) -> None:
    with board(fresh) as device:
        device.card()
        fresh.freeze()
        begun = time.monotonic()
        with pytest.raises(DeviceLostError, match=r"not responding"):
            device.measure(artifact, reference=reference, agreed=None)
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
print(device.about()["process"], flush=True)
artifact, reference = (
    Artifact(path=Path(path), format="tflite", digest="", size_bytes=0)
    for path in ({str(artifact.path)!r}, {str(reference.path)!r})
)
device.measure(artifact, reference=reference, agreed=None, launches=50)
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
        card = device.card()
        assert card.abi == "aarch64"
        assert card.system.startswith("Linux ")
        assert [runtime.partition(" ")[0] for runtime in card.runtimes] == ["LiteRT"]
        assert device.formats == ("tflite",)
        latency = device.measure(artifact, reference=reference, agreed=None)
    assert latency.ratio > 1
    assert latency.not_delegated == ()
    assert is_empty(sshd.there)
