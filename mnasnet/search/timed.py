"""Latency of an architecture: the untrained network written to a file and timed on a device."""

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Latency
from mnasnet.arch.weights import random_weights
from mnasnet.devices.device import Device
from mnasnet.export.quantize import Precision, in_precision
from mnasnet.export.tflite import write_tflite

CALIBRATION_IMAGES = 4
"""Of noise: untrained activations need a range that is theirs, and no more."""


class Untrained:
    """Times networks with random weights against one reference network, in a folder that goes with it.

    What a network computes does not decide how long it takes, so it is timed before any training.
    """

    def __init__(
        self,
        device: Device,
        reference: Architecture,
        *,
        reference_ms: float | None,
        precision: Precision = "fp32",
    ) -> None:
        """`reference_ms` is what the study takes the reference to last; None to `calibrate` it.

        Reference and candidates are timed in `precision`: their order is another in another one.
        """
        self._device, self.precision = device, precision
        self._folder = tempfile.TemporaryDirectory(prefix="mnasnet-")
        self.reference = self._write(reference, "reference.tflite")
        self.reference_ms = reference_ms

    def calibrate(self, *, launches: int) -> Latency:
        """Time the reference itself; what it takes now is `reference_ms` from here on."""
        latency = self._device.measure(
            self.reference, reference=self.reference, reference_ms=None, launches=launches
        )
        self.reference_ms = latency.reference_ms
        return latency

    def __call__(self, architecture: Architecture) -> Latency:
        """Time one candidate.

        Raises:
            DeviceError: the device cannot run it or is lost.
            OSError: the file cannot be written.
        """
        candidate = self._write(architecture, "candidate.tflite")
        return self.of(candidate, launches=1)

    def of(self, artifact: Artifact, *, launches: int) -> Latency:
        """Time a file that is there already."""
        return self._device.measure(
            artifact, reference=self.reference, reference_ms=self.reference_ms, launches=launches
        )

    def _write(self, architecture: Architecture, name: str) -> Artifact:
        generator = np.random.default_rng(0)
        path = Path(self._folder.name) / name
        artifact = write_tflite(architecture, random_weights(architecture, generator), path)
        shape = (architecture.image_size, architecture.image_size, architecture.in_channels)
        images = generator.standard_normal((CALIBRATION_IMAGES, 1, *shape), dtype=np.float32)
        return in_precision(artifact, self.precision, images, path)

    def __enter__(self) -> "Untrained":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
