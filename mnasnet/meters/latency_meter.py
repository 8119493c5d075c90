"""Latency on a device: the untrained network written to a file and timed against a reference."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Format, Latency, Precision
from mnasnet.devices.device import Device, DeviceError, DeviceLostError, UnsuitableError, wait_for
from mnasnet.export.quantize import in_precision
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.meter import ReferencedMeter

NOISE_IMAGES = 4
"""That int8 files are calibrated on: untrained activations need a range that is theirs, and no more."""

DEVICE_WAIT_S = 600.0
"""For a device that went away: a phone that restarts is back after two minutes, a cable after somebody saw it."""

MOST_LOSSES = 5
"""So often for one network: a device that goes away each time it runs a network was not unplugged."""


class LatencyMeter(ReferencedMeter):
    """Times networks with random weights against one reference network, in a folder that goes with it.

    What a network computes does not decide how long it takes, so it is timed before any training. A device that
    goes away is waited for, and the network measured again.
    """

    calibrated_device = None

    def __init__(
        self,
        device: Device,
        reference: Architecture | None = None,
        *,
        unit: Latency | None = None,
        precision: Precision = "fp32",
        say: Callable[[str], None] = lambda line: None,
        wait_s: float | None = DEVICE_WAIT_S,
    ) -> None:
        """Nothing is asked of `device` yet, which is closed with the meter.

        Without a `reference` one has to be given by `use_reference`. `unit` is the study's own measurement of the
        reference; None until `measure_reference`. Networks are timed in `precision`: their order is another in
        another one. `say` hears when the device is waited for, at most `wait_s` at a time; None does not wait.
        """
        self.unit, self.precision = unit, precision
        self._device, self._reference_network = device, reference
        self._say, self._wait_s = say, wait_s
        self._folder = tempfile.TemporaryDirectory(prefix="mnasnet-")
        self._reference_file: Artifact | None = None

    @property
    def name(self) -> str:
        """As the protocol says: the device's."""
        return self._device.name

    @cached_property
    def format(self) -> Format:
        """As the protocol says: of those that the device runs the first."""
        return self._device.formats[0]

    @property
    def reference(self) -> Artifact:
        """The file that others are timed against.

        Raises:
            ValueError: none was given.
        """
        if self._reference_file is None:
            if self._reference_network is None:
                raise ValueError("give a reference: the network or the file that others are timed against")
            self._reference_file = self.write_network(self._reference_network, "reference")
        return self._reference_file

    def prepare(self) -> None:
        """As the protocol says: the file of the reference is written."""
        _ = self.reference

    def use_reference(self, artifact: Artifact) -> None:
        """As the protocol says."""
        self._reference_file = artifact

    def measure_reference(self, *, launches: int, lenient: bool = False) -> Latency:
        """As the protocol says."""
        self.unit = self.measure_file(self.reference, launches=launches, lenient=lenient)
        return self.unit

    def measure_network(self, architecture: Architecture) -> Latency:
        """As the protocol says."""
        return self.measure_file(self.write_network(architecture, "candidate"))

    def measure_file(self, artifact: Artifact, *, launches: int = 1, lenient: bool = False) -> Latency:
        """As the protocol says.

        Raises:
            UnsuitableError: the device runs no such files.
            DeviceLostError: the device went away and did not come back.
            DeviceError: it cannot run the file; or, unless `lenient`, not with all of it on its delegate, or not
                with the runtime that the unit was measured with.
            ValueError: `launches` is less than 1.
        """
        latency = self._measure(artifact, launches=launches)
        if lenient:
            return latency
        if latency.not_delegated:
            raise DeviceError(
                f"{', '.join(latency.not_delegated)} of it would fall back to slower kernels ({latency.runtime})"
            )
        unit = self.unit
        if unit is not None and latency.runtime != unit.runtime and not unit.predicted:
            raise DeviceError(
                f"the runtime is {latency.runtime} now, and was {unit.runtime} when the unit was agreed on, so "
                "that their milliseconds do not compare: begin with another --out, or bring back the former one"
            )
        return latency

    def _measure(self, artifact: Artifact, *, launches: int) -> Latency:
        measure = partial(
            measure_latency,
            self._device,
            artifact,
            reference=self.reference,
            unit=self.unit,
            launches=launches,
        )
        if self._wait_s is None:
            return measure()
        for _ in range(MOST_LOSSES - 1):
            try:
                return measure()
            except DeviceLostError as error:
                self._say(f"{error}; waiting for it, at most {self._wait_s / 60:.3g} min")
                wait_for(self._device, limit_s=self._wait_s)
                self._say("it is back, measuring again")
        try:
            return measure()
        except DeviceLostError as error:
            raise DeviceError(f"lost {MOST_LOSSES} times with the same network: {error}") from error

    def write_network(self, architecture: Architecture, name: str) -> Artifact:
        """The network with random weights, as a file of the device's format that is called `name`.

        Raises:
            UnsuitableError: networks are not written so.
            OSError: the file cannot be written.
        """
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
        images = generator.standard_normal((NOISE_IMAGES, 1, *shape), dtype=np.float32)
        return replace(in_precision(artifact, self.precision, images, path), architecture=architecture)

    def close(self) -> None:
        """As the protocol says."""
        self._folder.cleanup()
        self._device.close()
