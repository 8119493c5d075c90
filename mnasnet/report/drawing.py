"""A network drawn layer by layer as inline SVG, in the manner of the paper's Figure 7."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

from mnasnet.graph.graph import IMAGE, LOGITS, Graph, Op, Part
from mnasnet.graph.operators import Shape

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


def boxes(graph: Graph) -> Iterator[Box]:
    """The boxes from stem to classifier, one a group of parts."""
    for _, run in groupby(graph.parts.items(), key=lambda entry: entry[0].group):
        entries = list(run)
        parts = [part for part, _ in entries]
        _, last = entries[-1]
        yield Box(
            kind=parts[0].kind,
            title=parts[0].title,
            details=_details(parts),
            repeats=len(parts),
            output=_output_words(graph, last[-1]),
        )


def draw(graph: Graph, *, title: str) -> str:
    """An `<svg>` of the network; `title` is what a screen reader says of it."""
    drawn = list(boxes(graph))
    image = f"image {_map_words(graph.ops[IMAGE].shape)}"
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


def _details(parts: list[Part]) -> str:
    """What the first says, and the skips, as in `stride 2 · SE · identity skip in 2 of 3`."""
    skips = [part.skip for part in parts if part.skip not in (None, "none")]
    words = [parts[0].details]
    for skip in dict.fromkeys(skips):
        of = f" in {skips.count(skip)} of {len(parts)}" if skips.count(skip) < len(parts) else ""
        words.append(f"{skip} skip{of}")
    if not skips and parts[0].skip is not None:
        words.append("no skip")
    return " · ".join(words)


def _output_words(graph: Graph, op: Op) -> str:
    if len(op.shape) == 3:
        return _map_words(op.shape)
    return f"{op.shape[0]} {'classes' if graph.outputs.get(LOGITS) == op.name else 'features'}"


def _map_words(shape: Shape) -> str:
    return "×".join(map(str, shape))
