"""Which device or table, and what it needs: the flags that every verb that measures has."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Latency, Precision
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device
from mnasnet.devices.named import DeviceName, check_device_options, open_device, parse_device_name
from mnasnet.devices.ssh import BOARD_PYTHON
from mnasnet.meters.latency_meter import DEVICE_WAIT_S, LatencyMeter
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.space.hierarchical import SPACES

MOST_THREADS = 64
"""On a device whose cores are not known before it is asked."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where networks are timed."""

    device: str = "host"
    """host (this machine), host:onnx, android[:SERIAL], ssh:USER@HOST[:PORT] or table:FILE."""
    threads: int = 1
    """Threads of the measured network."""
    benchmark_model: Path | None = None
    """LiteRT's tool of this name for the phone; docs/measuring.md says where it is published."""
    python: str = BOARD_PYTHON
    """Interpreter on a board behind ssh that has ai-edge-litert or onnxruntime."""

    def open_device(self) -> Device:
        """The device; nothing is asked of it yet.

        Raises:
            RequestError: no device can be meant, or something that it needs is missing; or it is a table.
        """
        name = self._parse_name()
        if name.kind == "table":
            # Imported when it is asked for: nothing else needs scipy.
            from mnasnet.meters.table_meter import read_named_table

            table = read_named_table(name, threads=self.threads)
            own = table.qualities[0]
            raise RequestError(
                f"--device {self.device}: is a table already, which tells {own.within_10:.0%} of "
                f"{len(table.held_out)} networks that it had not seen to ± 10 %; name a device, such as "
                f"{table.device}"
            )
        return open_device(
            self.device, threads=self.threads, benchmark_model=self.benchmark_model, python=self.python
        )

    def open_meter(
        self,
        reference: Architecture | None = None,
        *,
        unit: Latency | None = None,
        precision: Precision = "fp32",
        say: Callable[[str], None] = lambda line: None,
        wait_s: float | None = DEVICE_WAIT_S,
    ) -> ReferencedMeter:
        """What times networks on the device, or predicts from the table; arguments as of `LatencyMeter`.

        Raises:
            RequestError: no device can be meant, or something that it needs is missing.
        """
        name = self._parse_name()
        if name.kind == "table":
            from mnasnet.meters.table_meter import TableMeter, read_named_table

            table = read_named_table(name, threads=self.threads)
            return TableMeter(table, reference, unit=unit, precision=precision)
        device = self.open_device()
        return LatencyMeter(device, reference, unit=unit, precision=precision, say=say, wait_s=wait_s)

    def _parse_name(self) -> DeviceName:
        """What `device` names.

        Raises:
            RequestError: nothing that there is, or the other options do not go with it.
        """
        here = self.device.partition(":")[0] == "host"
        most = (os.cpu_count() or 1) if here else MOST_THREADS
        if not 1 <= self.threads <= most:
            raise RequestError(
                f"--threads {self.threads}: give a whole number of at least 1 and at most {most}"
                + (", the cores of this machine" if here else "")
            )
        name = parse_device_name(self.device)
        check_device_options(name, benchmark_model=self.benchmark_model, python=self.python)
        return name


def check_space(name: str) -> None:
    """Nothing, where there is a space of this name.

    Raises:
        RequestError: there is none.
    """
    if name not in SPACES:
        raise RequestError(f"--space {name}: give one of {', '.join(SPACES)}")
