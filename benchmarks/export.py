"""From an architecture to its latency: MnasNet-A1 at 224 px written as `.tflite`, then timed on this machine.

    python benchmarks/export.py

Half a minute. The latency is timed as a search does it: alternately with MobileNetV2 of the same size, in a
process of its own that stays. The first latency starts that process.

Wanted: at most 0.3 s for weights and file together, and the latency known at most 2 s later.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from figures import machine, table

from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.zoo import ZOO
from mnasnet.devices.host import HostDevice
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights
from mnasnet.meters.latency import measure_latency


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    network: str = "mnasnet-a1"
    """A name of the zoo, taken at 224 px."""
    runs: int = 20
    """Files written, and latencies known of a process that is there, after one that is not counted."""
    first_runs: int = 5
    """Latencies that start the process, at least 2."""


def main(arguments: Arguments) -> None:
    """Write the network and time it again and again, and print the table."""
    architecture = ZOO[arguments.network].architecture
    drawing, writing, knowing, starting = (list[float]() for _ in range(4))
    print(machine("ai-edge-litert", "flatbuffers", "numpy"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference = write_tflite(
            MOBILENET_V2,
            draw_weights(MOBILENET_V2.lowered(), np.random.default_rng(0)),
            folder / "reference.tflite",
        )
        with HostDevice() as host:
            for run in range(1 + arguments.runs):
                begun = time.perf_counter()
                weights = draw_weights(architecture.lowered(), np.random.default_rng(run))
                drawn = time.perf_counter()
                artifact = write_tflite(architecture, weights, folder / "network.tflite")
                written = time.perf_counter()
                latency = measure_latency(host, artifact, reference=reference, unit=None)
                known = time.perf_counter()
                if run:
                    drawing.append(drawn - begun)
                    writing.append(written - drawn)
                    knowing.append(known - written)
        for _ in range(arguments.first_runs):
            with HostDevice() as host:
                begun = time.perf_counter()
                measure_latency(host, artifact, reference=reference, unit=None)
                starting.append(time.perf_counter() - begun)

    print(
        f"{arguments.network} at {architecture.image_size} px, {artifact.size_bytes / 2**20:.1f} MiB, "
        f"{latency.median_ms:.1f} ms a run\n"
    )
    rows = {
        "random weights": drawing,
        "weights to file": writing,
        "both": [a + b for a, b in zip(drawing, writing, strict=True)],
        "latency known": knowing,
        "latency known, the first one": starting,
    }
    print(table("s", rows, decimals=2))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
