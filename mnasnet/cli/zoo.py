"""`mnasnet zoo`: the networks that can be had by name, with what they cost and what was published of them."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mnasnet.arch.zoo import ZOO, NamedNetwork, Published
from mnasnet.base.words import millions
from mnasnet.cli.cost import TABLE_WIDTH
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.graph.cost import count_multiply_adds, count_parameters


@dataclass(frozen=True, kw_only=True)
class Options:
    """List the networks that can be had by name, at width 1 and at the image size that they were made for."""

    json: bool = False
    """Print everything that is known as JSON, with what was published of other widths and sizes."""


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet zoo ARGUMENTS`."""
    options = parse(Options, arguments, verb="zoo")
    return served(
        lambda: _zoo(options),
        verb="zoo",
        flags=flags_of(Options),
        kept="nothing was changed",
    )


def _zoo(options: Options) -> None:
    if options.json:
        print(json.dumps([_as_json(name, network) for name, network in ZOO.items()], indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("name", no_wrap=True)
    for column in ("px", "parameters", "mult-adds", "top-1, %", "ms", "source"):
        table.add_column(column, justify="right", no_wrap=True)
    notes: list[str] = []
    for name, network in ZOO.items():
        original = _original(network)
        if original is not None and (note := _note(original)) not in notes:
            notes.append(note)
        table.add_row(
            name,
            str(network.architecture.image_size),
            f"{count_parameters(network.architecture.lowered()):,}",
            millions(count_multiply_adds(network.architecture.lowered())),
            "" if original is None else f"{original.top1}",
            "" if original is None or original.latency_ms is None else f"{original.latency_ms:g}",
            "" if original is None else f"({notes.index(_note(original)) + 1})",
        )
    console = Console(highlight=False, markup=False, soft_wrap=True, width=TABLE_WIDTH)
    console.print(table)
    for number, note in enumerate(notes, start=1):
        console.print(f"({number}) {note}")
    console.print("ImageNet's 1,000 classes. Published by others, measured by nobody here.")
    for line in _downloads():
        console.print(line)
    console.print("`mnasnet cost NAME --width 0.5 --image-size 160` counts one layer by layer.")


def _downloads() -> Iterator[str]:
    """Of which networks weights can be had by `--weights`."""
    for name, network in ZOO.items():
        for by in sorted({weights.by for weights in network.weights}):
            widths = sorted((weights.width, weights.top1) for weights in network.weights if weights.by == by)
            found = ", ".join(f"{width:g} ({top1:.1f} %)" for width, top1 in widths)
            yield f"--weights {by} downloads {name} of width {found}"


def _original(network: NamedNetwork) -> Published | None:
    """What was published of the network itself; None where there is nothing."""
    size = network.architecture.image_size
    return next((p for p in network.published if (p.width, p.image_size) == (1.0, size)), None)


def _note(published: Published) -> str:
    return published.source + ("" if published.on is None else f"; ms on {published.on}, batch 1")


def _as_json(name: str, network: NamedNetwork) -> dict[str, object]:
    architecture = network.architecture
    return {
        "name": name,
        "what": network.what,
        "digest": architecture.digest(),
        "image_size": architecture.image_size,
        "parameters": count_parameters(architecture.lowered()),
        "multiply_adds": count_multiply_adds(architecture.lowered()),
        "layers": sum(1 for _ in architecture.layers()),
        "weights": [dataclasses.asdict(weights) for weights in network.weights],
        "published": [dataclasses.asdict(published) for published in network.published],
    }
