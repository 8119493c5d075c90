"""A device with a resident runner: what this machine and a board behind ssh have in common."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from mnasnet.arch.records import Artifact, Core, DeviceCard, Format
from mnasnet.devices.device import Device, DeviceError, UnsuitableError, check_threads
from mnasnet.devices.runner_process import RunnerDiedError, RunnerHost, RunnerProcess
from mnasnet.devices.timing import (
    BLOCK_MS,
    LOAD_BLOCKS,
    DeviceState,
    Load,
    TimedBlock,
    TimeLoad,
    Timings,
    cool_down,
    time_launches,
)

T = TypeVar("T")

FORMAT_RUNTIMES: dict[Format, str] = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}
"""What runs the files of a format, in the order in which a search would have them."""

FORMAT_DELEGATES: dict[Format, str] = {"tflite": "XNNPACK", "onnx": "CPU kernels"}


class ResidentDevice(Device):
    """A machine whose runner is started with the first measurement, or the next one after it died.

    It ends with `close`, with this process (also when that is killed: its stdin ends) or when the device is
    forgotten. Ctrl-C does not reach it. On one thread it is pinned to one core where the system can.
    """

    def __init__(
        self,
        host: RunnerHost,
        *,
        threads: int,
        limit_s: float,
        formats: Sequence[Format] = tuple(FORMAT_RUNTIMES),
    ) -> None:
        """`limit_s` bounds what one launch takes; `formats` are those that are wanted, of what it can run.

        Raises:
            ValueError: `threads` is less than 1, or `limit_s` not positive.
        """
        if threads < 1:
            raise ValueError(f"a network runs on at least 1 thread, not {threads}")
        if not limit_s > 0:
            raise ValueError(f"a measurement needs a positive limit in seconds, not {limit_s}")
        self.threads = threads
        self._host, self._limit_s, self._wanted_formats = host, limit_s, tuple(formats)
        self._command = (*host.command, "--threads", str(threads))
        self._process: RunnerProcess | None = None
        self._first_about: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """As the protocol says: its host, and its processor."""
        return f"{self._host.name} ({self._first_answer()['processor']})"

    @property
    def formats(self) -> tuple[Format, ...]:
        """As the protocol says.

        Raises:
            DeviceError: no runtime is installed there.
        """
        runtimes = self._first_answer()["runtimes"]
        found = tuple(
            format
            for format in self._wanted_formats
            if any(one.startswith(FORMAT_RUNTIMES[format]) for one in runtimes)
        )
        if not found:
            wanted = " or ".join(FORMAT_RUNTIMES[format] for format in self._wanted_formats)
            raise DeviceError(f"{self._host.name}: its Python has no {wanted}; {self._host.install_advice}")
        return found

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        """As the protocol says; `launches` above 1 starts that many processes, of which the last stays.

        Raises:
            DeviceLostError: the device is away.
            DeviceError: a file that the runtime does not load, a process that died twice, or `limit_s` has passed.
            ValueError: `launches` is less than 1.
        """
        if artifact.format not in self.formats:
            raise UnsuitableError(
                f"{artifact.path} is of the format {artifact.format}; {self._host.name} runs "
                f"{' and '.join(self.formats)}"
            )
        files = {"candidate": artifact, "reference": reference}
        not_delegated: set[str] = set()
        what = f"timing {artifact.path}"
        waits_s: list[float] = []
        deadline = 0.0

        def begin_launch() -> TimeLoad:
            nonlocal deadline
            if launches > 1:
                self.close()
            waits_s.append(cool_down(self._read_state)[1])
            deadline = time.monotonic() + self._limit_s
            return time_load

        def time_load(candidate_first: bool) -> Load:
            request = {
                "do": "time",
                "candidate_first": candidate_first,
                "blocks": LOAD_BLOCKS,
                "block_ms": BLOCK_MS,
            }
            reply = self._ask(request, files=files, what=what, deadline=deadline)
            not_delegated.update(reply["not_delegated"])
            return tuple(
                TimedBlock(
                    reference_ms=tuple(block["reference_ms"]), candidate_ms=tuple(block["candidate_ms"])
                )
                for block in reply["blocks"]
            )

        try:
            # All of it again when a process died: what two of them timed is not one launch.
            timed = self._try_twice(what, lambda: time_launches(begin_launch, launches=launches))
            about = self.describe_runner()  # of the process that timed, whatever was there before it
        finally:
            if self._process is not None:
                self._process.drop(artifact)
        runtime = next(one for one in about["runtimes"] if one.startswith(FORMAT_RUNTIMES[artifact.format]))
        return Timings(
            launches=timed,
            device=self.name,
            runtime=f"{runtime}, {FORMAT_DELEGATES[artifact.format]}",
            clock=about["clock"],
            threads=self.threads,
            cores=tuple(about["pinned"]),
            not_delegated=tuple(sorted(not_delegated)),
            state=_parse_state(about),
            waited_s=sum(waits_s),
        )

    def read_card(self) -> DeviceCard:
        """As the protocol says."""
        _ = self.formats  # a machine without a runtime has no card
        about = self.describe_runner()
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

    def measure_idle_shares(self) -> Mapping[int, float]:
        """As the protocol says."""
        return dict(self._ask_runner("idle")["shares"])

    def describe_runner(self) -> dict[str, Any]:
        """What the runner says of itself now, as `runner.Runner.about` has it.

        Raises:
            DeviceError: the runner cannot be started.
        """
        return self._ask_runner("about")

    def close(self) -> None:
        """Ends the process. A later `measure` starts another."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _first_answer(self) -> dict[str, Any]:
        """What the runner said of itself when it was first asked.

        Raises:
            UnsuitableError: more threads than it has cores.
            DeviceError: the runner cannot be started.
        """
        if self._first_about is None:
            about = self.describe_runner()
            check_threads(self.threads, len(about["cores"]), name=self._host.name)
            self._first_about = about
        return self._first_about

    def _read_state(self) -> DeviceState:
        return _parse_state(self._ask_runner("state"))

    def _ask_runner(self, action: str) -> dict[str, Any]:
        what = f"asking the runner of {self._host.name} about itself"
        deadline = time.monotonic() + self._limit_s
        return self._try_twice(
            what, lambda: self._ask({"do": action}, files={}, what=what, deadline=deadline)
        )

    def _try_twice(self, what: str, action: Callable[[], T]) -> T:
        """What `action` gives, which is tried once more when the process dies of it.

        Raises:
            DeviceError: it died again.
        """
        with contextlib.suppress(RunnerDiedError):
            return action()
        try:
            return action()
        except RunnerDiedError as error:
            raise DeviceError(f"{what} failed twice: the process ended with {error}") from error

    def _ask(
        self, request: Mapping[str, Any], *, files: Mapping[str, Artifact], what: str, deadline: float
    ) -> dict[str, Any]:
        """The reply to `request` about `files`, from the process that is there, or a new one.

        Raises:
            RunnerDiedError: the process died of it.
            DeviceLostError: the device is away.
            DeviceError: it answers that it cannot, or `deadline` has passed.
        """
        try:
            if self._process is None:
                self._process = RunnerProcess(self._host, self._command)
            reply = self._process.ask(request, files=files, deadline=deadline)
        except RunnerDiedError as error:
            self.close()
            if (fault := self._host.explain_end(error.status, error.words)) is not None:
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


def _parse_state(about: Mapping[str, Any]) -> DeviceState:
    return DeviceState(**{one.name: about[one.name] for one in fields(DeviceState)})
