"""`mnasnet measure`: how long model files take on a device, and which of them are faster than which."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mnasnet.arch.records import Latency
from mnasnet.base.errors import RequestError
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.meters.comparison import FileLatency, busy_warning, compare_files, judge_pair
from mnasnet.meters.options import DeviceOptions


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Time .tflite or .onnx files on a device, and say of each pair which is faster, or that they are tied."""

    files: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE …]", help_behavior_hint="")
    ]
    """Files to time, all of them beside the first."""
    json: bool = False
    """Print JSON, with the raw times and the conditions of each."""


FLAGS = flags_of(Options)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet measure ARGUMENTS`."""
    options = parse(Options, arguments, verb="measure")
    return served(
        lambda: _measure(options),
        verb="measure",
        flags=FLAGS,
        kept="nothing was changed",
    )


def _measure(options: Options) -> None:
    if not options.files:
        raise RequestError("give at least one FILE, a .tflite or .onnx")
    console = Console(stderr=True) if options.json else plain_console()
    # Somebody is there, and sees at once that a device is away.
    with options.open_meter(wait_s=None) as meter, Terminal(console=console, flags=FLAGS) as terminal:
        timed = compare_files(meter, options.files, progress=terminal.step)
    if options.json:
        print(json.dumps([_as_json(one, timed) for one in timed], indent=2))
        return
    _print(timed, console)


def _print(timed: Sequence[FileLatency], console: Console) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("file", overflow="fold")  # what gives way in a narrow terminal
    for column in ("ms", "95 % interval", "times the first", "95 % interval", "thrown away"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in timed:
        latency = one.latency
        times, low, high = _times(latency, timed[0].latency)
        table.add_row(
            str(one.path),
            f"{latency.median_ms:.4g}",
            "{:.4g} to {:.4g}".format(*one.interval_ms),
            f"{times:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{latency.blocks_discarded} of {latency.blocks_discarded + len(latency.raw_ms)}",
        )
    console.print(table)
    for number, one in enumerate(timed):
        for other in timed[number + 1 :]:
            console.print(_pair(one, other))
    for warning in warnings(timed):
        console.print(f"warning: {warning}")
    first = timed[0].latency
    how = "predicted" if first.predicted else f"{first.launches} launches each, beside {timed[0].path.name}"
    console.print(f"{first.device}, {first.runtime}, threads: {first.threads}, {first.pinning}; {how}")


def _times(one: Latency, first: Latency) -> tuple[float, float, float]:
    """How many times the first file's latency it is, and the 95 % interval of that."""
    return one.median_ms / first.median_ms, one.low_ms / first.median_ms, one.high_ms / first.median_ms


def _pair(one: FileLatency, other: FileLatency) -> str:
    found = judge_pair(one.latency, other.latency)
    if found == "tied":
        return f"{one.path} and {other.path} are tied: the difference is inside the noise"
    ratio = one.latency.median_ms / other.latency.median_ms
    return f"{one.path} is {found} than {other.path}: {ratio:.3f} times its latency"


def warnings(timed: Sequence[FileLatency]) -> list[str]:
    """What makes a latency another one than it seems, by file."""
    found = []
    if len({one.latency.runtime for one in timed}) > 1:
        found.append(
            "these are files for different runtimes: "
            + "; ".join(f"{one.path} ran on {one.latency.runtime}" for one in timed)
        )
    for one in timed:
        latency = one.latency
        if latency.not_delegated:
            found.append(
                f"{one.path}: {', '.join(latency.not_delegated)} fell back to slower kernels outside "
                f"{latency.runtime}; another converter or other operators may be much faster"
            )
        if latency.statistic != "median":
            found.append(f"{one.path}: the device's tool tells no median: a {latency.statistic} of runs")
        if latency.waited_s:
            ended = "" if latency.temperature_c is None else f"; it ended at {latency.temperature_c:.0f} °C"
            found.append(f"{one.path}: the device was left to cool for {latency.waited_s:.0f} s{ended}")
    if (said := busy_warning([one.latency for one in timed])) is not None:
        found.append(said)
    return found


def _as_json(one: FileLatency, timed: Sequence[FileLatency]) -> dict[str, object]:
    latency = one.latency
    times, times_low, times_high = _times(latency, timed[0].latency)
    return {
        "file": str(one.path),
        "latency_ms": latency.median_ms,
        "low_ms": one.interval_ms[0],
        "high_ms": one.interval_ms[1],
        "times_the_first": times,
        "times_the_first_low": times_low,
        "times_the_first_high": times_high,
        "than": {str(other.path): judge_pair(latency, other.latency) for other in timed if other is not one},
        "warnings": warnings([one]),
        "record": latency.to_json(),
    }
