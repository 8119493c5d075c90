"""Which device, and what it needs: the fields that every request to measure has."""

import os
from dataclasses import dataclass
from pathlib import Path

from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device
from mnasnet.devices.named import check_device_options, open_device, parse_device_name
from mnasnet.devices.ssh import PYTHON
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
    python: str = PYTHON
    """Interpreter on a board behind ssh that has ai-edge-litert or onnxruntime."""

    def open(self) -> Device:
        """The device; nothing is asked of it yet.

        Raises:
            RequestError: no device can be meant, or something that it needs is missing.
        """
        here = self.device.partition(":")[0] == "host"
        most = (os.cpu_count() or 1) if here else MOST_THREADS
        if not 1 <= self.threads <= most:
            cores = ", the cores of this machine" if here else ""
            raise RequestError(
                f"give a whole number of at least 1 and at most {most}{cores}",
                field="threads",
                value=self.threads,
            )
        name = parse_device_name(self.device)
        if name.kind == "table":
            check_device_options(name, benchmark_model=self.benchmark_model, python=self.python)
            # Imported when it is asked for: no other device needs scipy.
            from mnasnet.meters.table_meter import open_table

            return open_table(name, threads=self.threads)
        return open_device(
            self.device,
            threads=self.threads,
            benchmark_model=self.benchmark_model,
            python=self.python,
        )


def check_size(image_size: int, width: float, *, classes: int = 1, in_channels: int = 1) -> None:
    """Nothing, where networks of such a size can be made.

    Raises:
        RequestError: they cannot.
    """
    if not 16 <= image_size <= 1024:
        raise RequestError("give 16 to 1024", field="image_size", value=image_size)
    if not 0.05 <= width <= 8:
        raise RequestError("give 0.05 to 8", field="width", value=width)
    for field, value in (("classes", classes), ("in_channels", in_channels)):
        if value < 1:
            raise RequestError("give a whole number of at least 1", field=field, value=value)


def check_space(name: str) -> None:
    """Nothing, where there is a space of this name.

    Raises:
        RequestError: there is none.
    """
    if name not in SPACES:
        raise RequestError(f"give one of {', '.join(SPACES)}", field="space", value=name)
