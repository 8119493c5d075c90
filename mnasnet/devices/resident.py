"""Timing by a resident runner: what this machine and a board behind ssh have in common."""

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
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any, TypeVar

from mnasnet.arch.records import Artifact, Core, DeviceCard, Format, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices import timing
from mnasnet.devices.device import Device, DeviceError, UnsuitableError, check_threads

T = TypeVar("T")

RUNNER = Path(__file__).with_name("runner.py")
"""Run as a file and not as a module, so that nothing of this package is imported beside it."""

LAST_WORDS = 3
"""Lines of its stderr, where the runtime's C++ code writes too, that tell why a process died."""

RUNTIMES: dict[Format, str] = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}
"""What runs the files of a format, in the order in which a search would have them."""

DELEGATES: dict[Format, str] = {"tflite": "XNNPACK", "onnx": "CPU kernels"}

DROP_LIMIT_S = 10.0
"""For the runner to forget a file; whoever takes longer does not answer."""

ENDING_S = 5.0
"""For a process whose stdout has ended to say why: its status tells a lost board from a dead runner."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a runner lives, and how it is reached."""

    called: str
    """As the user says it, such as `host` or `ssh:pi@board`."""
    command: tuple[str, ...]
    """Starts the runner, with its stdin and stdout at this end; followed by its options."""
    install: str
    """What brings a runtime there, as advice."""
    greeting: bytes = b""
    """Sent before the first request."""
    sends_files: bool = False
    """Whether it cannot read the files of this machine."""
    fault: Callable[[int, str], DeviceError | None] = lambda status, words: None
    """What kept the runner from being reached, from the exit status of `command` and its last words: a
    `DeviceLostError` where it may come back; None where it is the runner that died."""


