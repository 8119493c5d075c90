"""Whether latencies repeat: twelve networks timed in two runs, and what timing a candidate costs.

    python benchmarks/latency_repeatability.py

Twelve minutes. Everything is restarted between the two runs. It makes the comparison of `mnasnet measure`
twice with the other core idle, and twice with it kept busy on purpose. Of the 66 pairs it says how many the
first run called different, and how many of those changed places in the second. It says how much the latency
of one network moves from run to run: as a ratio to the reference that is timed alternately, and raw. Then it
times what one candidate of MnasNet-A1's size costs in a search, and what a finalist costs.

Wanted: no pair called different changes places; on a quiet machine the ratio moves by at most 2 %; at most 2
s a candidate and 20 s a finalist.
"""

import contextlib
import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from figures import machine

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MNASNET_A1, MOBILENET_V2
from mnasnet.devices.host import HostDevice
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.graph.weights import draw_weights
from mnasnet.meters.comparison import FileLatency, compare_files, judge_pair
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.space.extremes import largest_network, random_network, smallest_network
from mnasnet.space.hierarchical import mnasnet_space

NETWORKS = 12
DRAWN = 200
"""Random networks of which those are taken that lie evenly over the range of multiply-adds."""

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

    image_size: int = 96
    width: float = 0.5
    repeats: int = 9
    """Candidates timed for what one costs."""


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


def networks(image_size: int, width: float) -> list[Architecture]:
    """The smallest and the largest of the space, and between them those at even steps of random ones."""
    space = mnasnet_space(image_size=image_size, in_channels=3, classes=10, width=width)
    generator = random.Random(0)
    drawn = [random_network(space, generator) for _ in range(DRAWN)]
    drawn.sort(key=lambda network: count_multiply_adds(network.lowered()))
    between = [drawn[round(at)] for at in np.linspace(0, DRAWN - 1, NETWORKS - 2)]
    middle = between.pop(len(between) // 2)
    return [middle, smallest_network(space), largest_network(space), *between]


def one_run(paths: Sequence[Path], core: int | None) -> list[FileLatency]:
    """Every file timed, with a device of its own."""
    with busy(core), LatencyMeter(HostDevice()) as meter:
        return compare_files(meter, paths)


def off(first: float, second: float) -> float:
    """By how much two latencies of a network differ, as a fraction."""
    return abs(math.log(second / first))


def row(what: str, first: Sequence[FileLatency], second: Sequence[FileLatency]) -> str:
    """One line of the table."""
    pairs = list(itertools.combinations(range(len(first)), 2))
    different = [(i, j) for i, j in pairs if judge_pair(first[i].latency, first[j].latency) != "tied"]
    turned = opposite = 0
    for i, j in different:
        before = first[i].latency.median_ms < first[j].latency.median_ms
        turned += before != (second[i].latency.median_ms < second[j].latency.median_ms)
        now = judge_pair(second[i].latency, second[j].latency)
        opposite += now == ("slower" if before else "faster")
    paired = [off(a.latency.ratio, b.latency.ratio) for a, b in zip(first[1:], second[1:], strict=True)]
    raw = [
        off(statistics.median(a.latency.raw_ms), statistics.median(b.latency.raw_ms))
        for a, b in zip(first, second, strict=True)
    ]
    half = [(one.latency.high_ms / one.latency.low_ms - 1) / 2 for one in first[1:]]
    thrown = sum(one.latency.blocks_discarded for one in (*first, *second))
    kept = sum(len(one.latency.raw_ms) for one in (*first, *second))
    return (
        f"| {what} | {len(different)} of {len(pairs)} | {turned} | {opposite} "
        f"| {percent(paired)} | {percent(raw)} | ± {100 * statistics.median(half):.1f} % "
        f"| {100 * thrown / (thrown + kept):.0f} % |"
    )


def percent(values: Sequence[float]) -> str:
    """Median and largest."""
    return f"{100 * statistics.median(values):.1f} %, {100 * max(values):.1f} %"


def main(arguments: Arguments) -> None:
    """Times everything and prints the tables."""
    with HostDevice() as host:
        about = host.describe_runner()
    core = about["pinned"][0] if about["pinned"] else 0
    other = max((number for number in range(os.cpu_count() or 1) if number != core), default=core)
    print(f"{machine('ai-edge-litert')}, {about['clock']}, core {core}; {arguments.image_size} px\n")
    print(
        "| other core | called different | changed places | called the opposite | paired, median and most ",
        end="",
    )
    print("| raw, median and most | interval | thrown away |\n|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, network in enumerate(networks(arguments.image_size, arguments.width)):
            paths.append(Path(folder) / f"{number}.tflite")
            write_tflite(network, draw_weights(network.lowered(), np.random.default_rng(number)), paths[-1])
        for what, busy_core in (("idle", None), ("busy", other)):
            print(row(what, one_run(paths, busy_core), one_run(paths, busy_core)), flush=True)
    with LatencyMeter(HostDevice(), MOBILENET_V2) as meter:
        meter.prepare()
        begun = time.perf_counter()
        meter.measure_reference(launches=RELIABLE_LAUNCHES)
        finalist_s = time.perf_counter() - begun
        seconds = []
        for _ in range(arguments.repeats):
            begun = time.perf_counter()
            latency = meter.measure_network(MNASNET_A1)
            seconds.append(time.perf_counter() - begun)
    print(
        f"\nMnasNet-A1 at 224 px, one run of which took {statistics.median(latency.raw_ms):.1f} ms: a candidate "
        f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {RELIABLE_LAUNCHES} "
        f"launches as for a finalist {finalist_s:.1f} s"
    )


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
