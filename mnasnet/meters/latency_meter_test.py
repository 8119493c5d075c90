"""Tests of the latency meter."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Artifact, DeviceCard, Latency
from mnasnet.devices.device import Device, DeviceError, DeviceLostError
from mnasnet.devices.host import HostDevice
from mnasnet.devices.timing import Timings
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.latency_meter import MOST_LOSSES, LatencyMeter
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.meters.meter_contract import MeterContract, OpenMeter
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import mnasnet_space

SIZE, WIDTH = 16, 0.35
CONTROL = dataclasses.replace(MOBILENET_V2.scaled(WIDTH).fitted(SIZE), in_channels=1, classes=10)
SMALLEST = smallest_network(mnasnet_space(image_size=SIZE, in_channels=1, classes=10, width=WIDTH))
FILE = Artifact(path=Path("control.tflite"), format="tflite", digest=CONTROL.digest(), size_bytes=1)


def clock(control_ms: float = 1.0, smallest_ms: float = 0.5) -> RecordedDevice:
    return RecordedDevice({CONTROL.digest(): control_ms, SMALLEST.digest(): smallest_ms}.get)


def unit_of(reference_ms: float) -> Latency:
    latency = measure_latency(clock(), FILE, reference=FILE, unit=None, launches=5)
    return dataclasses.replace(latency, reference_ms=reference_ms)


def meter_on(make_device: Callable[[], Device]) -> OpenMeter:
    def open_meter(unit: Latency | None) -> ReferencedMeter:
        return LatencyMeter(make_device(), CONTROL, unit=unit)

    return open_meter


class TestMeterOfARecordedDevice(MeterContract):
    @pytest.fixture(scope="class")
    @classmethod
    def open_meter(cls) -> OpenMeter:
        return meter_on(clock)

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls) -> Architecture:
        return SMALLEST

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls) -> Artifact:
        return FILE

    @pytest.fixture(scope="class")
    @classmethod
    def broken(cls) -> Artifact:
        return dataclasses.replace(FILE, digest="unknown")


class TestMeterOfTheHost(MeterContract):
    @pytest.fixture(scope="class")
    @classmethod
    def open_meter(cls) -> OpenMeter:
        return meter_on(HostDevice)

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls) -> Architecture:
        return SMALLEST


class Unplugged(RecordedDevice):
    """Goes away for the next `times` questions, whatever they are."""

    def __init__(self, times: int) -> None:
        super().__init__(lambda digest: 1.0)
        self.times = times

    def _answer(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise DeviceLostError("the phone is unplugged")

    def read_card(self) -> DeviceCard:
        self._answer()
        return super().read_card()

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        self._answer()
        return super().time_file(artifact, reference=reference, launches=launches)


class Restarting(Unplugged):
    """Goes away whenever it runs a network, and comes back at once."""

    def read_card(self) -> DeviceCard:
        self.times = 1
        return RecordedDevice.read_card(self)


class Falling(RecordedDevice):
    """Runs an operator outside its delegate."""

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        timings = super().time_file(artifact, reference=reference, launches=launches)
        return dataclasses.replace(timings, not_delegated=("LOG_SOFTMAX",))


def test_a_candidate_is_timed_in_the_unit_that_the_reference_was_given() -> None:
    # Twice as fast as the reference, which this study takes to last 3 ms.
    device = clock()
    with LatencyMeter(device, CONTROL, unit=unit_of(3.0)) as meter:
        assert meter.measure_network(SMALLEST).median_ms == pytest.approx(1.5)
    assert device.timed == [SMALLEST.digest()]


def test_what_the_reference_takes_now_is_the_unit_from_then_on() -> None:
    with LatencyMeter(clock(2.0, 0.5), CONTROL, unit=None) as meter:
        assert meter.measure_reference(launches=3).median_ms == 2.0
        assert meter.unit is not None
        assert meter.unit.reference_ms == 2.0
        assert meter.measure_network(SMALLEST).median_ms == pytest.approx(0.5)


def test_files_go_with_the_timer() -> None:
    with LatencyMeter(clock(), CONTROL, unit=unit_of(1.0)) as meter:
        assert meter.reference.path.is_file()
    assert not meter.reference.path.parent.exists()


def test_what_is_measured_says_which_architecture_it_is() -> None:
    with LatencyMeter(clock(), CONTROL, unit=None) as meter:
        assert isinstance(meter.reference.architecture, Architecture)
        assert meter.reference.architecture.digest() == meter.reference.digest


def test_a_device_that_went_away_is_waited_for_and_the_network_measured_again() -> None:
    heard: list[str] = []
    with LatencyMeter(Unplugged(1), CONTROL, unit=None, say=heard.append) as meter:
        assert meter.measure_network(SMALLEST).median_ms == 1.0
    assert heard == [
        "the phone is unplugged; waiting for it, at most 10 min",
        "it is back, measuring again",
    ]


def test_a_device_that_stays_away_is_given_up() -> None:
    with (
        LatencyMeter(Unplugged(99), CONTROL, unit=None, wait_s=0.0) as meter,
        pytest.raises(DeviceLostError, match="the phone is unplugged"),
    ):
        meter.measure_network(SMALLEST)


def test_a_network_that_each_time_drives_the_device_away_is_the_networks_fault() -> None:
    device = Restarting(1)
    with LatencyMeter(device, CONTROL, unit=None) as meter, pytest.raises(DeviceError) as raised:
        meter.measure_network(SMALLEST)
    assert not isinstance(raised.value, DeviceLostError)
    assert str(raised.value) == f"lost {MOST_LOSSES} times with the same network: the phone is unplugged"


def test_a_network_that_is_not_all_on_its_delegate_has_no_latency() -> None:
    with (
        LatencyMeter(Falling(lambda digest: 1.0), CONTROL, unit=None) as meter,
        pytest.raises(DeviceError, match="LOG_SOFTMAX of it would fall back"),
    ):
        meter.measure_network(SMALLEST)


def test_what_may_fall_back_is_measured_with_what_did() -> None:
    with LatencyMeter(Falling(lambda digest: 1.0), CONTROL, unit=None) as meter:
        assert meter.measure_file(meter.reference, lenient=True).not_delegated == ("LOG_SOFTMAX",)
        with pytest.raises(DeviceError, match="LOG_SOFTMAX of it would fall back"):
            meter.measure_reference(launches=5)


def test_another_runtime_than_the_unit_was_agreed_on_with_is_refused() -> None:
    before = dataclasses.replace(unit_of(1.0), runtime="LiteRT 1.0")
    with (
        LatencyMeter(clock(), CONTROL, unit=before) as meter,
        pytest.raises(DeviceError, match=r"the runtime is recorded, no clock now, and was LiteRT 1\.0 when"),
    ):
        meter.measure_network(SMALLEST)


def test_a_meter_that_does_not_wait_says_at_once_that_the_device_is_away() -> None:
    device = Unplugged(1)
    with LatencyMeter(device, CONTROL, wait_s=None) as meter:
        with pytest.raises(DeviceLostError, match="the phone is unplugged"):
            meter.measure_network(SMALLEST)
        assert meter.measure_network(SMALLEST).median_ms == pytest.approx(1.0)


def test_files_are_measured_against_the_one_that_is_chosen() -> None:
    with LatencyMeter(RecordedDevice({"a": 2.0, "b": 3.0}.get)) as meter:
        meter.use_reference(dataclasses.replace(FILE, digest="a"))
        assert meter.measure_reference(launches=1).median_ms == 2.0
        assert meter.measure_file(dataclasses.replace(FILE, digest="b")).ratio == pytest.approx(3.0 / 2.0)


def test_without_any_reference_nothing_is_measured() -> None:
    with LatencyMeter(clock()) as meter, pytest.raises(ValueError, match="give a reference"):
        meter.measure_network(SMALLEST)
