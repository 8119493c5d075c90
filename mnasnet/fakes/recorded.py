"""A device whose timings are known beforehand: for tests of whatever measures on a device."""

import math
from collections.abc import Callable, Mapping

from mnasnet.arch.records import Artifact, DeviceCard, Format
from mnasnet.devices.device import Device, DeviceError
from mnasnet.devices.timing import TimedBlock, Timings

LOADS_OFF = 0.01 / 12.706
"""By how much the two loads of a launch are off, as a logarithm: Student's interval of them is ± 1 %."""


class RecordedDevice(Device):
    """Answers with the time recorded for a network's digest, of which a single launch tells ± 1 %.

    `recorded_ms` gives milliseconds for a digest, or None for a network that this device cannot run (a dict's `get`
    is such a function); the reference may be among them or not.
    """

    name = "recorded"

    def __init__(self, recorded_ms: Callable[[str], float | None], *, reference_ms: float = 1.0) -> None:
        self._recorded_ms = recorded_ms
        self._reference_ms = reference_ms
        self.timed: list[str] = []
        """The digests asked for, in order, failed ones included."""

    @property
    def formats(self) -> tuple[Format, ...]:
        """As the protocol says."""
        return ("tflite", "onnx")

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        """As the protocol says; the file is not opened.

        Raises:
            DeviceError: nothing is recorded for the digest.
            ValueError: `launches` is less than 1.
        """
        if launches < 1:
            raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
        self.timed.append(artifact.digest)
        candidate_ms = self._recorded_ms(artifact.digest)
        if candidate_ms is None:
            raise DeviceError(f"no latency is recorded for network {artifact.digest}")
        reference_ms = self._recorded_ms(reference.digest)
        if reference_ms is None:
            reference_ms = self._reference_ms
        launch = tuple(
            (TimedBlock(reference_ms=(reference_ms,), candidate_ms=(candidate_ms * math.exp(off),)),)
            for off in (LOADS_OFF, -LOADS_OFF)
        )
        return Timings(
            launches=(launch,) * launches,
            device=self.name,
            runtime="recorded",
            clock="no clock",
            threads=1,
            cores=(),
            measured_at="2019-06-16T00:00:00+00:00",
        )

    def read_card(self) -> DeviceCard:
        """Nothing that could be asked."""
        return DeviceCard(
            name=self.name,
            system="none",
            abi="none",
            runtimes=("recorded",),
            clock="no clock",
            cores=(),
            threads=1,
            pinned=(),
            temperature_c=None,
        )

    def measure_idle_shares(self) -> Mapping[int, float]:
        """Nothing runs on it."""
        return {}

    def close(self) -> None:
        """Nothing is held."""
