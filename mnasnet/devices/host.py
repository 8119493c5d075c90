"""This machine's CPU as a device: files are timed by a resident process that never loads torch."""

import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices import timing
from mnasnet.devices.device import DeviceError

RUNNER = Path(__file__).with_name("runner.py")
"""Run as a file and not as a module, so that nothing of this package is imported beside it."""

LAST_WORDS = 3
"""Lines of its stderr, where the runtime's C++ code writes too, that tell why a process died."""


class HostDevice:
    """LiteRT with XNNPACK on this machine; on one thread it is pinned to one core where the system can.

    The process starts with the first measurement, or the next one after it died, and ends with `close`, with this
    process (also when that is killed: its stdin ends) or when the device is forgotten. Ctrl-C does not reach it.

    `command` starts the runner.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        limit_s: float = 120.0,
        command: Sequence[str] = (sys.executable, "-P", str(RUNNER)),
    ) -> None:
        """`limit_s` bounds what one launch takes; the default is a hundred times what MnasNet-A1 takes at 224 px.

        Raises:
            ValueError: `threads` is less than 1, or `limit_s` not positive.
        """
        if threads < 1:
            raise ValueError(f"a network runs on at least 1 thread, not {threads}")
        if not limit_s > 0:
            raise ValueError(f"a measurement needs a positive limit in seconds, not {limit_s}")
        self.threads = threads
        self.name = f"host ({processor()})"
        self._limit_s = limit_s
        self._command = (*command, "--threads", str(threads))
        self._process: _Process | None = None

    def measure(
        self, artifact: Artifact, *, reference: Artifact, reference_ms: float | None, launches: int = 1
    ) -> Latency:
        """As the protocol says; `launches` above 1 starts that many processes, of which the last stays.

        Raises:
            DeviceError: a file that the runtime refuses, a process that died twice, or `limit_s` has passed.
            ValueError: `launches` is less than 1.
        """
        if launches < 1:
            raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
        timed: list[list[timing.Load]] = []
        for _ in range(launches):
            deadline = time.monotonic() + self._limit_s
            if launches > 1:
                self.close()
            timed.append([])
            while not timing.enough(timed):
                reply = self._ask(
                    {
                        "do": "time",
                        "candidate": str(artifact.path),
                        "reference": str(reference.path),
                        "candidate_first": len(timed[-1]) % 2 == 0,
                        "blocks": timing.BLOCKS,
                        "block_ms": timing.BLOCK_MS,
                    },
                    artifact=artifact,
                    deadline=deadline,
                )
                timed[-1].append(
                    [
                        timing.Block(
                            reference_ms=tuple(block["reference_ms"]),
                            candidate_ms=tuple(block["candidate_ms"]),
                        )
                        for block in reply["blocks"]
                    ]
                )
        about = self._ask({"do": "about"}, artifact=artifact, deadline=deadline)
        left_out = ", ".join(reply["not_delegated"])
        delegate = f"XNNPACK without {left_out}" if left_out else "XNNPACK"
        return timing.latency_of(
            timed,
            reference_ms=reference_ms,
            device=self.name,
            runtime=f"{about['runtime']}, {delegate}, {about['clock']}",
            threads=self.threads,
            core=about["core"],
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def about(self) -> dict[str, Any]:
        """What the runner says of itself: `runtime`, `clock`, `threads`, `core` and the `packages` it has loaded.

        Raises:
            DeviceError: the runner cannot be started.
        """
        return self._ask({"do": "about"}, artifact=None, deadline=time.monotonic() + self._limit_s)

    def close(self) -> None:
        """Ends the process. A later `measure` starts another."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any], *, artifact: Artifact | None, deadline: float) -> dict[str, Any]:
        """The reply to `request`, which is put once more to a new process when one died of it."""
        what = "asking the timing process about itself" if artifact is None else f"timing {artifact.path}"
        died = ""
        for _ in range(2):
            try:
                if self._process is None:
                    self._process = _Process(self._command)
                reply = self._process.ask(request, deadline=deadline)
            except _DiedError as error:
                self.close()
                died = str(error)
            except BaseException:
                # Ctrl-C while a reply is on its way: the next request must not read it as its own.
                self.close()
                raise
            else:
                if "error" in reply:
                    raise DeviceError(f"{what} failed: {reply['error']}")
                return reply
            if time.monotonic() >= deadline:
                raise DeviceError(
                    f"{what} took more than {self._limit_s:g} s; take a smaller --width or --image-size"
                )
        raise DeviceError(f"{what} failed twice: the process ended with {died}")


class _DiedError(Exception):
    """The process is gone; the message is its exit status and what it said last."""


class _Process:
    """A running runner; `stop` ends it, at the latest when this program ends."""

    def __init__(self, command: Sequence[str]) -> None:
        # A file and not a pipe: nobody has to read it for the runner to go on writing. `stop` closes it.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                encoding="utf-8",
                # Ctrl-C in the terminal is for this program, which then ends the runner itself.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            self._stderr.close()
            raise DeviceError(f"the timing process cannot be started: {error}") from error
        self.stop = weakref.finalize(self, _stop, self._popen, self._stderr)

    def ask(self, request: dict[str, Any], *, deadline: float) -> dict[str, Any]:
        """One line there, one line back; at `deadline` the process is killed.

        Raises:
            _DiedError: no whole line came back.
        """
        stdin, stdout = self._popen.stdin, self._popen.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the timing process was started without pipes")
        # The end of the process ends the wait for its line, on every system.
        alarm = threading.Timer(max(0.0, deadline - time.monotonic()), self._popen.kill)
        alarm.daemon = True
        alarm.start()
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if not line.endswith("\n"):
            self._popen.kill()
            raise _DiedError(f"status {self._popen.wait()}, having said: {self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        """The end of what it wrote to stderr, in one line."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-LAST_WORDS:]) or "nothing"


def _stop(popen: subprocess.Popen[str], stderr: IO[bytes]) -> None:
    """Ends the process and closes what belongs to it; it holds nothing that could be lost."""
    popen.kill()
    popen.wait()
    for stream in (popen.stdin, popen.stdout, stderr):
        if stream is not None:
            # A request that it died of may still be in the buffer, and closing tries to send it.
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def processor() -> str:
    """The processor's name as the system gives it, else its kind, such as `arm64`."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
