"""A device whose latencies are known beforehand: for tests of whatever asks a device."""

from collections.abc import Callable, Mapping

from mnasnet.arch.records import Artifact, DeviceCard, Format, Latency
from mnasnet.devices.device import Device, DeviceError


class RecordedDevice(Device):
    """Answers with the latency recorded for a network's digest, exactly, with an interval of ± 1 %.

    `latency_ms` gives milliseconds for a digest, or None for a network that this device cannot run (a dict's `get`
    is such a function); the reference may be among them or not.
    """

    name = "recorded"
    formats: tuple[Format, ...] = ("tflite", "onnx")

    def __init__(self, latency_ms: Callable[[str], float | None], *, reference_ms: float = 1.0) -> None:
        self._latency_ms = latency_ms
        self._reference_ms = reference_ms
        self.measured: list[str] = []
        """The digests asked for, in order, failed ones included."""

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        """As the protocol says; the file is not opened.

        Raises:
            DeviceError: nothing is recorded for the digest.
            ValueError: `launches` is less than 1.
        """
        if launches < 1:
            raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
        self.measured.append(artifact.digest)
        own_ms = self._latency_ms(artifact.digest)
        if own_ms is None:
            raise DeviceError(f"no latency is recorded for network {artifact.digest}")
        recorded_ms = self._latency_ms(reference.digest)
        raw_reference_ms = self._reference_ms if recorded_ms is None else recorded_ms
        agreed_ms = raw_reference_ms if agreed is None else agreed.reference_ms
        ratio = own_ms / raw_reference_ms
        return Latency(
            median_ms=ratio * agreed_ms,
            low_ms=0.99 * ratio * agreed_ms,
            high_ms=1.01 * ratio * agreed_ms,
            ratio=ratio,
            reference_ms=agreed_ms,
            raw_ms=(own_ms,),
            raw_reference_ms=(raw_reference_ms,),
            runs=1,
            blocks_discarded=0,
            launches=launches,
            device=self.name,
            runtime="recorded",
            threads=1,
            cores=(),
            measured_at="2019-06-16T00:00:00+00:00",
        )

    def card(self) -> DeviceCard:
        """Nothing that could be asked."""
        return DeviceCard(
            name=self.name,
            system="none",
            abi="none",
            runtimes=("recorded",),
            clock="none",
            cores=(),
            threads=1,
            pinned=(),
            temperature_c=None,
        )

    def idle(self) -> Mapping[int, float]:
        """Nothing runs on it."""
        return {}

    def close(self) -> None:
        """Nothing is held."""
