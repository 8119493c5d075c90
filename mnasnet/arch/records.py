"""The small records that travel between the parts: an accuracy, a model file, a latency."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mnasnet.arch.architecture import Architecture

Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 accuracy on a set of images, with its interval and its conditions."""

    correct: int
    images: int
    epochs: int
    """Epochs of training behind it."""
    seed: int
    on: str
    """Which images: `held-out` or `test`."""
    train_images: int
    seconds: float
    """Wall time of the training."""

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.images or self.images == 0:
            raise ValueError(f"{self.correct} of {self.images} images is not an accuracy")

    @property
    def top1(self) -> float:
        """As a fraction."""
        return self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of `top1` over the images (not over training seeds)."""
        return wilson_interval(self.correct, self.images)

    def may_be_guessed(self, classes: int) -> bool:
        """Whether it is no better than guessing among so many classes, as far as the images tell."""
        return self.interval[0] <= 1 / classes


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a network did on labelled images, class by class."""

    correct: tuple[int, ...]
    """Of each class, how many images had it on top."""
    in_top5: tuple[int, ...]
    """Of each class, how many images had it among the five highest."""
    images: tuple[int, ...]
    """Of each class, how many there were."""

    @property
    def top1(self) -> tuple[int, int]:
        """How many were right, of how many."""
        return sum(self.correct), sum(self.images)

    @property
    def top5(self) -> tuple[int, int]:
        """How many were right when five guesses count, of how many."""
        return sum(self.in_top5), sum(self.images)


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927), as fractions."""
    p, z2 = correct / images, Z_95**2
    middle = (p + z2 / (2 * images)) / (1 + z2 / images)
    half = Z_95 / (1 + z2 / images) * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a network has learned to tell apart, and what its images look like."""

    classes: tuple[str, ...]
    """In the order of the logits."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """The network takes (pixel / 255 − mean) / std, channel by channel."""

    def with_channels(self, channels: int) -> "Learned":
        """The same for images of so many channels: one mean and deviation for all where there were others."""
        if len(self.mean) == channels:
            return self
        mean, std = ((sum(values) / len(values),) * channels for values in (self.mean, self.std))
        return dataclasses.replace(self, mean=mean, std=std)


Format = Literal["tflite", "onnx", "executorch"]
"""Of a model file."""

Precision = Literal["fp32", "fp16", "int8"]
"""Of the numbers in a model file."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model file that a device can run."""

    path: Path
    format: Format
    digest: str
    """Of the architecture in it, or of the bytes of a file that is not ours."""
    size_bytes: int
    architecture: Architecture | None = None
    """What is in it, where it was written here; a calibrated table knows networks by it."""
    precision: Precision = "fp32"
    """Of its numbers; nothing is known of a file that is not ours."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Repeated timings of one network on one device, in milliseconds, and how they were taken.

    On a shared machine raw times move by tens of per cent within minutes, while the ratio to a reference
    network timed alternately with the candidate stays within a few. So `median_ms` is `ratio`, of the
    undisturbed blocks, times `reference_ms`, the reference's time that the study fixed at its start: its
    milliseconds are those of that moment, and its interval is that of the ratio.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    """`low_ms` to `high_ms` is a 95 % interval of `median_ms`."""
    ratio: float
    """Candidate over reference: medians over a block's runs and a loading's blocks, their geometric mean over the
    loadings."""
    reference_ms: float
    """What the study takes one run of the reference network to last."""
    raw_ms: tuple[float, ...]
    """Median of the candidate's runs in each block that was kept, as timed."""
    raw_reference_ms: tuple[float, ...]
    """The reference's in the same blocks."""
    runs: int
    """Timed runs of the candidate in the blocks kept."""
    blocks_discarded: int
    """Blocks thrown away because both networks together were slow in them: something disturbed the machine."""
    launches: int
    """Fresh processes that the runs were spread over."""
    device: str
    runtime: str
    """Name, version, delegate and clock (`CPU time` of the one thread, or `wall time`)."""
    threads: int
    cores: tuple[int, ...]
    """The cores that the process was pinned to; empty where the system cannot or was not asked."""
    measured_at: str
    """UTC, ISO 8601."""
    reference_half: float | None = None
    """Half-width of the 95 % interval of the reference's own time over the launches, as a logarithm: how far the
    unit itself may be off. None where there were fewer than three."""
    launch_spread: float | None = None
    """Standard deviation between the launches' means, of the logarithm of the ratio; None where there were fewer
    than three."""
    not_delegated: tuple[str, ...] = ()
    """Operators that the delegate leaves to slower kernels."""
    statistic: str = "median"
    """What a block's time is of its runs: `median`, or `mean` where the device's tool tells no more."""
    governor: str | None = None
    frequency_mhz: float | None = None
    temperature_c: float | None = None
    """What the device said of its core and of its warmest sensor when the measurement ended; None where it says
    nothing."""
    waited_s: float = 0.0
    """How long it was left to cool before its launches."""
    predicted: bool = False
    """Whether a calibrated table said so, and nothing was run; `low_ms` to `high_ms` is then the table's own
    uncertainty."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.median_ms) and self.median_ms > 0):
            raise ValueError(f"a latency is a positive number of milliseconds, not {self.median_ms}")

    def interval_ms(self, unit: "Latency") -> tuple[float, float]:
        """95 % interval in milliseconds that holds both how far the ratio and how far the `unit` may be off.

        `unit` is the measurement that agreed on `reference_ms`.
        """
        of_ratio = math.log(self.high_ms / self.low_ms) / 2
        half = math.hypot(of_ratio, unit.reference_half or 0.0)
        return self.median_ms * math.exp(-half), self.median_ms * math.exp(half)

    @property
    def disturbed(self) -> float:
        """Share of the blocks that were thrown away; 0 where none was timed."""
        return self.blocks_discarded / max(1, self.blocks_discarded + len(self.raw_ms))

    @property
    def pinning(self) -> str:
        """Where it ran, in words."""
        if not self.cores:
            return "not pinned to a core"
        return f"{'core' if len(self.cores) == 1 else 'cores'} {', '.join(map(str, self.cores))}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return dataclasses.asdict(self)


def latency_from_json(data: Mapping[str, Any]) -> Latency:
    """The inverse of `Latency.to_json`, also after a trip through JSON, which knows no tuples."""
    data = dict(data)
    if "core" in data:  # as records had it before 0.2
        core = data.pop("core")
        data["cores"] = () if core is None else (core,)
    tuples = ("raw_ms", "raw_reference_ms", "cores", "not_delegated")
    return Latency(**{**data, **{name: tuple(data[name]) for name in tuples if name in data}})


@dataclass(frozen=True, kw_only=True)
class Core:
    """One core of a device's processor. Values are None where the device does not tell."""

    number: int
    most_mhz: float | None
    """The fastest that it is allowed to run."""
    now_mhz: float | None
    governor: str | None


