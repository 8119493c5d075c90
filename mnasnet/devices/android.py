"""A phone behind adb: files are timed by LiteRT's own benchmark_model, through `adbutils`.

Each run of the tool is a process of its own, so a load (see `timing.py`) is one run for either network, and holds
one block.
"""

import contextlib
import hashlib
import shlex
import signal
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnasnet.arch.records import Artifact, DeviceCard, Format
from mnasnet.devices.adb import Adb, SilentError
from mnasnet.devices.android_about import (
    IDLE_QUESTION,
    PHONE_QUESTIONS,
    PhoneFacts,
    parse_idle_shares,
    parse_phone_facts,
)
from mnasnet.devices.benchmark_model import ToolRun, last_lines, parse_run
from mnasnet.devices.device import Device, DeviceError, UnsuitableError, check_threads
from mnasnet.devices.timing import DeviceState, Load, TimedBlock, TimeLoad, Timings, cool_down, time_launches

PHONE_FOLDER = "/data/local/tmp"
"""The one place of a phone where adb may write and run a program."""
STALE_DAYS = 2
"""After which a folder of ours that nothing was written to belongs to a process that was killed."""

TOOL_RUN_S = 0.05
"""Least time of a network in one run of the tool, after a warm-up of half of it."""
FEWEST_TOOL_RUNS = 3
"""Of the network in one run of the tool, after one for warming up."""

SECOND_RUN_MARK = "mnasnet: the second network"
"""Printed between the runs of the two networks."""

TOOL_STEP_MS = 1e-3
"""The tool prints whole microseconds."""

TOOL_NAME = "LiteRT benchmark_model"
PUBLISHED_TOOLS = {
    "arm64-v8a": "android_aarch64_benchmark_model",
    "armeabi-v7a": "android_arm_benchmark_model",
}
"""What the tool for an ABI is called where it is published."""
WRONG_ABI_WORDS = ("not executable", "Exec format error", "cannot execute binary file", "e_machine")
"""What shells and linkers of Android say of a program for another processor."""


