"""What every device promises, as a test class: a device's own test is a subclass with these four fixtures."""

import dataclasses
import json
from statistics import median

import pytest

from mnasnet.arch.records import Artifact, Latency, device_card_from_json, latency_from_json
from mnasnet.devices.device import Device, DeviceError, UnsuitableError


class DeviceContract:
    """Subclass it as `TestMyDevice` beside the fixtures `device`, `artifact`, `reference` and `broken`.

    Their scope is the class or wider, so that a real device is asked no more often than needed. `artifact` and
    `reference` can be run, `broken` cannot.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def latency(cls, device: Device, artifact: Artifact, reference: Artifact) -> Latency:
        """One measurement, looked at by several tests."""
        return device.measure(artifact, reference=reference, agreed=None)

    def test_a_latency_lies_in_its_interval(self, latency: Latency) -> None:
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms

    def test_a_latency_names_its_device_and_its_conditions(self, device: Device, latency: Latency) -> None:
        assert latency.device == device.name != ""
        assert latency.runtime != ""
        assert latency.threads >= 1
        assert latency.predicted or latency.runs >= len(latency.raw_ms) >= 1
        assert len(latency.raw_ms) == len(latency.raw_reference_ms)
        assert latency.statistic in ("median", "mean")

    def test_its_card_names_what_it_measures_with(self, device: Device, latency: Latency) -> None:
        card = device.card()
        assert card.name == device.name
        assert card.threads == latency.threads
        assert any(runtime in latency.runtime for runtime in card.runtimes)
        assert card.abi != ""
        assert card.system != ""
        assert device_card_from_json(json.loads(json.dumps(card.to_json()))) == card

    def test_it_says_which_files_it_runs(self, device: Device, artifact: Artifact) -> None:
        assert artifact.format in device.formats

    def test_a_latency_survives_json(self, latency: Latency) -> None:
        assert latency_from_json(json.loads(json.dumps(latency.to_json()))) == latency

    def test_without_an_agreed_time_the_reference_lasts_what_it_took(self, latency: Latency) -> None:
        assert latency.predicted or latency.reference_ms == median(latency.raw_reference_ms)
        assert latency.median_ms == pytest.approx(latency.ratio * latency.reference_ms)

    def test_the_agreed_time_of_the_reference_is_the_unit(
        self, device: Device, artifact: Artifact, reference: Artifact, latency: Latency
    ) -> None:
        agreed = dataclasses.replace(latency, reference_ms=1000.0)
        latency = device.measure(artifact, reference=reference, agreed=agreed)
        assert latency.reference_ms == 1000.0
        assert latency.median_ms == pytest.approx(latency.ratio * 1000.0)

    def test_launches_are_counted(self, device: Device, artifact: Artifact, reference: Artifact) -> None:
        assert device.measure(artifact, reference=reference, agreed=None, launches=2).launches == 2

    def test_a_file_that_cannot_run_is_an_error_and_the_next_one_is_measured(
        self, device: Device, artifact: Artifact, reference: Artifact, broken: Artifact
    ) -> None:
        with pytest.raises((DeviceError, UnsuitableError)):
            device.measure(broken, reference=reference, agreed=None)
        assert device.measure(artifact, reference=reference, agreed=None).median_ms > 0

    def test_no_launch_is_refused(self, device: Device, artifact: Artifact, reference: Artifact) -> None:
        with pytest.raises(ValueError, match="at least 1 launch, not 0"):
            device.measure(artifact, reference=reference, agreed=None, launches=0)

    def test_closing_twice_is_closing(self, device: Device) -> None:
        with device:
            device.close()
        device.close()