class ResidentDevice(Device):
    """A machine whose runner is started with the first measurement, or the next one after it died.

    It ends with `close`, with this process (also when that is killed: its stdin ends) or when the device is
    forgotten. Ctrl-C does not reach it. On one thread it is pinned to one core where the system can.
    """

    def __init__(
        self, place: Place, *, threads: int, limit_s: float, formats: Sequence[Format] = tuple(RUNTIMES)
    ) -> None:
        """`limit_s` bounds what one launch takes; `formats` are those that are wanted, of what it can run.

        Raises:
            RequestError: `threads` is less than 1.
            ValueError: `limit_s` is not positive.
        """
        if threads < 1:
            raise RequestError("give a whole number of at least 1", field="threads", value=threads)
        if not limit_s > 0:
            raise ValueError(f"a measurement needs a positive limit in seconds, not {limit_s}")
        self.threads = threads
        self._place, self._limit_s, self._wanted = place, limit_s, tuple(formats)
        self._command = (*place.command, "--threads", str(threads))
        self._process: _Process | None = None
        self._first_about: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """As the protocol says: how it is called, and its processor."""
        return f"{self._place.called} ({self._known()['processor']})"

    @property
    def formats(self) -> tuple[Format, ...]:
        """As the protocol says.

        Raises:
            DeviceError: no runtime is installed there.
        """
        runtimes = self._known()["runtimes"]
        found = tuple(
            format for format in self._wanted if any(one.startswith(RUNTIMES[format]) for one in runtimes)
        )
        if not found:
            wanted = " or ".join(RUNTIMES[format] for format in self._wanted)
            raise DeviceError(f"{self._place.called}: its Python has no {wanted}; {self._place.install}")
        return found

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        """As the protocol says; `launches` above 1 starts that many processes, of which the last stays.

        Raises:
            DeviceLostError: the device is away.
            DeviceError: a file that the runtime refuses, a process that died twice, or `limit_s` has passed.
            ValueError: `launches` is less than 1.
        """
        if artifact.format not in self.formats:
            raise UnsuitableError(
                f"{artifact.path} is of the format {artifact.format}; {self._place.called} runs "
                f"{' and '.join(self.formats)}"
            )
        files = {"candidate": artifact, "reference": reference}
        not_delegated: set[str] = set()
        what = f"timing {artifact.path}"
        waited: list[float] = []
        deadline = 0.0

        def launch() -> timing.TimeLoad:
            nonlocal deadline
            if launches > 1:
                self.close()
            waited.append(timing.cooled(self._state)[1])
            deadline = time.monotonic() + self._limit_s
            return time_load

        def time_load(candidate_first: bool) -> timing.Load:
            request = {
                "do": "time",
                "candidate_first": candidate_first,
                "blocks": timing.BLOCKS,
                "block_ms": timing.BLOCK_MS,
            }
            reply = self._ask(request, files=files, what=what, deadline=deadline)
            not_delegated.update(reply["not_delegated"])
            return [
                timing.Block(
                    reference_ms=tuple(block["reference_ms"]), candidate_ms=tuple(block["candidate_ms"])
                )
                for block in reply["blocks"]
            ]

        try:
            # All of it again when a process died: what two of them timed is not one launch.
            timed = self._twice(what, lambda: timing.timed(launch, launches=launches))
            about = self.about()  # of the process that timed, whatever was there before it
        finally:
            if self._process is not None:
                self._process.drop(artifact)
        runtime = next(one for one in about["runtimes"] if one.startswith(RUNTIMES[artifact.format]))
        return timing.latency_of(
            timed,
            agreed=agreed,
            device=self.name,
            runtime=f"{runtime}, {DELEGATES[artifact.format]}, {about['clock']}",
            threads=self.threads,
            cores=about["pinned"],
            not_delegated=sorted(not_delegated),
            state=_state_of(about),
            waited_s=sum(waited),
        )

    def card(self) -> DeviceCard:
        """As the protocol says."""
        _ = self.formats  # a machine without a runtime has no card
        about = self.about()
        return DeviceCard(
            name=self.name,
            system=about["system"],
            abi=about["abi"],
            runtimes=tuple(about["runtimes"]),
            clock=about["clock"],
            cores=tuple(Core(**core) for core in about["cores"]),
            threads=about["threads"],
            pinned=tuple(about["pinned"]),
            temperature_c=about["temperature_c"],
        )

    def idle(self) -> Mapping[int, float]:
        """As the protocol says."""
        return dict(self._ask_itself("idle")["shares"])

    def about(self) -> dict[str, Any]:
        """What the runner says of itself now, as `runner.Runner.about` has it.

        Raises:
            DeviceError: the runner cannot be started.
        """
        return self._ask_itself("about")

    def close(self) -> None:
        """Ends the process. A later `measure` starts another."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _known(self) -> dict[str, Any]:
        """What the runner said of itself when it was first asked.

        Raises:
            UnsuitableError: more threads than it has cores.
            DeviceError: the runner cannot be started.
        """
        if self._first_about is None:
            about = self.about()
            check_threads(self.threads, len(about["cores"]), called=self._place.called)
            self._first_about = about
        return self._first_about

    def _state(self) -> timing.State:
        return _state_of(self._ask_itself("state"))

    def _ask_itself(self, action: str) -> dict[str, Any]:
        what = f"asking the runner of {self._place.called} about itself"
        deadline = time.monotonic() + self._limit_s
        return self._twice(what, lambda: self._ask({"do": action}, files={}, what=what, deadline=deadline))

    def _twice(self, what: str, action: Callable[[], T]) -> T:
        """What `action` gives, which is tried once more when the process dies of it.

        Raises:
            DeviceError: it died again.
        """
        with contextlib.suppress(_DiedError):
            return action()
        try:
            return action()
        except _DiedError as error:
            raise DeviceError(f"{what} failed twice: the process ended with {error}") from error

    def _ask(
        self, request: Mapping[str, Any], *, files: Mapping[str, Artifact], what: str, deadline: float
    ) -> dict[str, Any]:
        """The reply to `request` about `files`, from the process that is there, or a new one.

        Raises:
            _DiedError: the process died of it.
            DeviceLostError: the device is away.
            DeviceError: it answers that it cannot, or `deadline` has passed.
        """
        try:
            if self._process is None:
                self._process = _Process(self._place, self._command)
            reply = self._process.ask(request, files=files, deadline=deadline)
        except _DiedError as error:
            self.close()
            if (fault := self._place.fault(error.status, error.words)) is not None:
                raise type(fault)(f"{what} failed: {fault}") from error
            if time.monotonic() >= deadline:
                raise DeviceError(
                    f"{what} took more than {self._limit_s:g} s, the most that is waited for; take a smaller "
                    "network"
                ) from error
            raise
        except BaseException:
            # Ctrl-C while a reply is on its way: the next request must not read it as its own.
            self.close()
            raise
        if "error" in reply:
            raise DeviceError(f"{what} failed: {reply['error']}")
        return reply


def _state_of(about: Mapping[str, Any]) -> timing.State:
    return timing.State(**{one.name: about[one.name] for one in fields(timing.State)})


class _DiedError(Exception):
    """The process is gone; the message is its exit status and what it said last."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"status {status}, having said: {words or 'nothing'}")
        self.status, self.words = status, words


