"""The seam to hardware: a device runs model files and gives raw timings, always with their conditions."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from mnasnet.arch.records import Artifact, DeviceCard, Format
from mnasnet.base.errors import RequestError, RunError
from mnasnet.devices.timing import Timings

RETRY_STEP_S = 2.0
"""Between two questions to a device that is away."""


class DeviceError(RunError):
    """Nothing could be timed; the message is one line that says why and what to do."""


class UnsuitableError(RequestError):
    """What was asked for can never be timed there, whatever becomes of the device."""


class DeviceLostError(DeviceError):
    """The device is away and may come back: nothing is known of the file that was to be measured."""


def check_threads(threads: int, cores: int, *, name: str) -> None:
    """Nothing, where a device of so many cores has one for each thread, or tells of none.

    Raises:
        UnsuitableError: it has fewer.
    """
    if 0 < cores < threads:
        raise UnsuitableError(f"--threads {threads}: {name} has {cores} cores; give at most that")


class Device(Protocol):
    """Where model files run.

    Promises of every member, which `device_contract.py` tests:

    - What it returns was timed now, on this device, with these files; nothing is judged or left out.
    - A measurement leaves the device as it was, and a failed one leaves it usable for the next.
    - `with` closes it at its end; members inherit that from here.
    """

    @property
    def name(self) -> str:
        """The device in a few words, the same for every measurement on it; part of what identifies a search.

        Raises:
            DeviceError: it has to be asked, and does not answer.
            UnsuitableError: it has fewer cores than threads were asked for; so with all that asks the device.
        """
        ...

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats of files that it runs, `tflite` or `onnx`, what a search takes first.

        Raises:
            DeviceError: it has to be asked, and does not answer.
        """
        ...

    def read_card(self) -> DeviceCard:
        """What it is, and in which state it is now.

        Raises:
            DeviceLostError: it does not answer.
            DeviceError: it cannot measure, with the reason.
        """
        ...

    def measure_idle_shares(self) -> Mapping[int, float]:
        """Share of each core's time, 0 to 1, that nothing else takes now; empty where that cannot be told.

        Raises:
            DeviceLostError: it does not answer.
        """
        ...

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        """Times `artifact` and `reference` alternately, batch 1.

        `launches` is the number of processes to spread the runs over; 1 may use one that is already there.

        Raises:
            UnsuitableError: files of this format do not run there.
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
            device.read_card()
        except DeviceLostError:
            if time.monotonic() >= deadline:
                raise
            sleep(RETRY_STEP_S)
        else:
            return
