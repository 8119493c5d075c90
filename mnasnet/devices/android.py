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

from mnasnet.arch.records import Artifact, DeviceCard, Format, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices import timing
from mnasnet.devices.adb import Adb, SilentError
from mnasnet.devices.android_about import ASK, IDLE, About, about_of, idle_of
from mnasnet.devices.benchmark_model import Run, last_words, run_of
from mnasnet.devices.device import Device, DeviceError, UnsuitableError, check_threads

TMP = "/data/local/tmp"
"""The one place of a phone where adb may write and run a program."""
STALE_DAYS = 2
"""After which a folder of ours that nothing was written to belongs to a process that was killed."""

TIMED_S = 0.05
"""Least time of a network in one run of the tool, after a warm-up of half of it."""
FEWEST_RUNS = 3
"""Of the network in one run of the tool, after one for warming up."""

SECOND = "mnasnet: the second network"
"""Printed between the runs of the two networks."""

RESOLUTION_MS = 1e-3
"""The tool prints whole microseconds."""

RUNTIME = "LiteRT benchmark_model"
PUBLISHED = {"arm64-v8a": "android_aarch64_benchmark_model", "armeabi-v7a": "android_arm_benchmark_model"}
"""What the tool for an ABI is called where it is published."""
NOT_FOR_THIS_ABI = ("not executable", "Exec format error", "cannot execute binary file", "e_machine")
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
        timed_s: float = TIMED_S,
    ) -> None:
        """None as `serial` means the one that is connected; one with a port is reached over the network.

        `limit_s` bounds what one launch takes, `timed_s` is the least time of a network in one run of
        `benchmark_model`.

        Raises:
            RequestError: `threads` is less than 1.
            ValueError: a time is not positive.
        """
        if threads < 1:
            raise RequestError("give a whole number of at least 1", field="threads", value=threads)
        if not (limit_s > 0 and timed_s > 0):
            raise ValueError(f"a measurement needs positive times in seconds, not {min(limit_s, timed_s)}")
        self.threads = threads
        self._binary, self._limit_s, self._timed_s = benchmark_model, limit_s, timed_s
        self._adb = Adb(serial)
        self._folder = f"{TMP}/mnasnet-{uuid.uuid4().hex[:12]}"
        self._there: dict[str, str] = {}
        """Name and digest of the bytes of what was put into the folder since the phone was last found."""
        self._there_since = 0
        """`Adb.times_found` then."""
        self._made = False
        """Whether there may be a folder."""
        self._runs = False
        """Whether there may be a run that nobody waits for any more."""
        self._first_about: About | None = None

    @property
    def name(self) -> str:
        """As the protocol says: the model and the serial number."""
        return f"android ({self._known().model}, {self._adb.serial})"

    def card(self) -> DeviceCard:
        """As the protocol says."""
        name, about = self.name, self._about()
        return DeviceCard(
            name=name,
            system=f"Android {about.release}",
            abi=about.abi,
            runtimes=(self._runtime(),),
            clock="wall time",
            cores=about.cores,
            threads=self.threads,
            pinned=about.fastest(self.threads),
            temperature_c=about.temperature_c,
        )

    def idle(self) -> Mapping[int, float]:
        """As the protocol says: what its system counted as idle during half a second."""
        return idle_of(self._adb.answer(IDLE))

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
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
        cores = self._known().fastest(self.threads)
        files = {"reference.tflite": reference.path, "candidate.tflite": artifact.path}
        statistics: set[str] = set()
        not_delegated: set[str] = set()  # the reference's too: a ratio to slower kernels says as little
        deadline = 0.0

        def launch() -> timing.TimeLoad:
            nonlocal deadline
            waited.append(timing.cooled(lambda: self._state(cores))[1])
            deadline = time.monotonic() + self._limit_s
            return time_load

        def time_load(candidate_first: bool) -> timing.Load:
            names = sorted(files, reverse=not candidate_first)
            found = self._run([(name, files[name]) for name in names], cores=cores, deadline=deadline)
            against, timed = found["reference.tflite"], found["candidate.tflite"]
            statistics.update((against.statistic, timed.statistic))
            not_delegated.update(against.not_delegated, timed.not_delegated)
            return [timing.Block(reference_ms=(against.ms,), candidate_ms=(timed.ms,), summarized=timed.runs)]

        waited: list[float] = []
        try:
            self._put("benchmark_model", self._binary, mode=0o755)
            for name, path in files.items():
                self._put(name, path, mode=0o644)
            timed = timing.timed(launch, launches=launches)
            state = self._state(cores)
        finally:
            self._drop("candidate.tflite")
        return timing.latency_of(
            timed,
            agreed=agreed,
            device=self.name,
            runtime=f"{self._runtime()}, XNNPACK, wall time",
            threads=self.threads,
            cores=cores,
            not_delegated=sorted(not_delegated),
            statistic="mean" if "mean" in statistics else "median",
            state=state,
            waited_s=sum(waited),
            resolution_ms=RESOLUTION_MS,
        )

    def close(self) -> None:
        """Removes what was put on the phone, if that is there; a later `measure` puts it there again."""
        if self._made:
            with contextlib.suppress(DeviceError):
                self._end_runs()
                self._adb.answer(f"rm -rf {self._folder}")
            self._made = False
        self._adb.forget()

    def _known(self) -> About:
        """What it said of itself when it was first asked."""
        if self._first_about is None:
            about = self._about()
            check_threads(self.threads, len(about.cores), called=about.model)
            self._first_about = about
        return self._first_about

    def _about(self) -> About:
        return about_of(self._adb.answer(ASK))

    def _state(self, cores: Sequence[int]) -> timing.State:
        about = self._about()
        timed_on = next((core for core in about.cores if not cores or core.number == cores[0]), None)
        return timing.State(
            governor=None if timed_on is None else timed_on.governor,
            frequency_mhz=None if timed_on is None else timed_on.now_mhz,
            temperature_c=about.temperature_c,
        )

    def _runtime(self) -> str:
        """The tool prints no version: its digest tells one binary from another."""
        return f"{RUNTIME} {_digest(_read(self._binary))[:8]}"

    def _run(
        self, networks: Sequence[tuple[str, Path]], *, cores: Sequence[int], deadline: float
    ) -> dict[str, Run]:
        """Runs the tool once for each of two networks, by their names there; `Path` is what a message calls them.

        Raises:
            DeviceLostError: the phone went away.
            DeviceError: the tool failed, said nothing of the time, or `deadline` passed.
        """
        both = " and ".join(str(path) for _, path in networks)
        pin = f"taskset {sum(1 << core for core in cores):x} " if cores else ""
        runs = f" && echo {shlex.quote(SECOND)} && ".join(
            f"{pin}{shlex.join([f'{self._folder}/benchmark_model', *self._options(name)])} 2>&1"
            for name, _ in networks
        )
        self._runs = True
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
        self._runs = False
        outputs = output.split(f"{SECOND}\n")
        if status != 0:
            _, path = networks[len(outputs) - 1]
            raise DeviceError(f"timing {path} failed: {self._failure(status, outputs[-1])}")
        found = {}
        for (name, path), said in zip(networks, [*outputs, ""], strict=False):
            if (run := run_of(said)) is not None:
                found[name] = run
            else:
                raise DeviceError(
                    f"timing {path} failed: benchmark_model said nothing of the time it took, but: "
                    f"{last_words(said)}"
                )
        return found

    def _end_runs(self) -> None:
        """Ends a run that hangs: when its connection breaks, a phone ends the shell and not what it has started.

        Raises:
            DeviceLostError: the phone does not answer.
        """
        if self._runs:
            self._adb.answer(f"kill -9 -$(cat {self._folder}/group) 2>/dev/null")
            self._runs = False

    def _options(self, name: str) -> list[str]:
        return [
            f"--graph={self._folder}/{name}",
            f"--num_threads={self.threads}",
            "--use_xnnpack=true",
            "--warmup_runs=1",
            f"--warmup_min_secs={self._timed_s / 2:g}",
            f"--num_runs={FEWEST_RUNS}",
            f"--min_secs={self._timed_s:g}",
            f"--max_secs={self._limit_s:g}",
        ]

    def _failure(self, status: int, output: str) -> str:
        """Why a run ended with an exit status other than 0."""
        words = last_words(output)
        if any(one in words for one in NOT_FOR_THIS_ABI):
            abi = self._known().abi
            return (
                f"{self._binary} is for another processor than this phone's, {abi}; take "
                f"{PUBLISHED.get(abi, f'a benchmark_model for {abi}')} (docs/measuring.md says where)"
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
        content = _read(path)
        digest = _digest(content)
        self._adb.connect()
        if self._there_since != self._adb.times_found:
            self._there, self._there_since = {}, self._adb.times_found
        if self._there.get(name) == digest:
            return
        if not self._there:
            self._made = True
            self._end_runs()
            self._adb.answer(
                f"find {TMP} -maxdepth 1 -name 'mnasnet-*' -mtime +{STALE_DAYS} -exec rm -rf {{}} + 2>/dev/null; "
                f"mkdir -p {self._folder}"
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
        self._there[name] = digest

    def _drop(self, name: str) -> None:
        """Removes a file from the folder, if the phone is there; if it is not, a later file takes its place."""
        self._there.pop(name, None)
        if self._adb.connected:
            with contextlib.suppress(DeviceError):
                self._adb.answer(f"rm -f {self._folder}/{name}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
