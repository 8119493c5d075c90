"""What every device promises, as a test class: a device's own test is a subclass with these four fixtures."""

import json

import pytest

from mnasnet.arch.records import Artifact, device_card_from_json
from mnasnet.devices.device import Device, DeviceError
from mnasnet.devices.timing import Timings


class DeviceContract:
    """Subclass it as `TestMyDevice` beside the fixtures `device`, `artifact`, `reference` and `broken`.

    Their scope is the class or wider, so that a real device is asked no more often than needed. `artifact` and
    `reference` can be run, `broken` cannot.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def timings(cls, device: Device, artifact: Artifact, reference: Artifact) -> Timings:
        """Those of one call, looked at by several tests."""
        return device.time_file(artifact, reference=reference)

    def test_every_run_took_a_time(self, timings: Timings) -> None:
        blocks = [block for launch in timings.launches for load in launch for block in load]
        assert blocks
        for block in blocks:
            assert min(*block.reference_ms, *block.candidate_ms, 1.0) > 0
            assert block.reference_ms
            assert block.candidate_ms
            assert block.summarized >= 1

    def test_every_launch_has_loads_enough_for_an_interval(self, timings: Timings) -> None:
        assert all(len(launch) >= 2 and all(launch) for launch in timings.launches)

    def test_timings_name_their_device_and_their_conditions(self, device: Device, timings: Timings) -> None:
        assert timings.device == device.name != ""
        assert timings.runtime != ""
        assert timings.clock != ""
        assert timings.threads >= 1
        assert timings.statistic in ("median", "mean")

    def test_its_card_names_what_it_times_with(self, device: Device, timings: Timings) -> None:
        card = device.read_card()
        assert card.name == device.name
        assert card.threads == timings.threads
        assert card.clock == timings.clock
        assert any(runtime in timings.runtime for runtime in card.runtimes)
        assert card.abi != ""
        assert card.system != ""
        assert device_card_from_json(json.loads(json.dumps(card.to_json()))) == card

    def test_it_says_which_files_it_runs(self, device: Device, artifact: Artifact) -> None:
        assert artifact.format in device.formats

    def test_one_launch_is_what_is_timed_unless_more_are_asked_for(self, timings: Timings) -> None:
        assert len(timings.launches) == 1

    def test_launches_are_counted(self, device: Device, artifact: Artifact, reference: Artifact) -> None:
        assert len(device.time_file(artifact, reference=reference, launches=2).launches) == 2

    def test_a_file_that_cannot_run_is_an_error_and_the_next_one_is_timed(
        self, device: Device, artifact: Artifact, reference: Artifact, broken: Artifact
    ) -> None:
        with pytest.raises(DeviceError):
            device.time_file(broken, reference=reference)
        assert device.time_file(artifact, reference=reference).launches

    def test_no_launch_is_refused(self, device: Device, artifact: Artifact, reference: Artifact) -> None:
        with pytest.raises(ValueError, match="at least 1 launch, not 0"):
            device.time_file(artifact, reference=reference, launches=0)

    def test_closing_twice_is_closing(self, device: Device) -> None:
        with device:
            device.close()
        device.close()
