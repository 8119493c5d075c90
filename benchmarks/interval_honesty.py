"""Whether the 95 % interval of a latency holds the truth, on a simulated machine and on this one.

    python benchmarks/interval_honesty.py

Eight minutes. The simulated machine drifts, is disturbed in bursts, and differs by launch and by load; its truth is
known. On this machine it times a network against a copy of itself, whose ratio is 1. It also times MnasNet-A1
against MobileNetV2, for whose truth the median of all repeats stands. Each repeat is what a search does for one
candidate. Every ten repeats agree anew on what the launches of the reference tell, as a search does at its start.

Wanted: at least 90 % on the simulated machine. On this one the share is only reported.
"""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from figures import machine

from mnasnet.arch.networks import MNASNET_A1, MOBILENET_V2
from mnasnet.devices.host import HostDevice
from mnasnet.devices.timing import Timings, time_launches
from mnasnet.export.tflite import write_tflite
from mnasnet.fakes.simulated import Disorder, SimulatedMachine
from mnasnet.graph.weights import draw_weights
from mnasnet.measures.interval import wilson_interval
from mnasnet.measures.latency import Latency
from mnasnet.meters.latency import RELIABLE_LAUNCHES, make_latency, measure_latency

DISORDERS = {
    "as a shared machine": Disorder(),
    "bursts half of the time": Disorder(burst_begins=0.2),
    "launches that differ by 1 %": Disorder(launch=0.01),
    "launches that hardly differ": Disorder(launch=0.002),
}
AGREE_EVERY = 10


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    simulated: int = 400
    """Repeats of each row on the simulated machine."""
    here: int = 100
    """Repeats of each row on this machine."""
    image_size: int = 64


def row(what: str, latencies: Sequence[Latency], truth: float) -> str:
    """One line of the table; `truth` is the ratio."""
    held = sum(one.low_ms <= truth * one.reference_ms <= one.high_ms for one in latencies)
    low, high = wilson_interval(held, len(latencies))
    half = statistics.median((one.high_ms / one.low_ms - 1) / 2 for one in latencies)
    off = statistics.median(abs(one.ratio / truth - 1) for one in latencies)
    return (
        f"| {what} | {held} of {len(latencies)}, {held / len(latencies):.1%} [{low:.1%}, {high:.1%}] "
        f"| ± {half:.2%} | {off:.2%} |"
    )


def simulated(disorder: Disorder, *, repeats: int, launches: int) -> list[Latency]:
    """A candidate of ratio 1.2, each repeat on a machine and in a study of its own."""
    generator = np.random.default_rng(0)

    def found(ratio: float, count: int, unit: Latency | None) -> Latency:
        machine = SimulatedMachine(generator, ratio=ratio, disorder=disorder)
        timings = Timings(
            launches=time_launches(machine.launch, launches=count),
            device="simulated",
            runtime="none",
            clock="none",
            threads=1,
            cores=(),
        )
        return make_latency(timings, unit=unit)

    return [found(1.2, launches, found(1.0, RELIABLE_LAUNCHES, None)) for _ in range(repeats)]


def main(arguments: Arguments) -> None:
    """Prints the table."""
    print(f"{machine('ai-edge-litert')}; {arguments.image_size} px here\n")
    print("| machine | interval holds the truth | interval | off the truth, median |\n|---|---|---|---|")
    for what, disorder in DISORDERS.items():
        for launches in (1, RELIABLE_LAUNCHES):
            found = simulated(disorder, repeats=arguments.simulated, launches=launches)
            print(row(f"simulated, {what}, launches: {launches}", found, 1.2), flush=True)
    with tempfile.TemporaryDirectory() as folder, HostDevice() as host:
        a1, v2, copy = (
            write_tflite(
                network, draw_weights(network.lowered(), np.random.default_rng(0)), Path(folder) / name
            )
            for network, name in (
                (MNASNET_A1.fitted(arguments.image_size), "a1.tflite"),
                (MOBILENET_V2.fitted(arguments.image_size), "v2.tflite"),
                (MOBILENET_V2.fitted(arguments.image_size), "copy.tflite"),
            )
        )
        for what, candidate in (("here, a network and its copy", copy), ("here, A1 and MobileNetV2", a1)):
            here: list[Latency] = []
            for number in range(arguments.here):
                if number % AGREE_EVERY == 0:
                    unit = measure_latency(host, v2, reference=v2, unit=None, launches=RELIABLE_LAUNCHES)
                here.append(measure_latency(host, candidate, reference=v2, unit=unit))
            truth = 1.0 if candidate is copy else statistics.median(one.ratio for one in here)
            print(row(what, here, truth), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
