"""A network drawn layer by layer as inline SVG, in the manner of the paper's Figure 7."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

from mnasnet.arch.architecture import Architecture, Layer, map_size

WIDTH = 340
BOX_LEFT, BOX_WIDTH, BOX_HEIGHT = 8, 236, 46
GAP = 30
"""Pixels between boxes: the arrow, with the feature map beside it."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One box of the drawing: a layer, or a run of layers that the block repeats."""

    kind: str
    """CSS class of its colour."""
    title: str
    details: str
    repeats: int
    output: str
    """The feature map behind it, `H×W×C`."""


def boxes(architecture: Architecture) -> Iterator[Box]:
    """The boxes from stem to classifier, one a block."""
    size = map_size(architecture.image_size, architecture.stem_stride)
    yield Box(
        kind="conv",
        title="Conv 3×3",
        details=f"stem, stride {architecture.stem_stride}",
        repeats=1,
        output=_map(size, architecture.stem),
    )
    for _, run in groupby(architecture.layers(), key=lambda entry: entry[0]):
        layers = [layer for _, layer in run]
        size = map_size(size, layers[0].stride)
        first = layers[0]
        yield Box(
            kind=first.op,
            title=f"{_op(first)} {first.kernel}×{first.kernel}",
            details=_details(layers),
            repeats=len(layers),
            output=_map(size, first.outputs),
        )
    yield Box(kind="conv", title="Conv 1×1", details="head", repeats=1, output=_map(size, architecture.head))
    yield Box(
        kind="plain",
        title="Mean, fully connected",
        details="classifier",
        repeats=1,
        output=f"{architecture.classes} classes",
    )


def draw(architecture: Architecture, *, title: str) -> str:
    """An `<svg>` of the network; `title` is what a screen reader says of it."""
    drawn = list(boxes(architecture))
    image = f"image {_map(architecture.image_size, architecture.in_channels)}"
    height = 24 + len(drawn) * (BOX_HEIGHT + GAP)
    middle = BOX_LEFT + BOX_WIDTH / 2
    parts = [
        f'<svg class="network" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<text class="map" x="{middle}" y="12" text-anchor="middle">{image}</text>',
    ]
    top = 18
    for box in drawn:
        parts += _draw(box, top, middle)
        top += BOX_HEIGHT + GAP
    return "\n".join([*parts, "</svg>"])


def _draw(box: Box, top: int, middle: float) -> Iterator[str]:
    if box.repeats > 1:  # a second sheet behind the first says that there are several
        yield (
            f'<rect class="{box.kind} behind" x="{BOX_LEFT + 4}" y="{top + 4}" width="{BOX_WIDTH}" '
            f'height="{BOX_HEIGHT}" rx="5"/>'
        )
        yield (f'<text class="times" x="{BOX_LEFT + BOX_WIDTH + 14}" y="{top + 31}">×{box.repeats}</text>')
    yield (
        f'<rect class="{box.kind}" x="{BOX_LEFT}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
    )
    yield f'<text class="op" x="{middle}" y="{top + 20}" text-anchor="middle">{escape(box.title)}</text>'
    yield f'<text class="details" x="{middle}" y="{top + 36}" text-anchor="middle">{escape(box.details)}</text>'
    bottom = top + BOX_HEIGHT + (4 if box.repeats > 1 else 0)
    tip = top + BOX_HEIGHT + GAP
    yield f'<path class="arrow" d="M{middle} {bottom} V{tip} m-4 -6 l4 6 l4 -6"/>'
    yield f'<text class="map" x="{middle + 8}" y="{top + BOX_HEIGHT + 19}">{escape(box.output)}</text>'


def _op(layer: Layer) -> str:
    return {"conv": "Conv", "sep": "SepConv", "mb": f"MBConv{layer.expansion}"}[layer.op]


def _details(layers: list[Layer]) -> str:
    """Stride, SE and skip, as in `stride 2 · SE · identity skip in 2 of 3`."""
    first = layers[0]
    parts = [f"stride {first.stride}"]
    parts += ["SE"] if first.squeezed is not None else []
    skips = [layer.skip for layer in layers if layer.skip != "none"]
    for skip in dict.fromkeys(skips):
        of = f" in {skips.count(skip)} of {len(layers)}" if skips.count(skip) < len(layers) else ""
        parts.append(f"{skip} skip{of}")
    return " · ".join(parts if skips else [*parts, "no skip"])


def _map(side: int, channels: int) -> str:
    return f"{side}×{side}×{channels}"
