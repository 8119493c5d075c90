"""The zoo: named architectures as data, with what was published of them, and a searched network by its folder."""

import dataclasses
import difflib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.networks import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE1,
    EFFICIENTNET_LITE2,
    EFFICIENTNET_LITE3,
    EFFICIENTNET_LITE4,
    MNASNET_A1,
    MNASNET_B1,
    MNASNET_D1,
    MNASNET_D1_320,
    MNASNET_SMALL,
    MOBILENET_V2,
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
)
from mnasnet.arch.rounding import round_filters
from mnasnet.base.errors import RequestError

ARCHITECTURE = "architecture.json"
"""The file of a finalist's folder that says what network is in it."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What others measured of a network on ImageNet's validation images, as printed at the source."""

    width: float = 1.0
    image_size: int = 224
    top1: float
    """In per cent, as is `top5`."""
    top5: float | None = None
    latency_ms: float | None = None
    on: str | None = None
    """What the latency was taken on; None where there is no latency."""
    source: str


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """A public file of weights trained on ImageNet at 224 px, and what its publisher measured of it."""

    by: str
    """Whose, as `open_model` takes it for `weights`."""
    width: float = 1.0
    url: str
    """Its name ends in the first digits of its SHA-256, as torch's own downloads do."""
    top1: float
    """In per cent on ImageNet's validation images, as is `top5`."""
    top5: float

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]

    @property
    def sha256(self) -> str:
        """The first digits of it."""
        return self.file.rpartition("-")[2].partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class NamedNetwork:
    """A network of the zoo at width 1 and its own image size, and how it is made wider or narrower."""

    what: str
    """In a few words."""
    architecture: Architecture
    stem_scales: bool = True
    """Whether the width scales the stem too."""
    head_scales: Literal["never", "above 1", "always"] = "never"
    """For which widths the head is scaled too. A hidden layer never is."""
    published: tuple[Published, ...] = ()
    weights: tuple[PublishedWeights, ...] = ()
    """Public files of weights, the first of a width by each publisher."""

    def scaled(self, width: float) -> Architecture:
        """The network `width` times as wide; width 1 is the published one, also where its widths are not multiples
        of 8 (the official `depth_multiplier=None`).
        """
        if width == 1:
            return self.architecture
        scaled = self.architecture.scaled(width)
        if not self.stem_scales:
            scaled = dataclasses.replace(scaled, stem=self.architecture.stem)
        if self.head_scales == "always" or (self.head_scales == "above 1" and width > 1):
            scaled = dataclasses.replace(scaled, head=round_filters(self.architecture.head * width))
        return scaled.canonical()


TORCHVISION = "https://download.pytorch.org/models/"
TIMM = "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/"
"""Where the two publish their files (torchvision `models/mnasnet.py`, timm `models/efficientnet.py`)."""

# Accuracies: torchvision's weights' metadata; timm `results/results-imagenet.csv`.
_A1_WEIGHTS = (
    PublishedWeights(by="timm", url=f"{TIMM}mnasnet_a1-d9418771.pth", top1=75.452, top5=92.608),
    PublishedWeights(by="timm", width=0.75, url=f"{TIMM}semnasnet_075-18710866.pth", top1=73.0, top5=91.124),
)
_B1_WEIGHTS = (
    PublishedWeights(
        by="torchvision",
        width=0.5,
        url=f"{TORCHVISION}mnasnet0.5_top1_67.823-3ffadce67e.pth",
        top1=67.734,
        top5=87.49,
    ),
    PublishedWeights(
        by="torchvision", width=0.75, url=f"{TORCHVISION}mnasnet0_75-7090bc5f.pth", top1=71.18, top5=90.496
    ),
    PublishedWeights(
        by="torchvision", url=f"{TORCHVISION}mnasnet1.0_top1_73.512-f206786ef8.pth", top1=73.456, top5=91.51
    ),
    PublishedWeights(
        by="torchvision", width=1.3, url=f"{TORCHVISION}mnasnet1_3-a4c69d6f.pth", top1=76.506, top5=93.522
    ),
    PublishedWeights(by="timm", url=f"{TIMM}mnasnet_b1-74cb7081.pth", top1=74.672, top5=92.108),
)
_SMALL_WEIGHTS = (
    PublishedWeights(by="timm", url=f"{TIMM}mnasnet_small_lamb-aff75073.pth", top1=66.204, top5=86.47),
)

