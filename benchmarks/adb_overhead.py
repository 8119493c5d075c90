"""What adb costs a candidate of a search, on a phone that this machine plays.

    python benchmarks/adb_overhead.py

Half a minute. The adb client and server are real; the daemon on loopback is ours. Each measurement is what a
search does for one candidate: it sends the file of MnasNet-A1, and times it against MobileNetV2. The time
that the runs of the networks took is subtracted. What is left is adb, the file, the shells, and the start of
the tool, which is a small script here. A cable adds the time that a file of A1's size, 15 MB, takes on it.

Wanted: at most 1 s a candidate beyond the runs.
"""

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from figures import machine, table

from mnasnet.arch.networks import MNASNET_A1, MOBILENET_V2
from mnasnet.arch.records import Artifact
from mnasnet.devices.android import AndroidDevice
from mnasnet.export.tflite import write_tflite
from mnasnet.fakes.loopback_adbd import LoopbackPhone, private_adb_server
from mnasnet.graph.weights import draw_weights

SETTINGS = ((32, 0.5), (224, 1.0))
"""Image size in pixels and width: the default search's, and the paper's."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    repeats: int = 7
    """Measurements a row, at least 2."""


def artifacts(folder: Path, *, image_size: int, width: float) -> tuple[Artifact, Artifact]:
    """MnasNet-A1 and MobileNetV2 as files."""
    a1, v2 = (
        write_tflite(
            network, draw_weights(network.lowered(), np.random.default_rng(0)), folder / f"{number}.tflite"
        )
        for number, network in enumerate(
            dataclasses.replace(network, classes=10).scaled(width).fitted(image_size)
            for network in (MNASNET_A1, MOBILENET_V2)
        )
    )
    return a1, v2


def main(arguments: Arguments) -> None:
    """Measures both sizes and prints the table."""
    print(f"{machine('adbutils', 'ai-edge-litert')}\n")
    rows: dict[str, list[float]] = {}
    with private_adb_server(), LoopbackPhone() as phone, tempfile.TemporaryDirectory() as folder:
        for image_size, width in SETTINGS:
            a1, v2 = artifacts(Path(folder), image_size=image_size, width=width)
            size = f"{image_size} px, width {width:g}"
            beyond = rows[f"{size}: beyond the runs"] = []
            whole = rows[f"{size}: the whole measurement"] = []
            with AndroidDevice(phone.address, phone.benchmark_model) as device:
                device.read_card()
                for _ in range(arguments.repeats):
                    begun, ran_s = time.perf_counter(), phone.run_s
                    device.time_file(a1, reference=v2)
                    whole.append(time.perf_counter() - begun)
                    beyond.append(whole[-1] - (phone.run_s - ran_s))
    print(table("s", rows, decimals=2))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
