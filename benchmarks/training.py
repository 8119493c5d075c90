"""Training speed of MnasNet-B1, ours against torchvision's `mnasnet1_0`, which is the same network.

    python benchmarks/training.py

Three to eight minutes. One process takes one training step of each network in turn, in random order, with the
same optimizer and the same images: random ones, since what is learned does not matter here. Torch has one
thread, and its CPU time is taken, which waits for nobody. Ratios are taken within a round, so that they do
not change where the processor slows down for longer than that. A copy of torchvision's network shows how
large the noise is.

Wanted: with symmetric padding and the same memory layout at least torchvision's speed.
"""

import dataclasses
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from figures import machine, table
from torch import nn

from mnasnet.arch.networks import MNASNET_B1
from mnasnet.nn.network import Network
from mnasnet.train.rmsprop import RMSpropTF

SETTINGS = ((64, 64), (16, 224))
"""Batch and image size in pixels."""
OURS, SAME, THEIRS, COPY, DEFAULT = (
    "ours, symmetric padding",
    "ours, SAME padding",
    "torchvision",
    "torchvision once more",
    "torchvision, its default layout",
)
WARMUP_ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    rounds: int = 20
    """Training steps of each network that count, after two that do not."""


def torchvision_mnasnet() -> nn.Module:
    """`mnasnet1_0` with fresh weights."""
    if find_spec("torchvision") is None:
        raise SystemExit(
            "torchvision is not installed; for torch 2.13: pip install --no-deps 'torchvision==0.28.*'"
        )
    try:
        models = import_module("torchvision.models")
    except RuntimeError:
        # Its wheel's compiled operators do not load beside a torch built otherwise (for the CPU only, say). It
        # needs them to be declared at least; this network uses neither.
        declare: Any = torch.library.Library
        library = declare("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        models = import_module("torchvision.models")
    network: nn.Module = models.mnasnet1_0()
    return network


def training_step(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, layout: torch.memory_format
) -> Callable[[], float]:
    """A function that takes one step of training and returns the seconds of CPU time that it took."""
    move: Any = network.train().to  # torch's hints do not have `memory_format`
    move(memory_format=layout)
    images = images.contiguous(memory_format=layout)
    optimizer = RMSpropTF([{"params": list(network.parameters())}], learning_rate=1e-4)

    def step() -> float:
        begun = time.process_time()
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        seconds = time.process_time() - begun
        if not loss.isfinite():
            raise RuntimeError(f"the loss is {loss.item()}, and such numbers take another time")
        return seconds

    return step


def measured(batch: int, image_size: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each step of each network, round by round."""
    torch.manual_seed(0)
    images, labels = torch.randn(batch, 3, image_size, image_size), torch.randint(1_000, (batch,))
    ours = dataclasses.replace(MNASNET_B1, image_size=image_size)
    steps = {
        name: training_step(network, images, labels, layout)
        for name, network, layout in (
            (OURS, Network(dataclasses.replace(ours, padding="symmetric")), torch.channels_last),
            (SAME, Network(ours), torch.channels_last),
            (THEIRS, torchvision_mnasnet(), torch.channels_last),
            (COPY, torchvision_mnasnet(), torch.channels_last),
            (DEFAULT, torchvision_mnasnet(), torch.contiguous_format),
        )
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    shuffler = random.Random(0)
    for turn in range(WARMUP_ROUNDS + rounds):
        for name in shuffler.sample(list(steps), len(steps)):
            took = steps[name]()
            if turn >= WARMUP_ROUNDS:
                seconds[name].append(took)
    return seconds


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def main(arguments: Arguments) -> None:
    """Train at both sizes and print two tables each."""
    torchvision_mnasnet()  # says what is missing before anything else
    torch.set_num_threads(1)
    print(f"{machine('torch', 'torchvision')}, 1 thread, {arguments.rounds} rounds")
    for batch, image_size in SETTINGS:
        seconds = measured(batch, image_size, arguments.rounds)
        rates = {name: [batch / s for s in taken] for name, taken in seconds.items()}
        print(f"\nbatch {batch} at {image_size} px\n\n{table('images/s', rates, decimals=1)}\n")
        compared = {
            "ours over torchvision, same padding and layout": ratios(seconds[THEIRS], seconds[OURS]),
            "torchvision over itself, which is the noise": ratios(seconds[THEIRS], seconds[COPY]),
            "ours over torchvision's default": ratios(seconds[DEFAULT], seconds[OURS]),
            "time with SAME padding over symmetric": ratios(seconds[SAME], seconds[OURS]),
        }
        print(table("ratio", compared, decimals=3), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