_V2_WEIGHTS = (
    PublishedWeights(
        by="torchvision", url=f"{TORCHVISION}mobilenet_v2-7ebf99e0.pth", top1=72.154, top5=90.822
    ),
)
_V3_LARGE_WEIGHTS = (
    PublishedWeights(
        by="torchvision", url=f"{TORCHVISION}mobilenet_v3_large-5c1a4163.pth", top1=75.274, top5=92.566
    ),
)
_V3_SMALL_WEIGHTS = (
    PublishedWeights(
        by="torchvision", url=f"{TORCHVISION}mobilenet_v3_small-047dcff4.pth", top1=67.668, top5=87.402
    ),
)

PIXEL_1 = "Pixel 1, one big core"
"""What the paper's latencies were taken on, with batch 1 (section 5, Table 1)."""

# tensorflow/tpu `mnasnet/README.md`: top-1, top-5 and ms by width and image size.
_A1_GRID: dict[float, dict[int, tuple[float, float, float]]] = {
    1.4: {224: (77.2, 93.5, 135), 192: (76.1, 93.0, 99), 160: (74.8, 92.1, 72), 128: (72.5, 90.6, 49),
          96: (68.6, 88.1, 32)},
    1.0: {192: (74.0, 91.6, 57), 160: (72.0, 90.5, 41), 128: (69.3, 88.9, 29), 96: (64.4, 85.8, 18)},
    0.75: {224: (73.3, 91.3, 61), 192: (72.1, 90.5, 45), 160: (70.1, 89.3, 33), 128: (67.0, 87.3, 23),
           96: (62.1, 84.0, 17)},
    0.5: {224: (68.9, 88.4, 32), 192: (67.2, 87.4, 24), 160: (64.9, 85.8, 18), 128: (60.8, 83.0, 12),
          96: (54.7, 78.1, 7.4)},
    # At 160 px the table prints 52.3, below its own 128 px: a misprint for the 59.3 of the column behind it.
    0.35: {224: (64.1, 85.1, 22), 192: (62.4, 83.8, 17), 160: (59.3, 81.5, 13), 128: (54.8, 78.1, 8.5),
           96: (49.3, 73.4, 5.4)},
}  # fmt: skip

