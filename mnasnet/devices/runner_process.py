"""A runner's process at the other end of a pipe or of ssh: how it is started, asked and ended."""

import base64
import contextlib
import itertools
import json
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mnasnet.arch.records import Artifact
from mnasnet.devices.device import DeviceError

RUNNER = Path(__file__).with_name("runner.py")
"""Run as a file and not as a module, so that nothing of this package is imported beside it."""

LAST_STDERR_LINES = 3
"""Of its stderr, where the runtime's C++ code writes too, that tell why a process died."""

DROP_LIMIT_S = 10.0
"""For the runner to forget a file; whoever takes longer does not answer."""

ENDING_S = 5.0
"""For a process whose stdout has ended to say why: its status tells a lost board from a dead runner."""


@dataclass(frozen=True, kw_only=True)
class RunnerHost:
    """Where a runner lives, and how it is reached."""

    name: str
    """As the user says it, such as `host` or `ssh:pi@board`."""
    command: tuple[str, ...]
    """Starts the runner, with its stdin and stdout at this end; followed by its options."""
    install_advice: str
    """What brings a runtime there."""
    greeting: bytes = b""
    """Sent before the first request."""
    sends_files: bool = False
    """Whether it cannot read the files of this machine."""
    explain_end: Callable[[int, str], DeviceError | None] = lambda status, words: None
    """What kept the runner from being reached, from the exit status of `command` and its last words: a
    `DeviceLostError` where it may come back; None where it is the runner that died."""


class RunnerDiedError(Exception):
    """The process is gone; the message is its exit status and what it said last."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"status {status}, having said: {words or 'nothing'}")
        self.status, self.words = status, words


class RunnerProcess:
    """A running runner; `stop` ends it, at the latest when this program ends."""

    def __init__(self, host: RunnerHost, command: Sequence[str]) -> None:
        # A file and not a pipe: nobody has to read it for the runner to go on writing. `stop` closes it.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                # Ctrl-C in the terminal is for this program, which then ends the runner itself.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            self._stderr.close()
            raise DeviceError(f"the timing process cannot be started: {error}") from error
        self.stop = weakref.finalize(self, _stop, self._popen, self._stderr)
        self._host, self._unsent = host, host.greeting
        self._paths_there: dict[tuple[Path, int], str] = {}
        """Where the files are that were sent as they were at a time, and have not been dropped."""
        self._sends = itertools.count()

    def ask(
        self, request: Mapping[str, Any], *, files: Mapping[str, Artifact], deadline: float
    ) -> dict[str, Any]:
        """The reply to `request`, with the paths of `files` added, which are sent where that is necessary.

        Raises:
            RunnerDiedError: no whole line came back until `deadline`, when the process is killed.
            DeviceError: there is no room for a file.
        """
        paths = {}
        for name, artifact in files.items():
            paths[name] = (
                self._send(artifact.path, deadline) if self._host.sends_files else str(artifact.path)
            )
        return self._exchange({**request, **paths}, deadline)

    def _send(self, path: Path, deadline: float) -> str:
        """Where the file is over there, now that it has been sent."""
        try:
            version = (path, path.stat().st_mtime_ns)
            if version in self._paths_there:
                return self._paths_there[version]
            content = base64.b64encode(path.read_bytes()).decode()
        except OSError as error:
            raise DeviceError(f"{path} cannot be read: {error.strerror}") from error
        # A name of its own: what lies there under another one is still the file that it was.
        name = f"{next(self._sends)}-{path.name}"
        reply = self._exchange({"do": "put", "name": name, "base64": content}, deadline)
        if "error" in reply:
            raise DeviceError(f"{path} cannot be stored on {self._host.name}: {reply['error']}")
        self._paths_there[version] = reply["path"]
        return self._paths_there[version]

    def drop(self, artifact: Artifact) -> None:
        """Forgets a file that was sent; whatever is the matter, the next measurement will tell."""
        for version in [version for version in self._paths_there if version[0] == artifact.path]:
            request = {"do": "drop", "path": self._paths_there.pop(version)}
            with contextlib.suppress(RunnerDiedError):
                self._exchange(request, time.monotonic() + DROP_LIMIT_S)

    def _exchange(self, request: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """One line there, one line back."""
        stdin, stdout = self._popen.stdin, self._popen.stdout
        reply: dict[str, Any] | None = None
        if stdin is None or stdout is None:
            raise RuntimeError("the timing process was started without pipes")
        # The end of the process ends the wait for its line, on every system.
        alarm = threading.Timer(max(0.0, deadline - time.monotonic()), self._popen.kill)
        alarm.daemon = True
        alarm.start()
        try:
            stdin.write(self._unsent + json.dumps(request).encode() + b"\n")
            stdin.flush()
            self._unsent = b""
            line = stdout.readline()
            while line.endswith(b"\n") and (reply := _parse_object(line)) is None:
                # What a board's shell prints at every login, before the runner is there.
                line = stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            alarm.cancel()
        if reply is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(ENDING_S)
            self._popen.kill()
            raise RunnerDiedError(self._popen.wait(), self._last_lines())
        return reply

    def _last_lines(self) -> str:
        """The end of what it wrote to stderr, in one line."""
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().decode(errors="replace").split("\n")]
        # LiteRT announces its delegate there, which is nobody's reason to die.
        return " | ".join(
            [line for line in lines if line and not line.startswith("INFO:")][-LAST_STDERR_LINES:]
        )


def _parse_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a whole line holds; None where it holds something else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _stop(popen: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    """Ends the process and closes what belongs to it; it holds nothing that could be lost."""
    popen.kill()
    popen.wait()
    for stream in (popen.stdin, popen.stdout, stderr):
        if stream is not None:
            # A request that it died of may still be in the buffer, and closing tries to send it.
            with contextlib.suppress(BrokenPipeError):
                stream.close()
