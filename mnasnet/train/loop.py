"""How a network learns: one recipe, one loop, and its accuracy with BN statistics made anew."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mnasnet.arch.architecture import Architecture
from mnasnet.base.errors import RunError
from mnasnet.base.progress import StepProgress
from mnasnet.measures.accuracy import ACCURACY
from mnasnet.measures.quality import Quality, QualityMeasure, judge_score
from mnasnet.measures.score import Score
from mnasnet.nn.network import Network
from mnasnet.train.augment import batches, evaluation, training
from mnasnet.train.data import ImageData, Images
from mnasnet.train.memory import keep_freed_memory
from mnasnet.train.rmsprop import RMSpropTF, learning_rate_at

BN_IMAGES = 1024
"""Training images, at most, over which BN statistics are made anew before an evaluation."""


class DivergedError(RunError):
    """The loss became infinite or no number; the message says at which step."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained, on the proxy task and as a finalist."""

    epochs: int = 5
    """Passes over the training images (section 5's proxy task)."""
    batch_size: int = 32
    learning_rate: float = 0.002
    """Peak rate of `RMSpropTF`. The best of 0.001, 0.002, 0.004, 0.008 and 0.016 by held-out accuracy after five
    epochs on the digits (`benchmarks/evidence.jsonl`, learning-rate-digits); on CIFAR-10 as good as 0.001
    (`benchmarks/evidence.jsonl`, learning-rate-cifar10)."""
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
    ema: float | None = None
    """Decay of the moving average of the weights, which is then what is evaluated; 0.9999 in the official code.
    None for the weights themselves: a proxy task is too short to gain by it."""