ZOO = {
    "mnasnet-a1": NamedNetwork(
        what="the paper's network for 75 ms, with SE",
        architecture=MNASNET_A1,
        published=(
            Published(top1=75.2, top5=92.5, latency_ms=78, on=PIXEL_1, source="MnasNet, Table 1"),
            *(
                Published(
                    width=width,
                    image_size=size,
                    top1=top1,
                    top5=top5,
                    latency_ms=ms,
                    on=PIXEL_1,
                    source="tensorflow/tpu, mnasnet/README.md",
                )
                for width, row in _A1_GRID.items()
                for size, (top1, top5, ms) in row.items()
            ),
        ),
        weights=_A1_WEIGHTS,
    ),
    "mnasnet-b1": NamedNetwork(
        what="the paper's network for 75 ms, without SE",
        architecture=MNASNET_B1,
        published=(Published(top1=74.5, latency_ms=77, on=PIXEL_1, source="MnasNet, Table 2"),),
        weights=_B1_WEIGHTS,
    ),
    "mnasnet-small": NamedNetwork(
        what="the paper's network for 22 ms",
        architecture=MNASNET_SMALL,
        published=(
            Published(top1=66.0, latency_ms=23.2, on=PIXEL_1, source="MnasNet, Table 4, the second search"),
        ),
        weights=_SMALL_WEIGHTS,
    ),
    "mnasnet-d1": NamedNetwork(what="backbone searched with MnasFPN", architecture=MNASNET_D1),
    "mnasnet-d1-320": NamedNetwork(what="the same for 320 px", architecture=MNASNET_D1_320),
    "mobilenet-v2": NamedNetwork(
        what="the paper's ruler",
        architecture=MOBILENET_V2,
        # MobileNetV2, section 6.1: for multipliers below 1 the last convolution keeps its width.
        head_scales="above 1",
        published=(
            Published(top1=72.0, top5=91.0, latency_ms=75, on=PIXEL_1, source="MnasNet, Table 1"),
            Published(width=1.4, top1=74.7, top5=92.5, latency_ms=143, on=PIXEL_1, source="MnasNet, Table 1"),
            Published(width=0.35, top1=60.3, latency_ms=21.4, on=PIXEL_1, source="MnasNet, Table 4"),
        ),
        weights=_V2_WEIGHTS,
    ),
    "mobilenet-v3-large": NamedNetwork(
        what="MobileNetV2's successor",
        architecture=MOBILENET_V3_LARGE,
        head_scales="always",
        published=(Published(top1=75.2, latency_ms=51, on=PIXEL_1, source="MobileNetV3, Table 3"),),
        weights=_V3_LARGE_WEIGHTS,
    ),
    "mobilenet-v3-small": NamedNetwork(
        what="the same for small budgets",
        architecture=MOBILENET_V3_SMALL,
        head_scales="always",
        published=(Published(top1=67.4, latency_ms=15.8, on=PIXEL_1, source="MobileNetV3, Table 3"),),
        weights=_V3_SMALL_WEIGHTS,
    ),
    **{
        f"efficientnet-lite{number}": NamedNetwork(
            what=what,
            architecture=architecture,
            # The lite networks keep stem and head as they are at every width (efficientnet/lite/README.md).
            stem_scales=False,
            published=(
                Published(
                    image_size=architecture.image_size,
                    top1=top1,
                    latency_ms=ms,
                    on="Pixel 4, four threads",
                    source="tensorflow/tpu, efficientnet/lite/README.md",
                ),
            ),
        )
        for number, (what, architecture, top1, ms) in enumerate(
            (
                ("EfficientNet-B0 for phones: no SE, ReLU6", EFFICIENTNET_LITE0, 75.1, 12),
                ("the same for 240 px, deeper", EFFICIENTNET_LITE1, 76.7, 18),
                ("the same for 260 px, deeper and wider", EFFICIENTNET_LITE2, 77.6, 26),
                ("the same for 280 px, deeper and wider", EFFICIENTNET_LITE3, 79.8, 41),
                ("the same for 300 px, deeper and wider", EFFICIENTNET_LITE4, 81.5, 76),
            )
        )
    },
}


def find_architecture(
    name: str,
    *,
    width: float = 1.0,
    image_size: int | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
) -> Architecture:
    """The network called `name`: one of the zoo, or a finalist by its folder or its `architecture.json`.

    What is None is as published, or as it was searched. A searched network is scaled as the official code scales.

    Raises:
        RequestError: there is none of this name, or not of this width or size.
    """
    if not (math.isfinite(width) and width > 0):
        raise RequestError("give a number above 0, such as 0.5", field="width", value=width)
    named = ZOO.get(name)
    if named is None:
        found = _searched(name)
        architecture = found if width == 1 else found.scaled(width)
    else:
        architecture = named.scaled(width)
    asked = {"image_size": image_size, "classes": classes, "in_channels": in_channels}
    for field, value in asked.items():
        if value is not None and value < 1:
            raise RequestError("give a whole number of at least 1", field=field, value=value)
    architecture = dataclasses.replace(
        architecture,
        image_size=architecture.image_size if image_size is None else image_size,
        classes=architecture.classes if classes is None else classes,
        in_channels=architecture.in_channels if in_channels is None else in_channels,
    )
    shrinks = architecture.stem_stride * math.prod(block.stride for block in architecture.blocks)
    if architecture.image_size < shrinks:
        raise RequestError(
            f"too small for {name}, whose strides make maps {shrinks} times smaller: give at least {shrinks}",
            field="image_size",
            value=architecture.image_size,
        )
    return architecture


def _searched(name: str) -> Architecture:
    path = Path(name)
    file = path / ARCHITECTURE if path.is_dir() else path
    if not file.is_file():
        near = difflib.get_close_matches(name.lower(), ZOO, n=1)
        known = f"the nearest is {near[0]}" if near else f"there are {', '.join(ZOO)}"
        raise RequestError(
            f"no network of this name, and no folder with an {ARCHITECTURE}; {known}",
            field="name",
            value=name,
        )
    try:
        return architecture_from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError) as error:
        raise RequestError(
            f"{file} describes no network ({error}): give a name of the zoo or the folder of a trained network",
            field="name",
            value=name,
        ) from error
