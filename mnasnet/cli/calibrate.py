"""`mnasnet calibrate`: a table of a device, from networks measured on it, tested on others that it has not seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnasnet.arch.records import Precision
from mnasnet.base.errors import RequestError
from mnasnet.cli.parse import called, flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.meters.calibrate import TIMING_STAGE, calibrate
from mnasnet.meters.calibration import CalibrationRequest
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.options import DeviceOptions, check_space
from mnasnet.meters.table import write_table
from mnasnet.meters.table_fit import QUALITY_HEADINGS, calibration_lines, quality_rows
from mnasnet.space.hierarchical import SPACES


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Make a table of a device: it predicts the latency of every network of a space, and says how well."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write; an older one there is replaced."""
    minutes: float = 10.0
    """For how long the device is measured."""
    space: str = "mnasnet"
    """What may be chosen, as in the search that it is for: mnasnet, mnasnet-published or flat."""
    image_size: int = 64
    """Side of the images in pixels, as in that search."""
    width: float = 0.5
    """Multiplies all filters, as in that search."""
    classes: int = 10
    """As many as its images have."""
    in_channels: int = 3
    """3 for colour, 1 for grey."""
    precision: Precision = "fp32"
    """Of the files: fp32, fp16 or int8."""
    seed: int = 0
    """Of the networks that are measured."""


FLAGS = flags_of(Options)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet calibrate ARGUMENTS`."""
    options = parse(Options, arguments, verb="calibrate")
    return served(
        lambda: _calibrate(options),
        verb="calibrate",
        flags=FLAGS,
        kept=f"{options.output} was not written",
    )


def _calibrate(options: Options) -> None:
    size = NetworkSize(
        image_size=options.image_size,
        width=options.width,
        classes=options.classes,
        in_channels=options.in_channels,
    )
    check_space(options.space)
    if not 0 < options.minutes <= 24 * 60:
        raise RequestError(f"--minutes {options.minutes:g}: give a number above 0, at most a day's 1440")
    if options.output.is_dir() or not options.output.parent.is_dir():
        raise RequestError(f"-o {options.output}: give a file in a folder that is there")
    request = CalibrationRequest(
        device_name=options.device,
        space=SPACES[options.space](**asdict(size)),
        size=size,
        minutes=options.minutes,
        precision=options.precision,
        seed=options.seed,
    )
    console = plain_console()
    tenths = 0

    def step(what: str, done: int, total: int) -> None:
        """Draws it; where nothing can be drawn, says each tenth."""
        nonlocal tenths
        terminal.step(what, done, total)
        if not console.is_terminal and what == TIMING_STAGE and done * 10 // total > tenths:
            tenths = done * 10 // total
            terminal.say(f"{what}: {done} of about {total}")

    with options.open_device() as device, Terminal(console=console, flags=FLAGS) as terminal:
        terminal.say(f"calibrating {options.device} for {options.minutes:g} min")
        found = calibrate(device, request, say=terminal.say, progress=step)
    write_table(found.table, options.output)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(QUALITY_HEADINGS[0], no_wrap=True)
    for heading in QUALITY_HEADINGS[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in quality_rows(found.table):
        table.add_row(*row)
    console.print(table)
    for line in calibration_lines(found):
        console.print(line)
    program = called("search", ())[0]
    console.print(f"table: {options.output}")
    console.print(
        f"next: {program} search --data FOLDER --image-size {options.image_size} --width {options.width:g} "
        f"--device table:{options.output}, for images of {options.classes} classes "
        f"{'in grey' if options.in_channels == 1 else 'in colour'}"
    )