@dataclass(frozen=True, kw_only=True)
class DeviceCard:
    """What a device is, and in which state it was when it was asked. Values are None where it does not tell."""

    name: str
    system: str
    """Such as `Linux 6.1.0` or `Android 14`."""
    abi: str
    """Such as `x86_64`, `aarch64` or `arm64-v8a`."""
    runtimes: tuple[str, ...]
    """Name and version of what runs files there."""
    clock: str
    """What runs are timed with: `CPU time` of the one thread, or `wall time`."""
    cores: tuple[Core, ...]
    threads: int
    pinned: tuple[int, ...]
    """The cores that measurements run on; empty where they are not pinned."""
    temperature_c: float | None
    """Of the warmest sensor."""

    @property
    def clusters(self) -> list[list[Core]]:
        """Cores of the same greatest frequency together, the fastest first."""
        fastest_first = sorted(self.cores, key=lambda core: (-(core.most_mhz or 0), core.number))
        return [list(group) for _, group in itertools.groupby(fastest_first, key=lambda core: core.most_mhz)]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return dataclasses.asdict(self)


def device_card_from_json(data: Mapping[str, Any]) -> DeviceCard:
    """The inverse of `DeviceCard.to_json`, also after a trip through JSON, which knows no tuples."""
    tuples = {name: tuple(data[name]) for name in ("runtimes", "pinned")}
    return DeviceCard(**{**data, **tuples, "cores": tuple(Core(**core) for core in data["cores"])})
