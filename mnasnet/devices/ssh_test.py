"""Tests of timing behind ssh: addresses, and the command and its far end through a shell here."""

import dataclasses
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.base.errors import RequestError
from mnasnet.devices.conftest import median_ratio
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.devices.host_test import ends
from mnasnet.devices.named import open_device
from mnasnet.devices.ssh import SshAddress, SshDevice, explain_ssh_failure, host_key_name, parse_address

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
        ("board", SshAddress(host="board")),
        ("pi@board", SshAddress(host="board", user="pi")),
        ("pi@192.168.1.7:2222", SshAddress(host="192.168.1.7", user="pi", port=2222)),
        ("me@home.example@board", SshAddress(host="board", user="me@home.example")),
        ("[::1]", SshAddress(host="::1")),
        ("pi@[fe80::1%eth0]:22", SshAddress(host="fe80::1%eth0", user="pi", port=22)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_user_and_a_port(text: str, address: SshAddress) -> None:
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
    with pytest.raises(RequestError, match="a name or a path, not "):
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
        device.read_card()
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
        device.read_card()
    assert not {"-p", "-l"} & set(told.read_text().splitlines())


def test_the_files_are_gone_when_it_is_closed(
    shell: str, artifact: Artifact, reference: Artifact, there: Path
) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        device.time_file(artifact, reference=reference)
        # The candidate's is already, the reference waits for the next measurement.
        assert [path.name for path in there.rglob("*.tflite")] == ["1-reference.tflite"]
    assert is_empty(there)


def test_a_file_that_has_changed_is_sent_again(
    shell: str, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    changing = dataclasses.replace(reference, path=tmp_path / "reference.tflite")
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        changing.path.write_bytes(reference.path.read_bytes())
        before = device.time_file(artifact, reference=changing)
        changing.path.write_bytes(artifact.path.read_bytes())
        after = device.time_file(artifact, reference=changing)
    assert median_ratio(before) > 1.5  # about five times the multiply-adds
    assert median_ratio(after) == pytest.approx(1, rel=0.2)


def test_a_runner_that_crashes_leaves_nothing_and_another_one_is_started(shell: str, there: Path) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        runner = device.describe_runner()["process"]
        assert any(there.iterdir())
        os.kill(runner, signal.SIGSEGV)
        assert is_empty(there)
        assert device.describe_runner()["process"] != runner
    assert is_empty(there)


@pytest.mark.parametrize(
    "said", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGTERM, signal.SIGHUP)], ids=str
)
def test_a_board_that_is_shut_down_ends_the_runner_and_its_files(
    shell: str, there: Path, said: tuple[signal.Signals, ...]
) -> None:
    with SshDevice("board", python=sys.executable, ssh=(shell,)) as device:
        runner = device.describe_runner()["process"]
        assert any(there.iterdir())
        bootstrap = parent(runner)
        for one in said:
            os.kill(bootstrap, one)
        assert ends(runner)
        assert is_empty(there)


def test_what_a_login_script_prints_is_passed_over(tmp_path: Path) -> None:
    chatty = script(tmp_path / "python", f'echo Welcome!\necho\nexec {sys.executable} "$@"')
    with SshDevice("board", python=chatty, ssh=(script(tmp_path / "ssh", SHELL),)) as device:
        assert device.read_card().threads == 1


def test_a_python_that_is_not_there_is_an_error(shell: str) -> None:
    with (
        SshDevice("board", python="no-such-python", ssh=(shell,)) as device,
        pytest.raises(
            DeviceError, match=r"ssh:board has no no-such-python \(.*not found\).*--python"
        ) as error,
    ):
        device.read_card()
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
        device.read_card()


def test_a_python_without_a_runtime_is_an_error_of_the_card_and_of_a_measurement(
    shell: str, artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    bare = script(tmp_path / "python", f'exec {sys.executable} -S "$@"')
    with SshDevice("board", python=bare, ssh=(shell,)) as device:
        with pytest.raises(DeviceError, match=r"ssh:board: its Python has no LiteRT or ONNX Runtime"):
            device.read_card()
        with pytest.raises(DeviceError, match=r"pip install ai-edge-litert"):
            device.time_file(artifact, reference=reference)


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
    address = SshAddress(host="b", user="pi", port=7)
    fault = explain_ssh_failure(255, words, name="ssh:b", address=address, python="python3")
    assert isinstance(fault, DeviceError)
    assert isinstance(fault, DeviceLostError) == away
    with pytest.raises(DeviceError, match=message):
        raise fault


def test_a_key_of_the_usual_port_is_kept_under_the_name_alone() -> None:
    assert [host_key_name(SshAddress(host="b", port=port)) for port in (None, 22)] == ["b", "b"]


def test_a_runner_that_died_is_no_fault_of_the_connection() -> None:
    assert (
        explain_ssh_failure(
            139, "Segmentation fault", name="", address=SshAddress(host="b"), python="python3"
        )
        is None
    )
