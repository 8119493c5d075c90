"""Which device, and what it needs: the flags that every verb that measures has."""

from dataclasses import dataclass
from pathlib import Path

from mnasnet.devices.device import Device
from mnasnet.devices.named import DeviceNameError, open_device


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where networks are timed."""

    device: str = "host"
    """host (this machine), host:onnx, android[:SERIAL], ssh:USER@HOST[:PORT] or table:FILE."""
    threads: int = 1
    """Threads of the measured network."""
    benchmark_model: Path | None = None
    """LiteRT's tool of this name for the phone; docs/measuring.md says where it is published."""
    python: str = "python3"
    """Interpreter on a board behind ssh that has ai-edge-litert or onnxruntime."""

    def open(self) -> Device:
        """The device; nothing is asked of it yet.

        Raises:
            DeviceNameError: no device can be meant, or something that it needs is missing.
        """
        if self.threads < 1:
            raise DeviceNameError(f"--threads {self.threads}: give a whole number of at least 1")
        return open_device(
            self.device,
            threads=self.threads,
            benchmark_model=self.benchmark_model,
            python=self.python,
        )