class Learner:
    """A network while it learns: all that goes on from one step to the next."""

    def __init__(self, network: Network, recipe: Recipe, *, seed: int) -> None:
        self.network = network
        self.optimizer = RMSpropTF(_groups(network, recipe.weight_decay), learning_rate=recipe.learning_rate)
        self.average = (
            None if recipe.ema is None else AveragedModel(network, multi_avg_fn=_towards(recipe.ema))
        )
        self.generator = torch.Generator().manual_seed(seed)
        """Of what the images go through; the network draws from torch's own."""
        self.epochs = 0
        """Finished."""
        self.loss = math.nan
        """Mean over the steps of the last epoch."""

    def state(self) -> dict[str, Any]:
        """All of it, for `torch.save`: on the same machine, whoever is given it goes on as if nothing had been."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
            "epochs": self.epochs,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["cuda"])
        self.epochs = state["epochs"]

    def evaluable(self, data: ImageData, images: Images, *, batch_size: int) -> Network:
        """A copy to be evaluated, of the average where there is one, its BN statistics made anew over `images`."""
        network = copy.deepcopy(self.network if self.average is None else self.average.module)
        assert isinstance(network, Network)
        estimate_bn(network, data, images, batch_size=batch_size)
        return network


def train(
    start: Architecture | Network,
    data: ImageData,
    images: Images,
    recipe: Recipe,
    *,
    seed: int,
    progress: StepProgress | None = None,
    resumed: Mapping[str, Any] | None = None,
    after_epoch: Callable[[Learner], None] | None = None,
) -> Network:
    """The network after training on `images` of `data`, ready to be evaluated: BN statistics made anew.

    The same seed on the same machine gives the same network, bit for bit on a CPU.

    Args:
        start: what to train from the official initialisation, or a network to go on from, which is trained itself.
        data: where the images are from.
        images: those to learn from.
        recipe: how.
        seed: of the initialisation, the order of the images, their augmentation and dropout.
        progress: told of every step.
        resumed: a `Learner.state` of the same training, which is gone on with.
        after_epoch: called with the learner when an epoch has ended; it may take its time and its state.

    Raises:
        ValueError: the network is not for images or classes like these.
        DivergedError: the loss stopped being a number.
    """
    architecture = start.architecture if isinstance(start, Network) else start
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
        network = start if isinstance(start, Network) else Network(start, dropout=recipe.dropout)
        network.train()
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's
        learner = Learner(network, recipe, seed=seed)
        if resumed is not None:
            learner.restore(resumed)
        augmentation = training(data, flip=recipe.flip)
        step = learner.epochs * (steps // recipe.epochs)
        while learner.epochs < recipe.epochs:
            losses = []
            for pixels, labels in batches(
                images,
                batch_size=recipe.batch_size,
                augmentation=augmentation,
                generator=learner.generator,
                drop_last=True,
            ):
                rate = learning_rate_at(step, steps=steps, peak=recipe.learning_rate, warmup=recipe.warmup)
                for group in learner.optimizer.param_groups:
                    group["lr"] = rate
                logits = network(pixels.to(device))
                loss = F.cross_entropy(logits, labels.to(device), label_smoothing=recipe.label_smoothing)
                learner.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                learner.optimizer.step()
                step += 1
                losses.append(loss.item())
                if not math.isfinite(losses[-1]):
                    raise DivergedError(
                        f"training diverged: the loss was {losses[-1]} at step {step} of {steps}"
                    )
                if learner.average is not None:
                    learner.average.update_parameters(network)
                if progress is not None:
                    progress(step, steps)
            learner.epochs += 1
            learner.loss = math.fsum(losses) / len(losses)
            if after_epoch is not None:
                after_epoch(learner)
    return learner.evaluable(data, images, batch_size=recipe.batch_size)


def _towards(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """The official code's average: its decay rises with the steps, so that the start is soon forgotten."""

    @torch.no_grad()
    def update(averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        # tf.train.ExponentialMovingAverage with `num_updates`.
        held = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(list(averages), list(current), 1 - held)

    return update


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


def count_correct(network: Network, data: ImageData, images: Images, *, batch_size: int = 256) -> int:
    """How many of `images` the network, as it stands in evaluation mode, puts into their class."""
    return score(network, data, images, batch_size=batch_size).top1[0]


@torch.no_grad()
def score(network: Network, data: ImageData, images: Images, *, batch_size: int = 256) -> Score:
    """How the network, as it stands in evaluation mode, does on `images`, class by class."""
    device = next(network.parameters()).device
    everything = batches(
        images, batch_size=batch_size, augmentation=evaluation(data), generator=None, drop_last=False
    )
    judged = ((network(pixels.to(device)).cpu(), labels) for pixels, labels in everything)
    return score_of(judged, classes=len(data.classes))


def score_of(judged: Iterable[tuple[Tensor, Tensor]], *, classes: int) -> Score:
    """The score of logits, `[batch, at least classes]`, with the labels of the images, `[batch]`.

    Raises:
        DivergedError: a logit is infinite or no number, and which is largest would be chance.
    """
    correct, in_top5, images = torch.zeros(3, classes, dtype=torch.int64)
    for logits, labels in judged:
        if not logits.isfinite().all():
            raise DivergedError("training diverged: the network puts out numbers that are none")
        # Of equal logits, which int8 has, the first: as an app takes it, and `topk` does not.
        highest = logits.sort(dim=1, descending=True, stable=True).indices[:, :5]
        right = highest == labels[:, None]  # [batch, 5]
        correct += torch.bincount(labels[right[:, 0]], minlength=classes)
        in_top5 += torch.bincount(labels[right.any(1)], minlength=classes)
        images += torch.bincount(labels, minlength=classes)
    return Score(
        correct=tuple(correct.tolist()), in_top5=tuple(in_top5.tolist()), images=tuple(images.tolist())
    )


@dataclass(frozen=True, kw_only=True)
class ProxyTraining:
    """The quality of a candidate: a short training on the training images, judged on the held-out ones.

    The test images are not touched: `data.test` is decoded only when it is first asked for, and nothing here
    asks.
    """

    data: ImageData
    recipe: Recipe
    seed: int
    quality: QualityMeasure = ACCURACY
    progress: StepProgress | None = None

    def __call__(self, architecture: Architecture) -> Quality:
        """Train and judge one architecture.

        Raises:
            DivergedError: the loss stopped being a number.
        """
        begun = time.monotonic()
        train_images, held_out = self.data.train, self.data.held_out
        network = train(
            architecture, self.data, train_images, self.recipe, seed=self.seed, progress=self.progress
        )
        return judge_score(
            self.quality,
            score(network, self.data, held_out),
            on="held-out",
            epochs=self.recipe.epochs,
            seed=self.seed,
            train_images=len(train_images),
            seconds=time.monotonic() - begun,
        )


def _groups(network: Network, weight_decay: float) -> list[dict[str, object]]:
    """All but BN decays, SE and classifier biases too, as in the official code."""
    bn = {id(p) for m in network.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    decayed = [p for p in network.parameters() if id(p) not in bn]
    kept = [p for p in network.parameters() if id(p) in bn]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
