"""What every meter of latencies promises, as a test class: a meter's own test is a subclass with four fixtures."""

import dataclasses
import json
from collections.abc import Callable
from statistics import median

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Latency, latency_from_json
from mnasnet.devices.device import DeviceError, UnsuitableError
from mnasnet.meters.meter import ReferencedMeter

OpenMeter = Callable[[Latency | None], ReferencedMeter]
"""Opens the meter, with the unit of a study or none yet."""


class MeterContract:
    """Subclass it as `TestMyMeter` beside the fixtures `open_meter`, `network`, `artifact` and `broken`.

    Their scope is the class or wider, so that a real device is asked no more often than needed. `network` and
    `artifact` can be measured, `broken` cannot.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def latency(cls, open_meter: OpenMeter, artifact: Artifact) -> Latency:
        """Of one file without a unit, looked at by several tests."""
        with open_meter(None) as meter:
            return meter.measure_file(artifact)

    @pytest.fixture(scope="class")
    @classmethod
    def unit(cls, open_meter: OpenMeter) -> Latency:
        """What a study measures at its start."""
        with open_meter(None) as meter:
            return meter.measure_reference(launches=3)

    def test_a_latency_lies_in_its_interval(self, latency: Latency) -> None:
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms

    def test_a_latency_names_its_meter_and_its_conditions(
        self, open_meter: OpenMeter, latency: Latency
    ) -> None:
        with open_meter(None) as meter:
            assert latency.device == meter.name != ""
        assert latency.runtime != ""
        assert latency.threads >= 1
        assert latency.predicted or latency.runs >= len(latency.raw_ms) >= 1
        assert len(latency.raw_ms) == len(latency.raw_reference_ms)
        assert latency.statistic in ("median", "mean")

    def test_what_is_predicted_says_so_and_of_which_device(
        self, open_meter: OpenMeter, latency: Latency
    ) -> None:
        with open_meter(None) as meter:
            assert latency.predicted == (meter.calibrated_device is not None)

    def test_a_latency_survives_json(self, latency: Latency) -> None:
        assert latency_from_json(json.loads(json.dumps(latency.to_json()))) == latency

    def test_without_a_unit_the_reference_lasts_what_it_took(self, latency: Latency) -> None:
        assert latency.predicted or latency.reference_ms == median(latency.raw_reference_ms)
        assert latency.median_ms == pytest.approx(latency.ratio * latency.reference_ms)

    def test_the_time_of_the_reference_is_the_unit_of_all(
        self, open_meter: OpenMeter, network: Architecture, artifact: Artifact, unit: Latency
    ) -> None:
        with open_meter(dataclasses.replace(unit, reference_ms=1000.0)) as meter:
            for latency in (meter.measure_file(artifact), meter.measure_network(network)):
                assert latency.reference_ms == 1000.0
                assert latency.median_ms == pytest.approx(latency.ratio * 1000.0)

    def test_measuring_the_reference_sets_the_unit(self, open_meter: OpenMeter) -> None:
        with open_meter(None) as meter:
            assert meter.unit is None
            assert meter.measure_reference(launches=3) == meter.unit

    def test_a_file_sets_no_unit(self, open_meter: OpenMeter, artifact: Artifact) -> None:
        with open_meter(None) as meter:
            meter.measure_file(artifact)
            assert meter.unit is None

    def test_launches_are_counted(self, open_meter: OpenMeter, artifact: Artifact, unit: Latency) -> None:
        assert unit.launches == 3
        with open_meter(unit) as meter:
            assert meter.measure_file(artifact, launches=2).launches == 2
            with pytest.raises(ValueError, match="at least 1 launch, not 0"):
                meter.measure_file(artifact, launches=0)

    def test_a_file_that_cannot_be_measured_is_an_error_and_the_next_one_is_measured(
        self, open_meter: OpenMeter, artifact: Artifact, broken: Artifact
    ) -> None:
        with open_meter(None) as meter:
            with pytest.raises((DeviceError, UnsuitableError)):
                meter.measure_file(broken)
            assert meter.measure_file(artifact).median_ms > 0

    def test_a_network_is_measured_in_files_of_one_format_and_precision(
        self, open_meter: OpenMeter, artifact: Artifact
    ) -> None:
        with open_meter(None) as meter:
            assert (meter.format, meter.precision) == (artifact.format, artifact.precision)

    def test_it_is_ready_once_it_was_prepared(self, open_meter: OpenMeter, artifact: Artifact) -> None:
        with open_meter(None) as meter:
            meter.prepare()
            assert meter.unit is None
            assert meter.measure_file(artifact).median_ms > 0

    def test_closing_twice_is_closing(self, open_meter: OpenMeter) -> None:
        with open_meter(None) as meter:
            meter.close()
        meter.close()
