"""Latency of an architecture: the untrained network written to a file and timed on a device."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Format, Latency, Precision
from mnasnet.devices.device import Device, DeviceError, DeviceLostError, UnsuitableError, wait_for
from mnasnet.export.quantize import in_precision
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights
from mnasnet.meters.table_meter import TableDevice

CALIBRATION_IMAGES = 4
"""Of noise: untrained activations need a range that is theirs, and no more."""

WAIT_S = 600.0
"""For a device that went away: a phone that restarts is back after two minutes, a cable after somebody saw it."""

LOST_AT_MOST = 5
"""So often for one network: a device that goes away each time it runs a network was not unplugged."""


class Untrained:
    """Times networks with random weights against one reference network, in a folder that goes with it.

    What a network computes does not decide how long it takes, so it is timed before any training. A device that
    goes away is waited for, and the network measured again.
    """

    def __init__(
        self,
        device: Device,
        reference: Architecture,
        *,
        agreed: Latency | None,
        precision: Precision = "fp32",
        say: Callable[[str], None] = lambda line: None,
        wait_s: float = WAIT_S,
    ) -> None:
        """`agreed` is the study's own measurement of the reference; None to `calibrate` it.

        Reference and candidates are timed in `precision`: their order is another in another one. `say` hears when
        a device is waited for, at most `wait_s` at a time.

        Raises:
            DeviceError: the device does not answer.
        """
        self._device, self.precision = device, precision
        self._say, self._wait_s = say, wait_s
        self.format: Format = device.formats[0]
        """Of the files that are timed."""
        self._folder = tempfile.TemporaryDirectory(prefix="mnasnet-")
        self.reference = self.write(reference, "reference")
        self.agreed = agreed

    @property
    def predicts(self) -> bool:
        """Whether latencies come from a table."""
        return isinstance(self._device, TableDevice)

    def calibrate(self, *, launches: int) -> Latency:
        """Time the reference itself; what it takes now is the unit from here on."""
        self.agreed = self.of(self.reference, launches=launches)
        return self.agreed

    def __call__(self, architecture: Architecture) -> Latency:
        """Time one candidate.

        Raises:
            DeviceLostError: the device went away and did not come back.
            DeviceError: as of `of`.
            OSError: the file cannot be written.
        """
        return self.of(self.write(architecture, "candidate"), launches=1)

    def of(self, artifact: Artifact, *, launches: int, may_fall_back: bool = False) -> Latency:
        """Time a file that is there already.

        Raises:
            DeviceLostError: the device went away and did not come back.
            DeviceError: it cannot run the file, or not with all of it on its delegate unless it `may_fall_back`;
                or its runtime is not the one that the unit was agreed on with.
        """
        latency = self._timed(artifact, launches=launches)
        if latency.not_delegated and not may_fall_back:
            raise DeviceError(
                f"{', '.join(latency.not_delegated)} of it would fall back to slower kernels ({latency.runtime})"
            )
        agreed = self.agreed
        if agreed is not None and latency.runtime != agreed.runtime and latency.predicted == agreed.predicted:
            raise DeviceError(
                f"the runtime is {latency.runtime} now, and was {agreed.runtime} when the unit was agreed on, so "
                "that their milliseconds do not compare: begin with another `out`, or bring back the former one"
            )
        return latency

    def _timed(self, artifact: Artifact, *, launches: int) -> Latency:
        measure = partial(
            self._device.measure,
            artifact,
            reference=self.reference,
            agreed=self.agreed,
            launches=launches,
        )
        for _ in range(LOST_AT_MOST - 1):
            try:
                return measure()
            except DeviceLostError as error:
                self._say(f"{error}; waiting for it, at most {self._wait_s / 60:.3g} min")
                wait_for(self._device, limit_s=self._wait_s)
                self._say("it is back, measuring again")
        try:
            return measure()
        except DeviceLostError as error:
            raise DeviceError(f"lost {LOST_AT_MOST} times with the same network: {error}") from error

    def write(self, architecture: Architecture, name: str) -> Artifact:
        """The network with random weights, as a file of the device's format that is called `name`."""
        path = Path(self._folder.name) / f"{name}.{self.format}"
        if self.format == "onnx":
            # Torch's exporter: seconds a network, and torch itself.
            from mnasnet.export.onnx import write_untrained_onnx

            if self.precision != "fp32":
                raise UnsuitableError(f"onnx is written as fp32; {self.precision} there is of tflite")
            return write_untrained_onnx(architecture, path)
        generator = np.random.default_rng(0)
        artifact = write_tflite(architecture, draw_weights(architecture.lowered(), generator), path)
        shape = (architecture.image_size, architecture.image_size, architecture.in_channels)
        images = generator.standard_normal((CALIBRATION_IMAGES, 1, *shape), dtype=np.float32)
        return replace(in_precision(artifact, self.precision, images, path), architecture=architecture)

    def __enter__(self) -> "Untrained":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()
