"""Times model files in a process of its own: one JSON request a line on stdin, one JSON reply a line on stdout.

This file stands alone (Python 3.10, and ai-edge-litert or onnxruntime), so that it can also be sent to a board and
run there. Each request is an object with a `do`; each reply is what the function of that name returns, or
`{"error": "…"}` for a request that cannot be served, after which the process goes on. It ends when stdin does, and
takes with it the files that were put.

    {"do": "about"}
    {"do": "state"}
    {"do": "idle"}
    {"do": "put", "name": NAME, "base64": BYTES}
    {"do": "drop", "path": PATH}
    {"do": "time", "candidate": PATH, "reference": PATH, "candidate_first": true, "blocks": 2, "block_ms": 5}

Time is the CPU time of the one thread that computes. While that thread has its core it is wall time, to 0.1 %;
but when the system gives the core away for a while, wall time holds the pause as well, and the longer network
meets more pauses: with a busy process on the same core the ratio of two networks read twice as high by the
wall, and by CPU time as on an idle machine (`benchmarks/evidence.jsonl`, cpu-over-wall). With several threads, or
where the system counts CPU time in coarse ticks (Windows), it is wall time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TextIO

RUNTIME_PACKAGES = {"LiteRT": "ai-edge-litert", "ONNX Runtime": "onnxruntime"}
"""What runs files, and the package that brings it."""
SPIN_PROGRAM = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
while time.perf_counter() < begun_s + 0.5: pass
print((time.process_time() - begun_cpu_s) / (time.perf_counter() - begun_s))
"""
"""Takes all of a core that it can get for half a second, and says how much that was."""
CPU_FOLDER = Path("/sys/devices/system/cpu")
THERMAL_FOLDER = Path("/sys/class/thermal")

SETTLED_SHARE = 0.05
"""Warm-up ends when the medians of both networks are within this fraction of those of the block before."""
MOST_WARM_UPS = 15
"""Blocks after which warm-up ends on a machine that never settles: blocks are judged afterwards in any case."""
FEWEST_BLOCK_RUNS = 2
"""In a block. More would not pay: see `timing.py` on what the spread comes from. One is enough to warm up."""
CLOCK_TICKS_READ = 10
COARSE_TICK_NS = 100_000
"""A clock that moves in larger steps cannot time runs of a tenth of a millisecond."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What a run is timed with."""

    name: str
    now_ns: Callable[[], int]


class LoadedFile:
    """A loaded model with its inputs filled, ready to be run."""

    def __init__(self, path: str, *, threads: int) -> None:
        open_file = _open_onnx if path.endswith(".onnx") else _open_tflite
        try:
            self._invoke, self.not_delegated = open_file(path, threads)
        except ModuleNotFoundError as error:
            name = str(error.name).replace("_", "-")
            raise ValueError(f"{path} cannot be run here: {name} is not installed") from error
        except Exception as error:  # ONNX Runtime's share no base of their own
            raise ValueError(f"{path} cannot be loaded: {error}") from error
        self.run_ms = math.inf
        """Median of the runs last timed; from it the runs of the next block are counted out."""

    def time_ms(self, clock: Clock, duration_ms: float, *, fewest: int = FEWEST_BLOCK_RUNS) -> list[float]:
        """Each of as many runs as fill `duration_ms`, at least `fewest`.

        One run before them is not timed: it brings back into the caches what the other network pushed out.
        """
        invoke, now_ns = self._invoke, clock.now_ns
        invoke()
        stamps = [now_ns()]
        for _ in range(max(fewest, math.ceil(duration_ms / self.run_ms))):
            invoke()
            stamps.append(now_ns())
        times_ms = [(after - before) / 1e6 for before, after in itertools.pairwise(stamps)]
        self.run_ms = median(times_ms)
        return times_ms


def _open_tflite(path: str, threads: int) -> tuple[Callable[[], object], list[str]]:
    """How to run the file once, and what XNNPACK leaves out of it."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        interpreter.set_tensor(tensor["index"], _make_input(tensor["shape"]).astype(tensor["dtype"]))
    return interpreter.invoke, find_undelegated(interpreter)


def _open_onnx(path: str, threads: int) -> tuple[Callable[[], object], list[str]]:
    """How to run the file once; its CPU kernels leave nothing out."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
    inputs = {
        one.name: _make_input([side if isinstance(side, int) else 1 for side in one.shape]).astype(
            kinds.get(one.type) or one.type.removeprefix("tensor(").removesuffix(")")
        )
        for one in session.get_inputs()
    }
    return (lambda: session.run(None, inputs)), []


