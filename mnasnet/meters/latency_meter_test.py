"""Tests of untrained.py."""

import dataclasses
from pathlib import Path

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Artifact, DeviceCard, Latency
from mnasnet.devices.device import DeviceError, DeviceLostError
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.latency_meter import LOST_AT_MOST, Untrained
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import mnasnet_space

SIZE, WIDTH = 16, 0.35
CONTROL = dataclasses.replace(MOBILENET_V2.scaled(WIDTH).fitted(SIZE), in_channels=1, classes=10)
SMALLEST = smallest_network(mnasnet_space(image_size=SIZE, in_channels=1, classes=10, width=WIDTH))
FILE = Artifact(path=Path("control.tflite"), format="tflite", digest=CONTROL.digest(), size_bytes=1)


def clock(control_ms: float = 1.0, smallest_ms: float = 0.5) -> RecordedDevice:
    return RecordedDevice({CONTROL.digest(): control_ms, SMALLEST.digest(): smallest_ms}.get)


def agreed(reference_ms: float) -> Latency:
    return dataclasses.replace(
        clock().measure(FILE, reference=FILE, agreed=None, launches=5), reference_ms=reference_ms
    )


class Unplugged(RecordedDevice):
    """Goes away for the next `times` questions, whatever they are."""

    def __init__(self, times: int) -> None:
        super().__init__(lambda digest: 1.0)
        self.times = times

    def _answer(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise DeviceLostError("the phone is unplugged")

    def card(self) -> DeviceCard:
        self._answer()
        return super().card()

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        self._answer()
        return super().measure(artifact, reference=reference, agreed=agreed, launches=launches)


class Restarting(Unplugged):
    """Goes away whenever it runs a network, and comes back at once."""

    def card(self) -> DeviceCard:
        self.times = 1
        return RecordedDevice.card(self)


class Falling(RecordedDevice):
    """Runs an operator outside its delegate."""

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        latency = super().measure(artifact, reference=reference, agreed=agreed, launches=launches)
        return dataclasses.replace(latency, not_delegated=("LOG_SOFTMAX",))


def test_a_candidate_is_timed_in_the_unit_that_the_reference_was_given() -> None:
    # Twice as fast as the reference, which this study takes to last 3 ms.
    device = clock()
    with Untrained(device, CONTROL, agreed=agreed(3.0)) as timed:
        assert timed(SMALLEST).median_ms == pytest.approx(1.5)
    assert device.measured == [SMALLEST.digest()]


def test_what_the_reference_takes_now_is_the_unit_from_then_on() -> None:
    with Untrained(clock(2.0, 0.5), CONTROL, agreed=None) as timed:
        assert timed.calibrate(launches=3).median_ms == 2.0
        assert timed.agreed is not None
        assert timed.agreed.reference_ms == 2.0
        assert timed(SMALLEST).median_ms == pytest.approx(0.5)


def test_files_go_with_the_timer() -> None:
    with Untrained(clock(), CONTROL, agreed=agreed(1.0)) as timed:
        assert timed.reference.path.is_file()
    assert not timed.reference.path.parent.exists()


def test_what_is_measured_says_which_architecture_it_is() -> None:
    with Untrained(clock(), CONTROL, agreed=None) as timed:
        assert isinstance(timed.reference.architecture, Architecture)
        assert timed.reference.architecture.digest() == timed.reference.digest


def test_a_device_that_went_away_is_waited_for_and_the_network_measured_again() -> None:
    heard: list[str] = []
    with Untrained(Unplugged(1), CONTROL, agreed=None, say=heard.append) as timed:
        assert timed(SMALLEST).median_ms == 1.0
    assert heard == [
        "the phone is unplugged; waiting for it, at most 10 min",
        "it is back, measuring again",
    ]


def test_a_device_that_stays_away_is_given_up() -> None:
    with (
        Untrained(Unplugged(99), CONTROL, agreed=None, wait_s=0.0) as timed,
        pytest.raises(DeviceLostError, match="the phone is unplugged"),
    ):
        timed(SMALLEST)


def test_a_network_that_each_time_drives_the_device_away_is_the_networks_fault() -> None:
    device = Restarting(1)
    with Untrained(device, CONTROL, agreed=None) as timed, pytest.raises(DeviceError) as raised:
        timed(SMALLEST)
    assert not isinstance(raised.value, DeviceLostError)
    assert str(raised.value) == f"lost {LOST_AT_MOST} times with the same network: the phone is unplugged"


def test_a_network_that_is_not_all_on_its_delegate_has_no_latency() -> None:
    with (
        Untrained(Falling(lambda digest: 1.0), CONTROL, agreed=None) as timed,
        pytest.raises(DeviceError, match="LOG_SOFTMAX of it would fall back"),
    ):
        timed(SMALLEST)


def test_what_may_fall_back_is_timed_with_what_did() -> None:
    with Untrained(Falling(lambda digest: 1.0), CONTROL, agreed=None) as timed:
        assert timed.of(timed.reference, launches=1, may_fall_back=True).not_delegated == ("LOG_SOFTMAX",)
        with pytest.raises(DeviceError, match="LOG_SOFTMAX of it would fall back"):
            timed.calibrate(launches=5)


def test_another_runtime_than_the_unit_was_agreed_on_with_is_refused() -> None:
    before = dataclasses.replace(agreed(1.0), runtime="LiteRT 1.0")
    with (
        Untrained(clock(), CONTROL, agreed=before) as timed,
        pytest.raises(DeviceError, match=r"the runtime is recorded now, and was LiteRT 1\.0 when"),
    ):
        timed(SMALLEST)
