"""Tests of the recorded device."""

from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact
from mnasnet.devices.device import Device
from mnasnet.devices.device_contract import DeviceContract
from mnasnet.fakes.recorded import RecordedDevice


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


def test_what_is_recorded_is_what_is_measured() -> None:
    device = RecordedDevice({"candidate": 6.0, "reference": 4.0}.get)
    latency = device.measure(artifact_of("candidate"), reference=artifact_of("reference"), agreed=None)
    assert latency.median_ms == pytest.approx(6.0)
    assert device.measured == ["candidate"]


def test_a_reference_that_is_not_recorded_has_the_time_given() -> None:
    device = RecordedDevice({"candidate": 6.0}.get, reference_ms=2.0)
    latency = device.measure(artifact_of("candidate"), reference=artifact_of("reference"), agreed=None)
    assert latency.ratio == pytest.approx(6.0 / 2.0)
