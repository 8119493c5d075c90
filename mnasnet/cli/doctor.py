"""`mnasnet doctor`: what a device is, how noisy it is, and what to do about it before measuring there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.devices.card import device_card_lines
from mnasnet.meters.doctor import examination_lines, examine_device
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.options import DeviceOptions


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Examine a device: cores, clock, temperature, runtime, the noise of its timings, and what is wrong with it."""

    image_size: int = 224
    """Side in pixels of the images of the networks that it is examined with."""
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
    size = NetworkSize(
        image_size=options.image_size,
        width=options.width,
        classes=options.classes,
        in_channels=options.in_channels,
    )
    with options.open_device() as device:
        found = examine_device(device, size)
    if options.json:
        print(json.dumps(found.to_json(), indent=2))
        return
    for line in device_card_lines(found.card):
        print(line)
    print(
        f"examined with networks for images of {options.image_size} px and {options.in_channels} channels, "
        f"{options.classes} classes, width {options.width:g}:"
    )
    for line in examination_lines(found):
        print(line)
    problems = found.problems()
    for problem in problems:
        print(f"problem: {problem.what}\n  to do: {problem.todo}")
    if not problems:
        print("nothing is wrong with it for measuring")
