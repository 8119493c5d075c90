"""Does a latency repeat? MobileNetV2 and MnasNet-A1 timed again and again, with the machine idle and kept busy.

    python benchmarks/latency_repeatability.py --repeats 12

Two to three minutes. Each measurement is what a search does for one candidate, in a fresh process. The columns:
median raw time of the candidate and its range over the repeats; median ratio to MobileNetV2, its standard deviation
and range; median half-width of the 95 % interval and how many intervals hold the median ratio; blocks discarded;
seconds a measurement, start of the process included.

Expected on a shared 2-core machine: a standard deviation of the ratio of 0.2 to 0.6 % (once in twelve rows 1.5 %),
whatever keeps the cores busy, while raw times move by 2 % to tens of per cent; 0.4 s a candidate at 32 px and width
0.5 and 0.9 s at 224 px on an idle machine, twice that where something takes half of the core.
"""

import contextlib
import dataclasses
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from figures import machine

from mnasnet.arch.records import Artifact, Latency
from mnasnet.arch.weights import random_weights
from mnasnet.arch.zoo import MNASNET_A1, MOBILENET_V2
from mnasnet.devices.host import HostDevice
from mnasnet.export.tflite import write_tflite

SETTINGS = ((32, 0.5), (224, 1.0))
"""Image size in pixels and width: the default search's, and the paper's."""

BUSY = """
import os, sys
if sys.argv[1] != "any": os.sched_setaffinity(0, {int(sys.argv[1])})
import numpy
matrix = numpy.ones((300, 300))
while True: matrix @ matrix
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    repeats: int = 12
    """Measurements a row, at least 2."""


@contextlib.contextmanager
def busy(core: int | None) -> Iterator[None]:
    """A process that multiplies matrices on `core` all the while; None leaves the machine alone."""
    if core is None:
        yield
        return
    where = str(core) if sys.platform == "linux" else "any"
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, where], env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def row(what: str, latencies: list[Latency], seconds: list[float]) -> str:
    """One line of the table."""
    logs = [math.log(latency.ratio) for latency in latencies]
    raw = [statistics.median(latency.raw_ms) for latency in latencies]
    half = [(latency.high_ms / latency.low_ms - 1) / 2 for latency in latencies]
    middle = statistics.median(latency.ratio for latency in latencies)
    covered = sum(latency.low_ms <= middle * latency.reference_ms <= latency.high_ms for latency in latencies)
    kept = sum(len(latency.raw_ms) for latency in latencies)
    discarded = sum(latency.blocks_discarded for latency in latencies)
    return (
        f"| {what} | {statistics.median(raw):.3f} | {100 * (max(raw) / min(raw) - 1):.1f} % "
        f"| {middle:.4f} | {100 * statistics.stdev(logs):.2f} % | {100 * (max(logs) - min(logs)):.2f} % "
        f"| ± {100 * statistics.median(half):.2f} % | {covered}/{len(latencies)} "
        f"| {100 * discarded / (kept + discarded):.0f} % | {statistics.median(seconds):.2f} |"
    )


def artifacts(folder: Path, *, image_size: int, width: float) -> tuple[Artifact, Artifact]:
    """MnasNet-A1 and MobileNetV2 as files."""
    a1, v2 = (
        write_tflite(network, random_weights(network, np.random.default_rng(0)), folder / f"{name}.tflite")
        for name, network in (
            (
                f"{name}-{image_size}",
                dataclasses.replace(network, classes=10).scaled(width).fitted(image_size),
            )
            for name, network in (("a1", MNASNET_A1), ("v2", MOBILENET_V2))
        )
    )
    return a1, v2


def main(arguments: Arguments) -> None:
    """Times every pair under every load and prints the table."""
    with HostDevice() as host:
        about = host.about()
    core = about["core"]
    # Without pinning there is no "same core"; one busy process is what can be shown.
    same = 0 if core is None else core
    other = max((c for c in range(os.cpu_count() or 1) if c != same), default=same)
    loads = {"idle": None, "other core busy": other, "same core busy": same}
    print(f"{machine('ai-edge-litert')}, {about['clock']}, core {core}; {arguments.repeats} repeats a row\n")
    print(
        "| pair, px, machine | raw ms | range | ratio | s.d. | range | interval | holds median | discarded | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for image_size, width in SETTINGS:
            a1, v2 = artifacts(Path(folder), image_size=image_size, width=width)
            for pair, candidate in (("V2 / V2", v2), ("A1 / V2", a1)):
                for load, busy_core in loads.items():
                    latencies, seconds = [], []
                    with busy(busy_core):
                        for _ in range(arguments.repeats):
                            with HostDevice() as host:
                                begun = time.perf_counter()
                                latencies.append(host.measure(candidate, reference=v2, agreed=None))
                                seconds.append(time.perf_counter() - begun)
                    print(row(f"{pair}, {image_size}, {load}", latencies, seconds), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
