"""A real OpenSSH server on loopback, for tests: its own keys, port and configuration, and faults on order."""

import contextlib
import getpass
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

SSHD = "/usr/sbin/sshd"  # it wants to be started by its absolute path

START_LIMIT_S = 10.0


class LoopbackSshd:
    """Serves the user who runs it, under `address`, from the start to the end of `with`. Linux only.

    It touches nothing outside a folder of its own, but for the empty folder that root's sshd insists on.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="loopback-sshd-")
        self.folder = Path(self._folder.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.address = f"{getpass.getuser()}@127.0.0.1:{self.port}"
        self.there = self.folder / "tmp"
        """The folder for temporary files of whatever is run there."""
        self.there.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self.folder / "log"
        self.known_hosts = self.folder / "known_hosts"
        self.authorized_keys = self.folder / "authorized_keys"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.public_key('host_key')}")
        self.authorized_keys.write_text(self.public_key("user_key"))
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.authorized_keys}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nSetEnv TMPDIR={self.there}\n"
        )
        (self.folder / "ssh_config").write_text(
            f"IdentityFile {self.folder}/user_key\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile none\n"
        )

    @property
    def client(self) -> tuple[str, ...]:
        """The ssh client that knows this server and none of the user's own settings."""
        return ("ssh", "-F", str(self.folder / "ssh_config"))

    def start(self) -> None:
        """Returns when it answers.

        Raises:
            RuntimeError: it does not, with what it said.
        """
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with self._log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"sshd does not answer: {self.log}")

    def stop(self) -> None:
        """No further connection is taken, and those that there are break."""
        if self._process is not None:
            sessions = self._sessions()
            self._process.kill()
            self._process.wait()
            self._process = None
            _send(signal.SIGKILL, sessions)

    def drop(self) -> None:
        """Those connections that there are break."""
        _send(signal.SIGKILL, self._sessions())

    def freeze(self) -> None:
        """Those connections that there are fall silent, as behind a cable that was pulled."""
        _send(signal.SIGSTOP, self._sessions())

    def freeze_listener(self) -> None:
        """New connections are taken, and nothing is said to them."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    @property
    def log(self) -> str:
        """What the server has said."""
        return self._log.read_text()

    def public_key(self, name: str) -> str:
        """The line of a key called `name`, made where it is not there."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path.with_suffix(".pub").read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def _sessions(self) -> list[int]:
        """The processes of sshd that serve a connection."""
        return [] if self._process is None else _sshd_below(self._process.pid)


def _sshd_below(process: int) -> list[int]:
    """Children of a process, and theirs, as long as they are sshd's own: not what was logged in for."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if int(rest.split()[1]) == process and name.startswith("sshd"):
                children.append(int(stat.parent.name))
    return children + [below for child in children for below in _sshd_below(child)]


def _send(sent: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, sent)
