"""The direct `.tflite` writer against the general converter litert-torch: time to convert, latency of the files.

    python benchmarks/converter.py

Four minutes. The first time it takes ten more, in which it makes an environment for litert-torch (1.3 GB
beside torch; its pins do not go with ours). Both begin with a network in torch and end with a file on the
disk: ours folds batch normalisation and writes; the converter traces the module, which it turns to channels
last. They take turns. The files are then timed alternately in one process, as a search times a candidate
against its reference.

Wanted: at least 20 times less time to convert, and files that take at most 1.02 times as long.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from figures import machine, table

from mnasnet.arch.records import Artifact
from mnasnet.devices.host import HostDevice
from mnasnet.devices.model_file import open_model_file
from mnasnet.export.tflite import write_tflite
from mnasnet.meters.latency import measure_latency
from mnasnet.nn.named import create_network
from mnasnet.nn.network import fold

NETWORKS = ("mnasnet-a1", "mnasnet-b1", "mobilenet-v2")

ROOT = Path(__file__).parent.parent

CONVERT = """
import json, sys, time
import litert_torch, torch
from mnasnet.arch.zoo import ZOO
from mnasnet.nn.network import Network
for line in sys.stdin:
    name, path, state = json.loads(line)
    network = Network(ZOO[name].architecture).eval()
    network.load_state_dict(torch.load(state, weights_only=True))
    size = ZOO[name].architecture.image_size
    begun = time.perf_counter()
    channels_last = litert_torch.to_channel_last_io(network, args=[0])
    litert_torch.convert(channels_last, (torch.zeros(1, size, size, 3),)).export(path)
    print("seconds", time.perf_counter() - begun, flush=True)
"""
"""Runs in the environment of litert-torch, which has torch and numpy, and needs no more for our modules."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    environment: Path = ROOT / ".venv-litert-torch"
    """Where litert-torch is, or is put."""
    runs: int = 3
    """Conversions of each network by each, after one that is not counted."""
    launches: int = 20
    """Fresh processes that a comparison of two files is spread over; with 5 its interval is wide
    (`benchmarks/evidence.jsonl`, converter-launches)."""


def main(arguments: Arguments) -> None:
    """Convert, compare, time, and print the tables."""
    python = _environment(arguments.environment)
    print(machine("ai-edge-litert", "torch"))
    taken: dict[str, list[float]] = {}
    ratios: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name, HostDevice() as host, _converter(python) as converter:
        folder = Path(name)
        for network_name in NETWORKS:
            torch.manual_seed(0)
            network = create_network(network_name).eval()
            architecture = network.architecture
            torch.save(network.state_dict(), folder / "state.pt")
            ours, theirs = folder / "ours.tflite", folder / "theirs.tflite"
            for run in range(1 + arguments.runs):
                begun = time.perf_counter()
                written = write_tflite(architecture, fold(network), ours)
                direct = time.perf_counter() - begun
                general = _convert(converter, network_name, theirs, folder / "state.pt")
                if run:
                    taken.setdefault(f"{network_name}, direct", []).append(direct)
                    taken.setdefault(f"{network_name}, litert-torch", []).append(general)
                    taken.setdefault(f"{network_name}, ratio", []).append(general / direct)
            images = np.random.default_rng(0).standard_normal((1, 224, 224, 3), dtype=np.float32)
            one, other = (open_model_file(path).logits(images) for path in (ours, theirs))
            assert np.abs(one - other).max() <= 1e-4 * np.abs(other).max(), (
                "the files compute different things"
            )
            reference = Artifact(path=theirs, format="tflite", digest="", size_bytes=theirs.stat().st_size)
            latency = measure_latency(
                host, written, reference=reference, unit=None, launches=arguments.launches
            )
            low, high = latency.low_ms / latency.reference_ms, latency.high_ms / latency.reference_ms
            ratios[network_name] = (
                f"| {network_name} | {latency.ratio:.3f} | {low:.3f} to {high:.3f} | {latency.reference_ms:.2f} "
                f"| {written.size_bytes:,} | {reference.size_bytes:,} |"
            )
    print("\n" + table("s", taken, decimals=2))
    print(
        "\n| ours over litert-torch's | latency | 95 % interval | litert-torch's, ms | bytes | litert-torch's |"
    )
    print("|---|---|---|---|---|---|")
    for row in ratios.values():
        print(row)


def _environment(folder: Path) -> Path:
    """The Python of an environment with litert-torch, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder} for litert-torch", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        wanted = [f"torch=={torch.__version__.partition('+')[0]}", "litert-torch==0.10.0"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def _converter(python: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(python), "-c", CONVERT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


def _convert(converter: "subprocess.Popen[str]", name: str, path: Path, state: Path) -> float:
    """Seconds that one conversion took."""
    assert converter.stdin is not None
    assert converter.stdout is not None
    converter.stdin.write(json.dumps([name, str(path), str(state)]) + "\n")
    converter.stdin.flush()
    for line in converter.stdout:
        if line.startswith("seconds "):
            return float(line.split()[1])
    raise RuntimeError(f"litert-torch ended with status {converter.wait()}")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
