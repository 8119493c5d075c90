"""Precisions and runtimes: int8 against fp32 on LiteRT, and fp32 on LiteRT, ONNX Runtime and ExecuTorch.

    python benchmarks/runtimes.py

Five minutes; the extras onnx and executorch must be installed. All at 224 px, batch 1, one thread. int8 and
fp32 are timed as a search times a candidate against its reference. The runtimes take turns in one process,
block by block, each block as long for each. What counts is the ratio to LiteRT within a block, in CPU time of
the process. What it takes to lay an image out for a runtime is in its time.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import tyro
from figures import machine, table
from numpy.typing import NDArray

from mnasnet.arch.records import Artifact, Format
from mnasnet.deploy.export import SUFFIXES, export
from mnasnet.deploy.images import photographs
from mnasnet.devices.host import HostDevice
from mnasnet.devices.model_file import open_model_file
from mnasnet.meters.latency import measure_latency
from mnasnet.nn.model import UNTRAINED, open_model

NETWORKS = ("mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenet-v2")

WARM_UPS = 2
"""Blocks that are not counted."""

FORMATS: dict[Format, str] = {"tflite": "LiteRT", "onnx": "ONNX Runtime", "executorch": "ExecuTorch"}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    launches: int = 5
    """Fresh processes that int8 against fp32 is spread over."""
    blocks: int = 15
    """Of each runtime."""
    block_ms: float = 50.0
    """Least CPU time of a block."""


def main(arguments: Arguments) -> None:
    """Write the files, time them, and print the tables."""
    print(machine("ai-edge-litert", "onnxruntime", "executorch", "torch"))
    precisions: list[str] = []
    runtimes: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, HostDevice() as host:
        for name in NETWORKS:
            model = open_model(name, weights=UNTRAINED)
            images = photographs(model)
            some = images[:2]
            path = Path(folder) / f"{name}.tflite"
            files = {
                label: export(
                    model, path.with_suffix(SUFFIXES[format]), format=format, calibration=some, images=some
                ).artifact
                for format, label in FORMATS.items()
            }
            int8 = export(
                model, Path(folder) / f"{name}-int8.tflite", precision="int8", calibration=images, images=some
            ).artifact
            fp32 = files["LiteRT"]
            latency = measure_latency(host, int8, reference=fp32, unit=None, launches=arguments.launches)
            low, high = (end / latency.reference_ms for end in (latency.low_ms, latency.high_ms))
            precisions.append(
                f"| {name} | {latency.ratio:.3f} | {low:.3f} to {high:.3f} | {latency.reference_ms:.2f} "
                f"| {fp32.size_bytes:,} | {int8.size_bytes:,} |"
            )
            runtimes |= {
                f"{name}, {label}": ratios
                for label, ratios in _in_turns(files, images[:1], arguments).items()
            }
    print("\n| int8 over fp32, LiteRT | latency | 95 % interval | fp32, ms | fp32, bytes | int8, bytes |")
    print("|---|---|---|---|---|---|")
    print("\n".join(precisions))
    print("\n" + table("times LiteRT", runtimes, decimals=3))


def _in_turns(
    files: dict[str, Artifact], image: NDArray[np.float32], arguments: Arguments
) -> dict[str, list[float]]:
    """How many times as long as LiteRT each runtime takes, block by block."""
    opened = {label: open_model_file(artifact.path) for label, artifact in files.items()}
    blocks = []
    for number in range(WARM_UPS + arguments.blocks):
        # Every other time the other way round, lest what ran before favours the same one always.
        turn = list(opened.items())[:: 1 if number % 2 else -1]
        blocks.append(
            {label: _block_ms(partial(file.logits, image), arguments.block_ms) for label, file in turn}
        )
    del blocks[:WARM_UPS]
    return {
        label: [block[label] / block["LiteRT"] for block in blocks] for label in files if label != "LiteRT"
    }


def _block_ms(run: Callable[[], object], least_ms: float) -> float:
    """Median CPU time of the runs that fill a block, after one that is not counted."""
    run()
    times: list[float] = []
    while sum(times) < least_ms:
        begun = time.process_time()
        run()
        times.append(1000 * (time.process_time() - begun))
    return median(times)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
