"""A board behind ssh as a device: its runner is sent through the connection that then talks to it."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mnasnet.devices import bootstrap
from mnasnet.devices.device import DeviceError, DeviceLostError
from mnasnet.devices.resident import ResidentDevice
from mnasnet.devices.runner_process import RUNNER, RunnerHost

SSH_OPTIONS = (
    "-T",  # a terminal would change line ends
    "-a",  # no agent and no display of this machine for the board
    "-x",
    "-oBatchMode=yes",  # nobody is there to answer a question
    "-oStrictHostKeyChecking=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
    # Of the user's own settings, those that a second connection to the same board would trip over.
    "-oClearAllForwardings=yes",
    "-oControlMaster=no",
    "-oRemoteCommand=none",
    "-oLogLevel=INFO",  # what it says when it fails is read here
)
"""Of the ssh client. A connection is given up after 10 s, and taken for lost after 15 to 20 s of silence."""

BOARD_PYTHON = "python3"
"""The interpreter on a board, where no other is named."""

SSH_STATUS = 255
"""The exit status of ssh when it is ssh that failed."""
NOT_FOUND_STATUSES = (126, 127)
"""A shell's exit status when a command cannot be run."""
OLD_PYTHON_STATUS = 90
"""The exit status of `HELLO_PROGRAM` when it is run by a Python that cannot run the runner."""

HELLO_PROGRAM = (
    "import sys;"
    f"sys.version_info<(3,10)and(sys.stderr.write(sys.version.split()[0]),sys.exit({OLD_PYTHON_STATUS}));"
    "exec(sys.stdin.buffer.read({size}))"
)
"""What Python is started with: checks its version and runs the `size` bytes that come next. One line without
quotes, because it goes through a shell there and not every shell takes more; in syntax that an old Python knows."""

ADDRESS_PATTERN = re.compile(
    r"(?:(?P<user>.*)@)?(?:\[(?P<bracketed>[^\[\]]*)\]|(?P<host>[^@:\[\]]*))(?::(?P<port>[^:]*))?"
)
NAME_PATTERN = re.compile(r"[^-\s][^\s'\"`$\\;&<>|(){}/]*")
"""A user or a host. Older ssh clients pass both on to a local shell where a ProxyCommand asks for them."""


@dataclass(frozen=True, kw_only=True)
class SshAddress:
    """Whom to reach; the user's ssh configuration has its say on all of it."""

    host: str
    """A name, an address, or an alias of the configuration."""
    user: str | None = None
    port: int | None = None

    @property
    def destination(self) -> str:
        """As ssh takes it on a command line."""
        return self.host if self.user is None else f"{self.user}@{self.host}"

    @property
    def manual_arguments(self) -> str:
        """The rest of a command line, after `ssh` or `ssh-copy-id`."""
        return self.destination if self.port is None else f"-p {self.port} {self.destination}"


def parse_address(text: str) -> SshAddress:
    """The address written as `[USER@]HOST[:PORT]`, an IPv6 address in brackets.

    Raises:
        ValueError: it is no such thing; the message is one line.
    """
    found = ADDRESS_PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not [USER@]HOST[:PORT]; an IPv6 address goes in brackets, as in [::1]:22"
        )
    user, port = found["user"], found["port"]
    host = found["host"] if found["bracketed"] is None else found["bracketed"]
    for what, name in (("host", host), ("user", user)):
        if name is not None and NAME_PATTERN.fullmatch(name) is None:
            raise ValueError(
                f"{what} {name!r} of {text!r} is empty, begins with '-' or has spaces or quotes in it"
            )
    if port is not None and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise ValueError(f"port {port!r} of {text!r} is not a whole number from 1 to 65535")
    return SshAddress(host=host, user=user, port=None if port is None else int(port))


class SshDevice(ResidentDevice):
    """LiteRT with XNNPACK, or ONNX Runtime, on a board that has Python 3.10 or newer with one of them.

    One ssh connection a launch, which carries everything. Nothing stays on the board when it ends, nor when it
    breaks down.
    """

    def __init__(
        self,
        address: str,
        *,
        threads: int = 1,
        python: str = BOARD_PYTHON,
        limit_s: float = 120.0,
        ssh: Sequence[str] = ("ssh",),
    ) -> None:
        """`python` is the interpreter there, a path from the home folder or a name on its PATH; `ssh` is the
        client, and options that are to prevail over ours.

        Raises:
            ValueError: `address` or `python` means nothing, `threads` is less than 1, or `limit_s` not positive.
        """
        if not python or python.startswith("-"):
            raise ValueError(f"the board's Python is a name or a path, not {python!r}")
        target = parse_address(address)
        runner = RUNNER.read_bytes()
        first = Path(bootstrap.__file__).read_bytes() + f"\nmain({len(runner)})\n".encode()
        where = ("-p", str(target.port)) if target.port is not None else ()
        who = ("-l", target.user) if target.user is not None else ()
        hello = shlex.join((python, "-c", HELLO_PROGRAM.format(size=len(first))))
        name = f"ssh:{address}"
        host = RunnerHost(
            name=name,
            # What follows the host is joined with spaces and goes through a shell there.
            command=(*ssh, *SSH_OPTIONS, *where, *who, "--", target.host, hello),
            install_advice="there: pip install ai-edge-litert, or onnxruntime, or name another Python with "
            "--python",
            greeting=first + runner,
            sends_files=True,
            explain_end=lambda status, words: explain_ssh_failure(
                status, words, name=name, address=target, python=python
            ),
        )
        super().__init__(host, threads=threads, limit_s=limit_s)


def explain_ssh_failure(
    status: int, words: str, *, name: str, address: SshAddress, python: str
) -> DeviceError | None:
    """What kept the runner on the board from being reached, from ssh's exit status and last words.

    A host that cannot be found or does not answer may come back, a key that is not accepted does not.
    """
    if status in NOT_FOUND_STATUSES:
        return DeviceError(
            f"{name} has no {python} ({words}): install Python 3.10 or newer there, or name it with --python, a "
            "path from the home folder such as venv/bin/python"
        )
    if status == OLD_PYTHON_STATUS:
        return DeviceError(
            f"{name}: its {python} is Python {words}, and 3.10 is the oldest that will do: install a newer one "
            "there, and name it with --python"
        )
    if status == bootstrap.NO_ROOM_STATUS:
        return DeviceError(f"{name} has no room for temporary files ({words}): free some there")
    if status != SSH_STATUS:
        return None
    if "host key" in words.lower() and "has changed" in words:
        return DeviceError(
            f"{name}: its host key is not the one that is known, so it may be another machine; if you know why, "
            f"ssh-keygen -R '{host_key_name(address)}', and connect once by hand: ssh {address.manual_arguments}"
        )
    if "host key" in words.lower():
        return DeviceError(
            f"{name}: its host key is not known; connect once by hand, compare the key and accept it: "
            f"ssh {address.manual_arguments} ({words})"
        )
    if "Permission denied" in words or "Too many authentication failures" in words:
        return DeviceError(
            f"{name} accepts none of your keys ({words}): ssh-copy-id {address.manual_arguments}, and ssh-add "
            "where the key has a passphrase"
        )
    return DeviceLostError(f"{name} is out of reach: {words or 'the connection was lost'}")


def host_key_name(address: SshAddress) -> str:
    """The name under which a host key is kept."""
    return address.host if address.port in (None, 22) else f"[{address.host}]:{address.port}"
