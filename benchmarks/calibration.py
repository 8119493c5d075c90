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
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro
from figures import machine

from mnasnet.devices.host import HostDevice
from mnasnet.meters.calibrate import calibrate
from mnasnet.meters.calibration import CalibrationRequest
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.table import write_table
from mnasnet.meters.table_fit import QUALITY_HEADINGS, calibration_lines, quality_rows
from mnasnet.space.hierarchical import SPACES


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
    size = NetworkSize(image_size=arguments.image_size, in_channels=3, classes=10, width=arguments.width)
    request = CalibrationRequest(
        device_name="host",
        space=SPACES[arguments.space](**asdict(size)),
        size=size,
        minutes=arguments.minutes,
        seed=arguments.seed,
    )
    begun = time.perf_counter()
    with HostDevice() as host:
        found = calibrate(host, request)
    for row in (QUALITY_HEADINGS, ("---",) * len(QUALITY_HEADINGS), *quality_rows(found.table)):
        print(f"| {' | '.join(row)} |")
    print()
    for line in calibration_lines(found):
        print(line)
    print(f"{time.perf_counter() - begun - found.seconds:.0f} s beside the measuring")
    if arguments.output is not None:
        write_table(found.table, arguments.output)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
