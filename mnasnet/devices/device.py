"""The seam to hardware: a device gives the latency of a model file, always with its conditions."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from mnasnet.arch.records import Artifact, DeviceCard, Format, Latency
from mnasnet.base.errors import RequestError, RunError

ASK_AGAIN_S = 2.0
"""Between two questions to a device that is away."""


class DeviceError(RunError):
    """Nothing could be timed; the message is one line that says why and what to do."""


class UnsuitableError(RequestError):
    """What was asked for can never be timed there, whatever becomes of the device."""


class DeviceLostError(DeviceError):
    """The device is away and may come back: nothing is known of the file that was to be measured."""


def check_threads(threads: int, cores: int, *, called: str) -> None:
    """Nothing, where a device of so many cores has one for each thread, or tells of none.

    Raises:
        UnsuitableError: it has fewer.
    """
    if 0 < cores < threads:
        raise UnsuitableError(
            f"{called} has {cores} cores; give at most that", field="threads", value=threads
        )


class Device(Protocol):
    """Where latency is measured.

    Promises of every member, which `device_contract.py` tests:

    - What it returns was measured now, on this device, with this file; or it is `predicted`, and says so.
    - A measurement leaves the device as it was, and a failed one leaves it usable for the next.
    - `with` closes it at its end; members inherit that from here.
    """

    @property
    def name(self) -> str:
        """The device in a few words, the same for every measurement on it; part of what identifies a search.

        Raises:
            DeviceError: it has to be asked, and does not answer.
        """
        ...

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of files that it runs, `tflite` or `onnx`, what a search takes first.

        Raises:
            DeviceError: it has to be asked, and does not answer.
        """
        ...

    def card(self) -> DeviceCard:
        """What it is, and in which state it is now.

        Raises:
            DeviceLostError: it does not answer.
            DeviceError: it cannot measure, with the reason.
        """
        ...

    def idle(self) -> Mapping[int, float]:
        """Share of each core's time, 0 to 1, that nothing else takes now; empty where that cannot be told.

        Raises:
            DeviceLostError: it does not answer.
        """
        ...

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        """Times `artifact` and `reference` alternately, batch 1.

        `agreed` is an earlier measurement of the reference against itself, in several launches. It fixes the unit:
        one run of the reference is taken to last its `reference_ms`, so that all latencies of a study are in the
        same milliseconds however fast the machine is at the moment; and it tells what differs between launches.
        With None the unit is what the reference takes during this measurement, which the record carries on as
        `reference_ms`.

        `launches` is the number of processes to spread the runs over; 1 may use one that is already there.

        Raises:
            DeviceLostError: the device went away.
            DeviceError: the file cannot be run, or the time limit has passed.
            ValueError: `launches` is less than 1.
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


def wait_for(device: Device, *, limit_s: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns when a lost device answers again.

    Raises:
        DeviceLostError: it has not within `limit_s`.
        DeviceError: it answers, and cannot measure.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            device.card()
        except DeviceLostError:
            if time.monotonic() >= deadline:
                raise
            sleep(ASK_AGAIN_S)
        else:
            return
