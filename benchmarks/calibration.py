"""How well does a calibrated table tell latencies that it has not seen? Calibrates this machine, tests the table.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --minutes 10

As long as the minutes say, and half a minute more for the fits. The rows: the table; a straight line through the
logarithms of multiply-adds; ridge regression over the choices of 100 whole networks; and the device itself, asked
a second time, which is as good as any of them can be. Each is held against the first measurement of random networks
of the space that nothing was fitted to.

Expected on a shared 2-core machine (load average 2 to 3), 800 networks measured and 74 held out: the table 100 %
within ± 5 %, mean error 0.8 %, Kendall's τ 0.979 where the device with itself has 0.986 (wanted: within 0.05), and
97 % of its intervals hold what was measured; multiply-adds 61 % within ± 10 % and τ 0.81; whole networks 26 % and
0.56. In an hour when others were busy, 598 and 100 networks: 96 % within ± 10 %, τ 0.933 against 0.915. In 4
minutes, 327 networks: mean error 1.0 %, τ 0.973 against 0.973.
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