def _make_input(shape: Any) -> Any:
    """0 to 2 as floats, 0 and 1 as integers: values that every input type can hold."""
    import numpy as np

    return np.random.default_rng(0).random(shape) * 2


def find_undelegated(interpreter: Any) -> list[str]:
    """Names of operators outside XNNPACK's share of the graph, next to it; empty when it has everything.

    Such an operator hands a delegate, or the caller, a tensor that no delegate made.
    """
    operators = interpreter._get_ops_details()
    delegates = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
    needed = {int(tensor["index"]) for tensor in interpreter.get_output_details()}
    needed |= {int(index) for delegate in delegates for index in delegate["inputs"]}
    needed -= {int(index) for delegate in delegates for index in delegate["outputs"]}
    return sorted(
        {operator["op_name"] for operator in operators if needed & {int(i) for i in operator["outputs"]}}
    )


class Runner:
    """What can be asked of this process."""

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._allowed = os.sched_getaffinity(0) if sys.platform == "linux" else set[int]()
        self._core = pin_to_last_core() if threads == 1 else None
        self._clock = choose_clock(threads=threads)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def about(self) -> dict[str, Any]:
        """What this machine is, the conditions of every timing, and the packages loaded beside Python's own."""
        return {
            "system": f"{platform.system()} {platform.release()}",
            "abi": platform.machine(),
            "processor": processor_name(),
            "runtimes": installed_runtimes(),
            "clock": self._clock.name,
            "threads": self._threads,
            "pinned": [] if self._core is None else [self._core],
            "cores": [core_state(number) for number in usable_cores()],
            "process": os.getpid(),
            "packages": sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names),
            **self.state(),
        }

    def state(self) -> dict[str, Any]:
        """What may change from measurement to measurement."""
        core = core_state(usable_cores()[0] if self._core is None else self._core)
        return {
            "governor": core["governor"],
            "frequency_mhz": core["now_mhz"],
            "temperature_c": read_temperature_c(),
        }

    def idle(self) -> dict[str, Any]:
        """What others leave of each core: processes that do nothing but spin, on all cores at once.

        One after the other would not do: what keeps a core busy would move to another one.
        """
        if sys.platform != "linux":
            return {"shares": []}
        spinning = [
            (core, subprocess.Popen([sys.executable, "-c", SPIN_PROGRAM, str(core)], stdout=subprocess.PIPE))
            for core in sorted(self._allowed)
        ]
        return {"shares": [(core, float(process.communicate()[0])) for core, process in spinning]}

    def put(self, *, name: str, base64: str) -> dict[str, Any]:
        """Keeps a file until this process ends or it is dropped."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mnasnet-")
        path = Path(self._folder.name) / Path(name).name
        try:
            path.write_bytes(b64decode(base64))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return {"path": str(path)}

    def drop(self, *, path: str) -> dict[str, Any]:
        """Forgets a file that was put."""
        Path(path).unlink(missing_ok=True)
        return {}

    def time(
        self, *, candidate: str, reference: str, candidate_first: bool, blocks: int, block_ms: float
    ) -> dict[str, Any]:
        """Loads both files afresh, warms them up and times them in alternate blocks, each run in ms.

        Where a network comes to lie in memory is worth up to 1 % of its time (`benchmarks/evidence.jsonl`,
        memory-place), and the one loaded first is favoured. So the caller asks for several loads, in either order.
        """
        paths = (candidate, reference) if candidate_first else (reference, candidate)
        loaded = [LoadedFile(path, threads=self._threads) for path in paths]
        timed, against = loaded if candidate_first else reversed(loaded)
        before = (math.inf, math.inf)
        for _ in range(MOST_WARM_UPS):
            for network in (against, timed):
                network.time_ms(self._clock, block_ms, fewest=1)
            now = (against.run_ms, timed.run_ms)
            if all(abs(a - b) <= SETTLED_SHARE * a for a, b in zip(now, before, strict=True)):
                break
            before = now
        return {
            "not_delegated": sorted({*timed.not_delegated, *against.not_delegated}),
            "blocks": [
                {
                    "reference_ms": against.time_ms(self._clock, block_ms),
                    "candidate_ms": timed.time_ms(self._clock, block_ms),
                }
                for _ in range(blocks)
            ],
        }


def pin_to_last_core() -> int | None:
    """Binds this process to the last of the fastest cores it may use, away from the first, which interrupts prefer.

    None where the system has no such call (macOS, Windows).
    """
    if sys.platform != "linux":
        return None
    core = max(os.sched_getaffinity(0), key=lambda number: (core_state(number)["most_mhz"] or 0, number))
    os.sched_setaffinity(0, {core})
    return core


def usable_cores() -> list[int]:
    """Numbers of the cores that this process could be given; where the system does not say, of all."""
    if sys.platform == "linux" and CPU_FOLDER.is_dir():
        return sorted(int(path.name[3:]) for path in CPU_FOLDER.glob("cpu[0-9]*")) or [0]
    return list(range(os.cpu_count() or 1))


def core_state(number: int) -> dict[str, Any]:
    """The core's frequencies and governor, as Linux tells them; None where it does not."""
    folder = CPU_FOLDER / f"cpu{number}" / "cpufreq"
    most_khz, now_khz = (
        read_system_file(folder / "cpuinfo_max_freq"),
        read_system_file(folder / "scaling_cur_freq"),
    )
    return {
        "number": number,
        "most_mhz": None if most_khz is None else int(most_khz) / 1000,
        "now_mhz": None if now_khz is None else int(now_khz) / 1000,
        "governor": read_system_file(folder / "scaling_governor"),
    }