class _Process:
    """A running runner; `stop` ends it, at the latest when this program ends."""

    def __init__(self, place: Place, command: Sequence[str]) -> None:
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
        self._place, self._unsent = place, place.greeting
        self._put: dict[tuple[Path, int], str] = {}
        """Where the files are that were sent as they were at a time, and have not been dropped."""
        self._sent = itertools.count()

    def ask(
        self, request: Mapping[str, Any], *, files: Mapping[str, Artifact], deadline: float
    ) -> dict[str, Any]:
        """The reply to `request`, with the paths of `files` added, which are sent where that is necessary.

        Raises:
            _DiedError: no whole line came back until `deadline`, when the process is killed.
            DeviceError: there is no room for a file.
        """
        paths = {}
        for name, artifact in files.items():
            paths[name] = (
                self._send(artifact.path, deadline) if self._place.sends_files else str(artifact.path)
            )
        return self._exchange({**request, **paths}, deadline)

    def _send(self, path: Path, deadline: float) -> str:
        """Where the file is over there, now that it has been sent."""
        try:
            version = (path, path.stat().st_mtime_ns)
            if version in self._put:
                return self._put[version]
            content = base64.b64encode(path.read_bytes()).decode()
        except OSError as error:
            raise DeviceError(f"{path} cannot be read: {error.strerror}") from error
        # A name of its own: what lies there under another one is still the file that it was.
        name = f"{next(self._sent)}-{path.name}"
        reply = self._exchange({"do": "put", "name": name, "base64": content}, deadline)
        if "error" in reply:
            raise DeviceError(f"{path} cannot be stored on {self._place.called}: {reply['error']}")
        self._put[version] = reply["path"]
        return self._put[version]

    def drop(self, artifact: Artifact) -> None:
        """Forgets a file that was sent; whatever is the matter, the next measurement will tell."""
        for version in [version for version in self._put if version[0] == artifact.path]:
            request = {"do": "drop", "path": self._put.pop(version)}
            with contextlib.suppress(_DiedError):
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
            while line.endswith(b"\n") and (reply := _object_of(line)) is None:
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
            raise _DiedError(self._popen.wait(), self._last_words())
        return reply

    def _last_words(self) -> str:
        """The end of what it wrote to stderr, in one line."""
        self._stderr.seek(0)
        lines = [line.strip() for line in self._stderr.read().decode(errors="replace").split("\n")]
        # LiteRT announces its delegate there, which is nobody's reason to die.
        return " | ".join([line for line in lines if line and not line.startswith("INFO:")][-LAST_WORDS:])


def _object_of(line: bytes) -> dict[str, Any] | None:
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
