"""The small records that travel between the parts: a model file, what it tells apart, a device's card."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mnasnet.arch.architecture import Architecture


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
