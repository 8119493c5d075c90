"""What a training step gains where the process keeps the memory that it frees.

    python benchmarks/memory.py

A minute. Each value is a process of its own, since how a heap has grown cannot be undone: one network,
trained alone as in a search, with and without in turn. It takes wall time and all of torch's threads, since
that is what a search waits for.
"""

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
import tyro
from figures import machine, table

from mnasnet.arch.networks import MNASNET_B1
from mnasnet.nn.network import Network
from mnasnet.train.memory import keep_freed_memory

SETTINGS = ((64, 64), (16, 224))
"""Batch and image size in pixels."""
WARMUP, STEPS = 3, 6


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    rounds: int = 3
    """Processes with and without."""
    one: Literal["kept", "given back"] | None = None
    """Measure in this process alone; what the rounds call."""


def measure(how: str) -> None:
    """Print milliseconds and page faults of a step, for each of the settings."""
    if how == "kept" and not keep_freed_memory():
        raise SystemExit("this C library cannot be told to keep memory")
    for batch, size in SETTINGS:
        network = Network(MNASNET_B1.fitted(size)).train()
        move: Any = network.to  # torch's hints do not have `memory_format`
        move(memory_format=torch.channels_last)
        images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(1_000, (batch,))
        for step in range(WARMUP + STEPS):
            if step == WARMUP:
                begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.autograd.backward(F.cross_entropy(network(images), labels))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        print(1e3 * (time.perf_counter() - begun) / STEPS, faults / STEPS)


def main(arguments: Arguments) -> None:
    """Measure in turn and print a table for each of the settings."""
    if arguments.one is not None:
        measure(arguments.one)
        return
    print(f"{machine('torch')}, {torch.get_num_threads()} threads")
    ways = ("kept", "given back")
    printed: dict[str, list[list[str]]] = {way: [] for way in ways}
    for _ in range(arguments.rounds):
        for way in ways:
            called = [sys.executable, __file__, "--one", way]
            output = subprocess.run(called, check=True, capture_output=True, text=True).stdout
            printed[way].append(output.splitlines())
    for at, (batch, size) in enumerate(SETTINGS):
        rows = {way: [[float(word) for word in lines[at].split()] for lines in printed[way]] for way in ways}
        print(f"\nbatch {batch} at {size} px\n")
        print(table("ms a step", {way: [ms for ms, _ in found] for way, found in rows.items()}, decimals=0))
        print(
            f"\n{table('page faults', {w: [n for _, n in found] for w, found in rows.items()}, decimals=0)}"
        )
        kept, given_back = rows["kept"], rows["given back"]
        ratios = [a / b for (a, _), (b, _) in zip(kept, given_back, strict=True)]
        print(f"\n{table('ratio', {'time kept over given back': ratios}, decimals=2)}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
