"""Tests of the recorded device."""

from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices.device import Device
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.latency import measure_latency


def artifact_of(digest: str) -> Artifact:
    return Artifact(path=Path("nowhere.tflite"), format="tflite", digest=digest, size_bytes=1)


class TestRecordedDevice(DeviceContract):
    @pytest.fixture(scope="class")
    @classmethod
    def device(cls) -> Device:
        return RecordedDevice({"candidate": 6.0, "reference": 4.0}.get)

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls) -> Artifact:
        return artifact_of("candidate")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls) -> Artifact:
        return artifact_of("reference")

    @pytest.fixture(scope="class")
    @classmethod
    def broken(cls) -> Artifact:
        return artifact_of("unknown")


def recorded_latency(device: RecordedDevice, *, launches: int = 1) -> Latency:
    return measure_latency(
        device, artifact_of("candidate"), reference=artifact_of("reference"), unit=None, launches=launches
    )


def test_what_is_recorded_is_what_is_measured_and_one_launch_tells_one_percent() -> None:
    device = RecordedDevice({"candidate": 6.0, "reference": 4.0}.get)
    latency = recorded_latency(device)
    assert latency.median_ms == pytest.approx(6.0)
    assert (latency.low_ms, latency.high_ms) == pytest.approx((6.0 / 1.01, 6.0 * 1.01), rel=1e-3)
    assert device.timed == ["candidate"]


def test_a_reference_that_is_not_recorded_has_the_time_given() -> None:
    device = RecordedDevice({"candidate": 6.0}.get, reference_ms=2.0)
    assert recorded_latency(device, launches=5).ratio == pytest.approx(6.0 / 2.0)
