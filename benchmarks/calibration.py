"""How well a calibrated table tells latencies of networks that it has not seen.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py

Ten minutes, or as many as `--minutes` says, and half a minute for the fits. It calibrates this machine and
tests the table on random networks of the space that nothing was fitted to. Beside the table are other ways to
predict: a straight line through the logarithms of multiply-adds, and ridge regression over the choices of 100
whole networks. The last row is the device itself, asked a second time, which is as good as any prediction can
be.

Wanted: Kendall's τ of the table within 0.05 of that of the device with itself.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from figures import machine

from mnasnet.devices.calibrate import HEADINGS, calibrate, report_lines, rows
from mnasnet.devices.host import HostDevice
from mnasnet.devices.table import write_table
from mnasnet.space.hierarchical import SPACES

CHANNELS, CLASSES = 3, 10


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    minutes: float = 10.0
    space: str = "mnasnet"
    image_size: int = 64
    width: float = 0.5
    seed: int = 0
    output: Path | None = None
    """Where the table is written, if it is to be kept."""


def main(arguments: Arguments) -> None:
    """Calibrates, tests and prints the table of both."""
    print(f"{machine('ai-edge-litert')}; space {arguments.space}\n")
    space = SPACES[arguments.space](
        image_size=arguments.image_size, in_channels=CHANNELS, classes=CLASSES, width=arguments.width
    )
    begun = time.perf_counter()
    with HostDevice() as host:
        found = calibrate(
            host,
            called="host",
            space=space,
            image_size=arguments.image_size,
            in_channels=CHANNELS,
            classes=CLASSES,
            width=arguments.width,
            minutes=arguments.minutes,
            seed=arguments.seed,
        )
    for row in (HEADINGS, ("---",) * len(HEADINGS), *rows(found.table)):
        print(f"| {' | '.join(row)} |")
    print()
    for line in report_lines(found):
        print(line)
    print(f"{time.perf_counter() - begun - found.seconds:.0f} s beside the measuring")
    if arguments.output is not None:
        write_table(found.table, arguments.output)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
