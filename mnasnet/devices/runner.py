"""Times model files in a process of its own: one JSON request a line on stdin, one JSON reply a line on stdout.

This file stands alone (Python, numpy and ai-edge-litert), so that it can also be copied to a board and run there.
Each request is an object with a `do`; each reply is what the function of that name returns, or
`{"error": "…"}` for a request that cannot be served, after which the process goes on. It ends when stdin does.

    {"do": "about"}
    {"do": "time", "candidate": PATH, "reference": PATH, "candidate_first": true, "blocks": 3, "block_ms": 5}

Time is the CPU time of the one thread that computes. While that thread has its core it is wall time, to 0.1 %;
but when the system gives the core away for a while, wall time holds the pause as well, and the longer network
meets more pauses: with a busy process on the same core, MnasNet-A1 over MobileNetV2 at 224 px read 2.3 by the wall
and 1.17 by CPU time, as on an idle machine. With several threads, or where the system counts CPU time in coarse
ticks (Windows), it is wall time.
"""

import argparse
import importlib.metadata
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from ai_edge_litert.interpreter import Interpreter

AGREEMENT = 0.05
"""Warm-up ends when the medians of both networks are within this fraction of those of the block before."""
MOST_WARM_UPS = 15
"""Blocks after which warm-up ends on a machine that never settles: blocks are judged afterwards in any case."""
FEWEST_RUNS = 2
"""In a block. More would not pay: see `timing.py` on what the spread comes from."""
TICKS_LOOKED_AT = 10
COARSE_TICK_NS = 100_000
"""A clock that moves in larger steps cannot time runs of a tenth of a millisecond."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What a run is timed with."""

    name: str
    now_ns: Callable[[], int]


class Network:
    """A loaded model with its inputs filled, ready to be run."""

    def __init__(self, path: str, *, threads: int) -> None:
        try:
            self._interpreter = Interpreter(model_path=path, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} cannot be loaded: {error}") from error
        generator = np.random.default_rng(0)
        for tensor in self._interpreter.get_input_details():
            # 0 to 2 as floats, 0 and 1 as integers: values that every input type can hold.
            values = generator.random(tensor["shape"]) * 2
            self._interpreter.set_tensor(tensor["index"], values.astype(tensor["dtype"]))
        self.run_ms = math.inf
        """Median of the runs last timed; from it the runs of the next block are counted out."""

    def not_delegated(self) -> list[str]:
        """Names of operators that XNNPACK leaves out; see `not_delegated`."""
        return not_delegated(self._interpreter)

    def time_ms(self, clock: Clock, duration_ms: float) -> list[float]:
        """Each of as many runs as fill `duration_ms`.

        One run before them is not timed: it brings back into the caches what the other network pushed out.
        """
        invoke, now_ns = self._interpreter.invoke, clock.now_ns
        invoke()
        stamps = [now_ns()]
        for _ in range(max(FEWEST_RUNS, math.ceil(duration_ms / self.run_ms))):
            invoke()
            stamps.append(now_ns())
        times_ms = [(after - before) / 1e6 for before, after in itertools.pairwise(stamps)]
        self.run_ms = float(np.median(times_ms))
        return times_ms


def not_delegated(interpreter: Interpreter) -> list[str]:
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
        self._core = pin_to_last_core() if threads == 1 else None
        self._clock = finest_clock(threads=threads)

    def about(self) -> dict[str, Any]:
        """The conditions of every timing, and the packages loaded beside Python's own."""
        return {
            "runtime": f"LiteRT {importlib.metadata.version('ai-edge-litert')}",
            "clock": self._clock.name,
            "threads": self._threads,
            "core": self._core,
            "process": os.getpid(),
            "packages": sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names),
        }

    def time(
        self, *, candidate: str, reference: str, candidate_first: bool, blocks: int, block_ms: float
    ) -> dict[str, Any]:
        """Loads both files afresh, warms them up and times them in alternate blocks, each run in ms.

        Where a network comes to lie in memory is worth up to 1 % of its time and the one loaded first is favoured
        (by 0.5 %), so the caller asks for several loads, in either order.
        """
        paths = (candidate, reference) if candidate_first else (reference, candidate)
        loaded = [Network(path, threads=self._threads) for path in paths]
        timed, against = loaded if candidate_first else reversed(loaded)
        before = (math.inf, math.inf)
        for _ in range(MOST_WARM_UPS):
            for network in (against, timed):
                network.time_ms(self._clock, block_ms)
            now = (against.run_ms, timed.run_ms)
            if all(abs(a - b) <= AGREEMENT * a for a, b in zip(now, before, strict=True)):
                break
            before = now
        return {
            "not_delegated": timed.not_delegated(),
            "blocks": [
                {
                    "reference_ms": against.time_ms(self._clock, block_ms),
                    "candidate_ms": timed.time_ms(self._clock, block_ms),
                }
                for _ in range(blocks)
            ],
        }


def pin_to_last_core() -> int | None:
    """Binds this process to the last core it may use, away from the first, which interrupts prefer.

    None where the system has no such call (macOS, Windows).
    """
    if sys.platform != "linux":
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def finest_clock(*, threads: int) -> Clock:
    """CPU time of this thread where it does all the work and the system counts it finely, else wall time."""
    wall = Clock(name="wall time", now_ns=time.perf_counter_ns)
    if threads != 1 or not hasattr(time, "thread_time_ns"):
        return wall
    # Tried rather than looked up: Windows states 100 ns and counts in ticks of 15.6 ms.
    ticks_ns = []
    for _ in range(TICKS_LOOKED_AT):
        tick_ns = 0
        first_ns = time.thread_time_ns()
        while not tick_ns:
            tick_ns = time.thread_time_ns() - first_ns
        ticks_ns.append(tick_ns)
    # The smallest: on a busy machine one step may hold the system's own work.
    return Clock(name="CPU time", now_ns=time.thread_time_ns) if min(ticks_ns) < COARSE_TICK_NS else wall


def serve(requests: TextIO, replies: TextIO, runner: Runner) -> None:
    """Answers each line of `requests` with one line of `replies` until they end."""
    actions: dict[str, Callable[..., dict[str, Any]]] = {"about": runner.about, "time": runner.time}
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