def read_temperature_c() -> float | None:
    """Of the warmest sensor of the processor, as Linux tells it."""
    readings = []
    for zone in THERMAL_FOLDER.glob("thermal_zone*"):
        kind, milli = read_system_file(zone / "type") or "", read_system_file(zone / "temp") or ""
        # Others are of batteries, radios and disks, which a network does not heat.
        if milli.isdigit() and any(name in kind.lower() for name in ("cpu", "soc", "pkg", "core")):
            readings.append(int(milli) / 1000)
    return max(readings, default=None)


def read_system_file(path: Path) -> str | None:
    """What the system says in a file; None where there is none, or it may not be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def processor_name() -> str:
    """The processor's name as the system gives it, else its kind, such as `arm64`."""
    if sys.platform == "linux":
        for line in (read_system_file(Path("/proc/cpuinfo")) or "").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
        if (board := read_system_file(Path("/proc/device-tree/model"))) is not None:  # such as Raspberry Pi 5
            return board.rstrip("\0")
    return platform.processor() or platform.machine()


def installed_runtimes() -> list[str]:
    """Name and version of each runtime that is here."""
    found = []
    for name, package in RUNTIME_PACKAGES.items():
        try:
            found.append(f"{name} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def choose_clock(*, threads: int) -> Clock:
    """CPU time of this thread where it does all the work and the system counts it finely, else wall time."""
    wall = Clock(name="wall time", now_ns=time.perf_counter_ns)
    if threads != 1 or not hasattr(time, "thread_time_ns"):
        return wall
    # Tried rather than looked up: Windows states 100 ns and counts in ticks of 15.6 ms.
    ticks_ns = []
    for _ in range(CLOCK_TICKS_READ):
        tick_ns = 0
        first_ns = time.thread_time_ns()
        while not tick_ns:
            tick_ns = time.thread_time_ns() - first_ns
        ticks_ns.append(tick_ns)
    # The smallest: on a busy machine one step may hold the system's own work.
    return Clock(name="CPU time", now_ns=time.thread_time_ns) if min(ticks_ns) < COARSE_TICK_NS else wall


def serve(requests: TextIO, replies: TextIO, runner: Runner) -> None:
    """Answers each line of `requests` with one line of `replies` until they end."""
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        action.__name__: action
        for action in (runner.about, runner.state, runner.idle, runner.put, runner.drop, runner.time)
    }
    for line in requests:
        try:
            request = json.loads(line)
            reply = actions[request.pop("do")](**request)
        # Whatever a model file makes the runtime raise is an answer about that file, not the end of the process.
        except Exception as error:
            reply = {"error": str(error) or type(error).__name__}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main() -> None:
    """Serves stdin and stdout until the other side closes them."""
    options = argparse.ArgumentParser(description="Times model files: JSON lines on stdin and stdout.")
    options.add_argument("--threads", type=int, default=1)
    threads = options.parse_args().threads
    # The runtime's C++ code may print: what it writes to stdout goes to stderr, so that replies stay whole.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        serve(sys.stdin, replies, Runner(threads=threads))
    except BrokenPipeError:
        # The one who asked is gone: nobody to answer, nothing to save, and a flush at exit would fail again.
        os._exit(1)


if __name__ == "__main__":
    main()
