"""How a network learns: one recipe, one loop, and its accuracy with BN statistics made anew."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice

import torch
import torch.nn.functional as F
from torch import nn

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Accuracy
from mnasnet.nn.network import Network
from mnasnet.train.augment import batches, evaluation, training
from mnasnet.train.data import ImageData, Images
from mnasnet.train.memory import keep_freed_memory
from mnasnet.train.rmsprop import RMSpropTF, learning_rate_at

BN_IMAGES = 1024
"""Training images, at most, over which BN statistics are made anew before an evaluation."""

Progress = Callable[[int, int], None]
"""Told how many of the steps are done, and how many there are."""


class DivergedError(Exception):
    """The loss became infinite or no number; the message says at which step."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained, on the proxy task and as a finalist."""

    epochs: int = 5
    """Passes over the training images (section 5's proxy task)."""
    batch_size: int = 32
    learning_rate: float = 0.002
    """Peak rate of `RMSpropTF`. The best of 0.001, 0.002, 0.004, 0.008 and 0.016 by held-out accuracy after five
    epochs, on the digits (means over six networks: 77.9, 87.1, 81.5, 54.9 and 27.4 %); on 3,000 images of CIFAR-10
    28.9, 28.8 and 25.1 % with the first three (four networks)."""
    warmup: float = 0.1
    """Fraction of the steps over which the rate rises."""
    weight_decay: float = 1e-5
    """Of every weight but those of BN (section 5)."""
    label_smoothing: float = 0.1
    """As in the official code."""
    dropout: float = 0.2
    """Before the classifier (section 5)."""
    flip: bool = False
    """Whether a mirrored image is still of its class."""


def train(
    architecture: Architecture,
    data: ImageData,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Network:
    """The network after training on `images` of `data`, ready to be evaluated: BN statistics made anew.

    The same seed on the same machine gives the same network, bit for bit on a CPU.

    Raises:
        ValueError: the architecture is not for images or classes like these.
        DivergedError: the loss stopped being a number.
    """
    if (architecture.in_channels, architecture.classes) != (data.channels, len(data.classes)):
        raise ValueError(
            f"the network is for {architecture.in_channels} channels and {architecture.classes} classes, "
            f"{data.name} has {data.channels} and {len(data.classes)}: replace its in_channels and classes"
        )
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = recipe.epochs * max(1, len(images) // recipe.batch_size)
    with (
        # Whoever calls keeps their own random state.
        torch.random.fork_rng(devices=range(torch.cuda.device_count()), device_type="cuda"),
        # Or two runs on one GPU would differ.
        torch.backends.cudnn.flags(enabled=True, deterministic=True),
    ):
        torch.manual_seed(seed)
        network = Network(architecture, dropout=recipe.dropout).train()
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's
        optimizer = RMSpropTF(_groups(network, recipe.weight_decay), learning_rate=recipe.learning_rate)
        generator = torch.Generator().manual_seed(seed)
        augmentation = training(data, flip=recipe.flip)
        epochs = (
            batches(
                images,
                batch_size=recipe.batch_size,
                augmentation=augmentation,
                generator=generator,
                drop_last=True,
            )
            for _ in range(recipe.epochs)
        )
        for step, (pixels, labels) in enumerate(chain.from_iterable(epochs)):
            rate = learning_rate_at(step, steps=steps, peak=recipe.learning_rate, warmup=recipe.warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            logits = network(pixels.to(device))
            loss = F.cross_entropy(logits, labels.to(device), label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if not math.isfinite(loss.item()):
                raise DivergedError(
                    f"training diverged: the loss was {loss.item()} at step {step + 1} of {steps}"
                )
            if progress is not None:
                progress(step + 1, steps)
    estimate_bn(network, data, images, batch_size=recipe.batch_size)
    return network


@torch.no_grad()
def estimate_bn(network: Network, data: ImageData, images: Images, *, batch_size: int) -> None:
    """Make the BN statistics anew as the plain mean over up to `BN_IMAGES` of `images`, as evaluation sees them.

    With a momentum of 0.01 the moving statistics lag hundreds of steps behind the weights: after a short
    training they are noise, and the accuracy with them is too. The network is left in evaluation mode.
    """
    device = next(network.parameters()).device
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in normalisations]
    # Without dropout, which would shift what only the classifier sees; the mean over batches, each alike.
    network.eval()
    for module in normalisations:
        module.reset_running_stats()
        module.momentum = None
        module.train()
    # In random order, since a set may be sorted by class; always the same one.
    everything = batches(
        images,
        batch_size=batch_size,
        augmentation=evaluation(data),
        generator=torch.Generator().manual_seed(0),
        drop_last=True,
    )
    for pixels, _ in islice(everything, max(1, BN_IMAGES // batch_size)):
        network(pixels.to(device))
    for module, momentum in zip(normalisations, momenta, strict=True):
        module.momentum = momentum
    network.eval()


@torch.no_grad()
def count_correct(network: Network, data: ImageData, images: Images, *, batch_size: int = 256) -> int:
    """How many of `images` the network, as it stands in evaluation mode, puts into their class."""
    device = next(network.parameters()).device
    correct = 0
    for pixels, labels in batches(
        images, batch_size=batch_size, augmentation=evaluation(data), generator=None, drop_last=False
    ):
        correct += int((network(pixels.to(device)).argmax(1).cpu() == labels).sum())
    return correct


@dataclass(frozen=True, kw_only=True)
class ProxyTraining:
    """The paper's accuracy of a candidate: a short training on the training images, judged on the held-out ones.

    The test images are not touched: `data.test` is decoded only when it is first asked for, and nothing here
    asks.
    """

    data: ImageData
    recipe: Recipe
    seed: int
    progress: Progress | None = None

    def __call__(self, architecture: Architecture) -> Accuracy:
        """Train and judge one architecture.

        Raises:
            DivergedError: the loss stopped being a number.
        """
        begun = time.monotonic()
        train_images, held_out = self.data.train, self.data.held_out
        network = train(
            architecture, self.data, train_images, self.recipe, seed=self.seed, progress=self.progress
        )
        return Accuracy(
            correct=count_correct(network, self.data, held_out),
            images=len(held_out),
            epochs=self.recipe.epochs,
            seed=self.seed,
            on="held-out",
            train_images=len(train_images),
            seconds=round(time.monotonic() - begun, 3),
        )


def _groups(network: Network, weight_decay: float) -> list[dict[str, object]]:
    """All but BN decays, SE and classifier biases too, as in the official code."""
    bn = {id(p) for m in network.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    decayed = [p for p in network.parameters() if id(p) not in bn]
    kept = [p for p in network.parameters() if id(p) in bn]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
