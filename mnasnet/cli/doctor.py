"""`mnasnet doctor`: what a device is, how noisy it is, and what to do about it before measuring there."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.devices.card import device_card_lines
from mnasnet.meters.doctor import examine, measured_lines
from mnasnet.meters.options import DeviceOptions, check_size
from mnasnet.meters.table_meter import TableDevice


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Examine a device: cores, clock, temperature, runtime, the noise of its timings, and what is wrong with it."""

    image_size: int = 224
    """Side in pixels of the images of the networks that it is examined with; a table has its own."""
    width: float = 1.0
    """Multiplies all their filters."""
    classes: int = 1000
    """That they tell apart."""
    in_channels: int = 3
    """3 for colour, 1 for grey."""
    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet doctor ARGUMENTS`."""
    options = parse(Options, arguments, verb="doctor")
    return served(
        lambda: _doctor(options),
        verb="doctor",
        flags=flags_of(Options),
        kept="nothing was changed",
    )


def _doctor(options: Options) -> None:
    size = {"image_size": options.image_size, "in_channels": options.in_channels, "classes": options.classes}
    check_size(options.image_size, options.width, classes=options.classes, in_channels=options.in_channels)
    with options.open() as device:
        if isinstance(device, TableDevice):
            _say_table(device, as_json=options.json)
            return
        found = examine(device, **size, width=options.width)
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
        return
    for line in device_card_lines(found.card):
        print(line)
    print(
        f"examined with networks for images of {options.image_size} px and {options.in_channels} channels, "
        f"{options.classes} classes, width {options.width:g}:"
    )
    for line in measured_lines(found):
        print(line)
    problems = found.problems()
    for problem in problems:
        print(f"problem: {problem.what}\n  to do: {problem.todo}")
    if not problems:
        print("nothing is wrong with it for measuring")


def _say_table(device: TableDevice, *, as_json: bool) -> None:
    """What a table knows of its device, and how well it predicts; nothing can be measured on it."""
    table, card = device.table, device.card()
    if as_json:
        accordance = [dataclasses.asdict(one) for one in table.accordance]
        print(
            json.dumps(
                {"card": card.to_json(), "accordance": accordance, "coverage": table.coverage}, indent=2
            )
        )
        return
    for line in device_card_lines(card):
        print(line)
    for one in table.accordance:
        print(
            f"told by {one.way}: {one.within_10:.0%} within ± 10 %, mean error {one.mean_error:.1%}, Kendall's τ "
            f"{one.tau:.3f}, on {len(table.held_out)} networks that it had not seen"
        )
    print(
        f"of its 95 % intervals {table.coverage:.0%} hold what was measured; calibrated at {table.calibrated_at}"
    )
    print(f"to examine the device itself: mnasnet doctor --device {table.device}")
