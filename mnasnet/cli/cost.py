"""`mnasnet cost`: what a network costs, layer by layer, without training or running anything."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.zoo import find_architecture
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.graph.cost import PartCost, count_costs

TABLE_WIDTH = 100
"""Characters that the widest table fits in: D1-320's takes 79."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Count the parameters and multiply-adds of a network, layer by layer.

    The multiply-adds are those of convolutions and fully connected layers for one image, as the papers count.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """A name of `mnasnet zoo`, or the folder of a finalist, such as runs/mine/finalists/DIGEST."""
    width: float = 1.0
    """Multiplier of the widths."""
    image_size: int | None = None
    """Side of the square images in pixels; left out, the network's own."""
    classes: int | None = None
    """Left out, the network's own: 1,000 of a published one."""
    in_channels: int | None = None
    """3 for colour, 1 for grey; left out, the network's own."""
    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet cost ARGUMENTS`."""
    options = parse(Options, arguments, verb="cost")
    return served(
        lambda: _cost(options),
        verb="cost",
        flags=flags_of(Options),
        kept="nothing was changed",
    )


def _cost(options: Options) -> None:
    architecture = find_architecture(
        options.name,
        width=options.width,
        image_size=options.image_size,
        classes=options.classes,
        in_channels=options.in_channels,
    )
    rows = count_costs(architecture.lowered())
    total = {
        "parameters": sum(row.parameters for row in rows),
        "multiply_adds": sum(row.multiply_adds for row in rows),
    }
    if options.json:
        layers = [dataclasses.asdict(row) for row in rows]
        about = {"name": options.name, "digest": architecture.digest(), "width": options.width}
        print(
            json.dumps({**about, **total, "layers": layers, "architecture": architecture.to_json()}, indent=2)
        )
        return
    # A terminal narrower than the table breaks its lines, where rich would cut the numbers.
    console = Console(highlight=False, markup=False, soft_wrap=True, width=TABLE_WIDTH)
    console.print(_table(architecture, rows, total["parameters"], total["multiply_adds"]))


def _table(
    architecture: Architecture, rows: Sequence[PartCost], parameters: int, multiply_adds: int
) -> Table:
    size, channels = architecture.image_size, architecture.in_channels
    table = Table(
        title=f"on images of {size}×{size}×{channels}, {architecture.digest()}",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        show_footer=True,
    )
    table.add_column("layer", "total", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("output", justify="right", no_wrap=True)
    table.add_column("parameters", f"{parameters:,}", justify="right", no_wrap=True)
    table.add_column("multiply-adds", f"{multiply_adds:,}", justify="right", no_wrap=True)
    for row in rows:
        output = "×".join(map(str, row.output))
        table.add_row(row.name, row.what, output, f"{row.parameters:,}", f"{row.multiply_adds:,}")
    return table