class AndroidDevice(Device):
    """A phone, an emulator or a board on which `adb devices` shows a device.

    It is pinned to its fastest cores. What is put there lies in one folder below `/data/local/tmp`, which `close`
    removes; one that a killed process left goes with a later measurement, after two days.
    """

    formats: tuple[Format, ...] = ("tflite",)

    def __init__(
        self,
        serial: str | None,
        benchmark_model: Path,
        *,
        threads: int = 1,
        limit_s: float = 120.0,
        timed_s: float = TOOL_RUN_S,
    ) -> None:
        """None as `serial` means the one that is connected; one with a port is reached over the network.

        `limit_s` bounds what one launch takes, `timed_s` is the least time of a network in one run of
        `benchmark_model`.

        Raises:
            ValueError: `threads` is less than 1, or a time not positive.
        """
        if threads < 1:
            raise ValueError(f"a network runs on at least 1 thread, not {threads}")
        if not (limit_s > 0 and timed_s > 0):
            raise ValueError(f"a measurement needs positive times in seconds, not {min(limit_s, timed_s)}")
        self.threads = threads
        self._binary, self._limit_s, self._timed_s = benchmark_model, limit_s, timed_s
        self._adb = Adb(serial)
        self._folder = f"{PHONE_FOLDER}/mnasnet-{uuid.uuid4().hex[:12]}"
        self._sent_digests: dict[str, str] = {}
        """Name and digest of the bytes of what was put into the folder since the phone was last found."""
        self._sent_at_find = 0
        """`Adb.times_found` then."""
        self._may_have_folder = False
        """Whether there may be a folder."""
        self._may_still_run = False
        """Whether there may be a run that nobody waits for any more."""
        self._first_facts: PhoneFacts | None = None

    @property
    def name(self) -> str:
        """As the protocol says: the model and the serial number."""
        return f"android ({self._first_answer().model}, {self._adb.serial})"

    def read_card(self) -> DeviceCard:
        """As the protocol says."""
        name, about = self.name, self._ask_facts()
        return DeviceCard(
            name=name,
            system=f"Android {about.release}",
            abi=about.abi,
            runtimes=(self._tool_version(),),
            clock="wall time",
            cores=about.cores,
            threads=self.threads,
            pinned=about.fastest(self.threads),
            temperature_c=about.temperature_c,
        )

    def measure_idle_shares(self) -> Mapping[int, float]:
        """As the protocol says: what its system counted as idle during half a second."""
        return parse_idle_shares(self._adb.ask(IDLE_QUESTION))

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        """As the protocol says; each run is a process of its own in any case.

        Raises:
            DeviceLostError: the phone went away.
            DeviceError: the file cannot be run, the phone is full, or `limit_s` has passed.
            ValueError: `launches` is less than 1.
        """
        for one in (artifact, reference):
            if one.format not in self.formats:
                raise UnsuitableError(
                    f"{one.path} is of the format {one.format}; benchmark_model runs tflite"
                )
        cores = self._first_answer().fastest(self.threads)
        files = {"reference.tflite": reference.path, "candidate.tflite": artifact.path}
        statistics: set[str] = set()
        not_delegated: set[str] = set()  # the reference's too: a ratio to slower kernels says as little
        deadline = 0.0

        def begin_launch() -> TimeLoad:
            nonlocal deadline
            waits_s.append(cool_down(lambda: self._read_state(cores))[1])
            deadline = time.monotonic() + self._limit_s
            return time_load

        def time_load(candidate_first: bool) -> Load:
            names = sorted(files, reverse=not candidate_first)
            found = self._run([(name, files[name]) for name in names], cores=cores, deadline=deadline)
            against, timed = found["reference.tflite"], found["candidate.tflite"]
            statistics.update((against.statistic, timed.statistic))
            not_delegated.update(against.not_delegated, timed.not_delegated)
            return [TimedBlock(reference_ms=(against.ms,), candidate_ms=(timed.ms,), summarized=timed.runs)]

        waits_s: list[float] = []
        try:
            self._put("benchmark_model", self._binary, mode=0o755)
            for name, path in files.items():
                self._put(name, path, mode=0o644)
            timed = time_launches(begin_launch, launches=launches)
            state = self._read_state(cores)
        finally:
            self._drop("candidate.tflite")
        return Timings(
            launches=timed,
            device=self.name,
            runtime=f"{self._tool_version()}, XNNPACK",
            clock="wall time",
            threads=self.threads,
            cores=cores,
            not_delegated=tuple(sorted(not_delegated)),
            statistic="mean" if "mean" in statistics else "median",
            state=state,
            waited_s=sum(waits_s),
            resolution_ms=TOOL_STEP_MS,
        )

    def close(self) -> None:
        """Removes what was put on the phone, if that is there; a later `measure` puts it there again."""
        if self._may_have_folder:
            with contextlib.suppress(DeviceError):
                self._end_runs()
                self._adb.ask(f"rm -rf {self._folder}")
            self._may_have_folder = False
        self._adb.forget()

    def _first_answer(self) -> PhoneFacts:
        """What it said of itself when it was first asked."""
        if self._first_facts is None:
            about = self._ask_facts()
            check_threads(self.threads, len(about.cores), name=about.model)
            self._first_facts = about
        return self._first_facts

    def _ask_facts(self) -> PhoneFacts:
        return parse_phone_facts(self._adb.ask(PHONE_QUESTIONS))

    def _read_state(self, cores: Sequence[int]) -> DeviceState:
        about = self._ask_facts()
        timed_on = next((core for core in about.cores if not cores or core.number == cores[0]), None)
        return DeviceState(
            governor=None if timed_on is None else timed_on.governor,
            frequency_mhz=None if timed_on is None else timed_on.now_mhz,
            temperature_c=about.temperature_c,
        )

    def _tool_version(self) -> str:
        """The tool prints no version: its digest tells one binary from another."""
        return f"{TOOL_NAME} {_digest(_read_bytes(self._binary))[:8]}"

    def _run(
        self, networks: Sequence[tuple[str, Path]], *, cores: Sequence[int], deadline: float
    ) -> dict[str, ToolRun]:
        """Runs the tool once for each of two networks, by their names there; `Path` is what a message calls them.

        Raises:
            DeviceLostError: the phone went away.
            DeviceError: the tool failed, said nothing of the time, or `deadline` passed.
        """
        both = " and ".join(str(path) for _, path in networks)
        pin = f"taskset {sum(1 << core for core in cores):x} " if cores else ""
        runs = f" && echo {shlex.quote(SECOND_RUN_MARK)} && ".join(
            f"{pin}{shlex.join([f'{self._folder}/benchmark_model', *self._options(name)])} 2>&1"
            for name, _ in networks
        )
        self._may_still_run = True
        try:
            # The number of the shell is that of its process group: by it a run that hangs is ended.
            status, output = self._adb.shell(
                f"echo $$ > {self._folder}/group; {runs}",
                what=f"timing {both}",
                limit_s=deadline - time.monotonic(),
            )
        except SilentError as error:
            # Lost, if it does not answer that either.
            self._end_runs()
            raise DeviceError(
                f"timing {both} took more than {self._limit_s:g} s on {self._adb.serial}, the most that is "
                "waited for; take a smaller network"
            ) from error
        self._may_still_run = False
        outputs = output.split(f"{SECOND_RUN_MARK}\n")
        if status != 0:
            _, path = networks[len(outputs) - 1]
            raise DeviceError(f"timing {path} failed: {self._explain_failure(status, outputs[-1])}")
        found = {}
        for (name, path), said in zip(networks, [*outputs, ""], strict=False):
            if (run := parse_run(said)) is not None:
                found[name] = run
            else:
                raise DeviceError(
                    f"timing {path} failed: benchmark_model said nothing of the time it took, but: "
                    f"{last_lines(said)}"
                )
        return found

    def _end_runs(self) -> None:
        """Ends a run that hangs: when its connection breaks, a phone ends the shell and not what it has started.

        Raises:
            DeviceLostError: the phone does not answer.
        """
        if self._may_still_run:
            self._adb.ask(f"kill -9 -$(cat {self._folder}/group) 2>/dev/null")
            self._may_still_run = False

    def _options(self, name: str) -> list[str]:
        return [
            f"--graph={self._folder}/{name}",
            f"--num_threads={self.threads}",
            "--use_xnnpack=true",
            "--warmup_runs=1",
            f"--warmup_min_secs={self._timed_s / 2:g}",
            f"--num_runs={FEWEST_TOOL_RUNS}",
            f"--min_secs={self._timed_s:g}",
            f"--max_secs={self._limit_s:g}",
        ]

    def _explain_failure(self, status: int, output: str) -> str:
        """Why a run ended with an exit status other than 0."""
        words = last_lines(output)
        if any(one in words for one in WRONG_ABI_WORDS):
            abi = self._first_answer().abi
            return (
                f"{self._binary} is for another processor than this phone's, {abi}; take "
                f"{PUBLISHED_TOOLS.get(abi, f'a benchmark_model for {abi}')} (docs/measuring.md says where)"
            )
        if status > 128 and status - 128 in set(signal.Signals):
            name = signal.Signals(status - 128).name
            how = "was ended from outside" if name in ("SIGKILL", "SIGTERM") else "crashed"
            return f"benchmark_model {how} ({name}), having said: {words}"
        return f"benchmark_model ended with exit status {status}, having said: {words}"

    def _put(self, name: str, path: Path, *, mode: int) -> None:
        """Has the file at `path` in the folder, as `name`.

        Raises:
            DeviceLostError: the phone went away.
            DeviceError: it does not take the file.
        """
        content = _read_bytes(path)
        digest = _digest(content)
        self._adb.connect()
        if self._sent_at_find != self._adb.times_found:
            self._sent_digests, self._sent_at_find = {}, self._adb.times_found
        if self._sent_digests.get(name) == digest:
            return
        if not self._sent_digests:
            self._may_have_folder = True
            self._end_runs()
            self._adb.ask(
                f"find {PHONE_FOLDER} -maxdepth 1 -name 'mnasnet-*' -mtime +{STALE_DAYS} -exec rm -rf {{}} + "
                f"2>/dev/null; mkdir -p {self._folder}"
            )
        what = f"sending {path}"
        reason = self._adb.send(content, f"{self._folder}/{name}", mode=mode, what=what)
        if reason is not None:
            self._drop(name)
            if "No space left" in reason:
                raise DeviceError(
                    f"{what} failed: the storage of {self._adb.serial} is full; free "
                    f"{len(content) / 1e6:.0f} MB or more"
                )
            raise DeviceError(f"{what} to {self._adb.serial} failed: {reason}")
        self._sent_digests[name] = digest

    def _drop(self, name: str) -> None:
        """Removes a file from the folder, if the phone is there; if it is not, a later file takes its place."""
        self._sent_digests.pop(name, None)
        if self._adb.connected:
            with contextlib.suppress(DeviceError):
                self._adb.ask(f"rm -f {self._folder}/{name}")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
