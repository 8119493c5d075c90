"""The seam to hardware: a device gives the latency of a model file, always with its conditions."""

from types import TracebackType
from typing import Protocol, Self

from mnasnet.arch.records import Artifact, Latency


class DeviceError(Exception):
    """No latency could be measured; the message is one line that says why and what to do."""


class Device(Protocol):
    """Where latency is measured.

    Promises of every member, which `device_contract.py` tests:

    - What it returns was measured now, on this device, with this file; there is no estimate and no default.
    - A measurement leaves the device as it was, and a failed one leaves it usable for the next.
    - `with` closes it at its end.
    """

    @property
    def name(self) -> str:
        """The device in a few words, the same for every measurement on it; part of what identifies a search."""

    def measure(
        self, artifact: Artifact, *, reference: Artifact, reference_ms: float | None, launches: int = 1
    ) -> Latency:
        """Times `artifact` and `reference` alternately, batch 1.

        `reference_ms` is what one run of the reference is agreed to last, in milliseconds, so that all latencies
        of a study are in the same unit however fast the machine is at the moment. With None it is what the
        reference takes during this measurement: its latency record carries it on as `reference_ms`.

        `launches` is the number of processes to spread the runs over; 1 may use one that is already there.

        Raises:
            DeviceError: the file cannot be run, or the device was lost, or the time limit has passed.
        """

    def close(self) -> None:
        """Gives back all that is held; may be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
