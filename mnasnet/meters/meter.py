"""The seam to what a network costs: a meter gives a quantity for an architecture or a file, with its conditions."""

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, DeviceCard, Format, Latency, Precision

Cost = TypeVar("Cost", covariant=True)
"""The record that a meter gives: its quantity with unit, interval and conditions."""


class Meter(Protocol[Cost]):
    """What a network or a file costs somewhere: its latency, or another quantity such as its size.

    Promises of every member, which `meter_contract.py` tests:

    - It gives records with their conditions, and never a bare number.
    - A quantity was measured now, of this network; or it is predicted, and its record says so.
    - A measurement that fails leaves the meter usable for the next.
    - `with` closes it at its end; members inherit that from here.
    """

    @property
    def name(self) -> str:
        """Where it measures, in a few words, the same each time; part of what identifies a search.

        Raises:
            DeviceError: a device has to be asked, and does not answer.
        """
        ...

    def measure_network(self, architecture: Architecture) -> Cost:
        """What a network costs; its weights do not matter for that.

        Raises:
            UnsuitableError: no network like it can be measured here: the request is at fault.
            DeviceLostError: the device went away and did not come back: nothing is known of the network.
            DeviceError: this network cannot be measured here.
            OSError: a file cannot be written.
        """
        ...

    def measure_file(self, artifact: Artifact) -> Cost:
        """What a file costs that is there already.

        Raises:
            UnsuitableError, DeviceLostError, DeviceError: as of `measure_network`.
        """
        ...

    def close(self) -> None:
        """Gives back all that is held; may be called twice."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class CalibratedDevice:
    """The device that predictions are of."""

    name: str
    """As the user named it, such as `ssh:pi@board`."""
    card: DeviceCard
    """As it was then."""


class ReferencedMeter(Meter[Latency], Protocol):
    """Latencies of a study: all of them in milliseconds of one reference network.

    Further promises:

    - `median_ms` is `ratio` times the `reference_ms` of `unit`, where there is one.
    - `measure_reference` sets `unit`, and nothing else does.
    """

    precision: Precision
    """Of the networks that it measures; a file may have another."""
    unit: Latency | None
    """The reference measured against itself, which fixes what a millisecond is; None before `measure_reference`."""

    @property
    def format(self) -> Format:
        """Of the files that it measures networks in.

        Raises:
            DeviceError: a device has to be asked, and does not answer.
        """
        ...

    @property
    def calibrated_device(self) -> CalibratedDevice | None:
        """The device behind predictions; None where everything is measured."""
        ...

    def prepare(self) -> None:
        """Makes ready what every measurement needs, so that what is wrong with that is said before the first.

        Raises:
            UnsuitableError, DeviceLostError, DeviceError, OSError: as of `measure_network`.
        """
        ...

    def use_reference(self, artifact: Artifact) -> None:
        """Measures against this file from here on; a table keeps the reference that it was calibrated with."""
        ...

    def measure_reference(self, *, launches: int, lenient: bool = False) -> Latency:
        """Measures the reference against itself; what it takes now is the unit from here on.

        Raises:
            UnsuitableError, DeviceLostError, DeviceError: as of `measure_file`.
        """
        ...

    def measure_file(self, artifact: Artifact, *, launches: int = 1, lenient: bool = False) -> Latency:
        """What a file takes, in `unit`, or where there is none in what the reference takes meanwhile.

        `launches` is the number of processes that the runs are spread over. `lenient` measures also what a search
        must not compare: a file of which something falls back from the delegate, or that runs on another runtime
        than the unit was measured with.

        Raises:
            UnsuitableError, DeviceLostError, DeviceError: as of `measure_network`.
            ValueError: `launches` is less than 1.
        """
        ...
