"""`mnasnet reach`: which latencies are to be had on a device, before any training."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnasnet.arch.records import Precision
from mnasnet.base.errors import RequestError
from mnasnet.base.words import millions
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.meters.comparison import busy_warning
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.options import DeviceOptions, check_space
from mnasnet.meters.reach import SAMPLE_NETWORKS, Reach, measure_reach, reach_rows, target_lines
from mnasnet.space.hierarchical import SPACES


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Time the fastest, the slowest and random networks of a space on a device, and the zoo's among them."""

    space: str = "mnasnet"
    """What may be chosen, as in a search: mnasnet, mnasnet-published or flat."""
    image_size: int = 64
    """Side of the images in pixels."""
    width: float = 0.5
    """Multiplies all filters."""
    target_ms: float | None = None
    """Latency that you would aim at."""
    classes: int = 10
    """As many as your images have."""
    in_channels: int = 3
    """3 for colour, 1 for grey."""
    precision: Precision = "fp32"
    """Of the files that are timed: fp32, fp16 or int8."""
    sample: int = SAMPLE_NETWORKS
    """Random networks."""
    json: bool = False
    """Print JSON."""


FLAGS = flags_of(Options)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet reach ARGUMENTS`."""
    options = parse(Options, arguments, verb="reach")
    return served(
        lambda: _reach(options),
        verb="reach",
        flags=FLAGS,
        kept="nothing was changed",
    )


def _reach(options: Options) -> None:
    size = NetworkSize(
        image_size=options.image_size,
        width=options.width,
        classes=options.classes,
        in_channels=options.in_channels,
    )
    check_space(options.space)
    if options.sample < 6:
        raise RequestError(
            f"--sample {options.sample}: give at least 6, below which a median has no 95 % interval"
        )
    if options.target_ms is not None and not options.target_ms > 0:
        raise RequestError(f"--target-ms {options.target_ms:g}: give a number above 0")
    space = SPACES[options.space](**asdict(size))
    console = plain_console()
    with (
        options.open_meter(size.reference, precision=options.precision) as meter,
        Terminal(console=console, flags=FLAGS) as terminal,
    ):
        found = measure_reach(meter, space, size, sample=options.sample, progress=terminal.step)
    if options.json:
        print(json.dumps(_as_json(found, options.target_ms), indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("network", no_wrap=True)
    for column in ("ms", "95 % interval", "mult-adds"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, ms, low_ms, high_ms, adds in reach_rows(found):
        table.add_row(
            name, f"{ms:.4g}", f"{low_ms:.4g} to {high_ms:.4g}", "" if adds is None else millions(adds)
        )
    console.print(table)
    latency = found.smallest.latency
    console.print(
        f"{'predicted' if latency.predicted else 'measured'}: {latency.device}, {latency.runtime}, "
        f"threads: {latency.threads}, {latency.pinning}; {options.precision}, {options.image_size} px, width "
        f"{options.width:g}; the median is of {len(found.sample)} random networks"
    )
    if (said := busy_warning([one.latency for one in (*found.sample, *found.zoo)])) is not None:
        console.print(f"warning: {said}")
    if found.unknown:
        console.print(f"outside of what the table tells: {', '.join(found.unknown)}")
    if options.target_ms is not None:
        for line in target_lines(found, options.target_ms):
            console.print(line)


def _as_json(found: Reach, target_ms: float | None) -> dict[str, object]:
    return {
        "networks": [
            {"name": name, "latency_ms": ms, "low_ms": low_ms, "high_ms": high_ms, "multiply_adds": adds}
            for name, ms, low_ms, high_ms, adds in reach_rows(found)
        ],
        "sample_ms": [one.latency.median_ms for one in found.sample],
        "target_ms": target_ms,
        "within_target": None if target_ms is None else found.share_within(target_ms),
        "reachable": None if target_ms is None else target_ms >= found.smallest.interval_ms[0],
        "predicted": found.smallest.latency.predicted,
        "device": found.smallest.latency.device,
    }
