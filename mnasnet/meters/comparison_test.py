"""Tests of files timed beside one another."""

import dataclasses
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import DeviceError
from mnasnet.devices.host import HostDevice
from mnasnet.devices.timing import Timings
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.comparison import busy_warning, compare_files, judge_pair, read_artifact
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.latency_meter import LatencyMeter

FILE = Artifact(path=Path("one.tflite"), format="tflite", digest="one", size_bytes=1)


def taking(low_ms: float, high_ms: float) -> Latency:
    latency = measure_latency(RecordedDevice(lambda digest: 1.0), FILE, reference=FILE, unit=None)
    return dataclasses.replace(latency, median_ms=(low_ms + high_ms) / 2, low_ms=low_ms, high_ms=high_ms)


def test_intervals_that_meet_are_tied_and_others_are_not() -> None:
    assert judge_pair(taking(1.0, 1.1), taking(1.2, 1.3)) == "faster"
    assert judge_pair(taking(1.2, 1.3), taking(1.0, 1.1)) == "slower"
    assert judge_pair(taking(1.0, 1.2), taking(1.1, 1.3)) == "tied"
    assert judge_pair(taking(1.0, 1.1), taking(1.1, 1.3)) == "tied"


def test_the_first_file_is_the_unit_and_as_noisy_as_a_copy_of_it(tmp_path: Path) -> None:
    paths = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
    for path in paths:
        path.write_text(path.name)
    milliseconds = {read_artifact(paths[0]).digest: 2.0, read_artifact(paths[1]).digest: 3.0}
    with LatencyMeter(RecordedDevice(milliseconds.get)) as meter:
        first, second = compare_files(meter, paths, launches=1)
    assert (first.latency.ratio, first.latency.median_ms) == (1.0, 2.0)
    assert (first.latency.low_ms, first.latency.high_ms) == pytest.approx((2.0 / 1.01, 2.0 * 1.01), rel=1e-3)
    assert first.interval_ms == pytest.approx((2.0 / 1.01, 2.0 * 1.01), rel=1e-3)
    assert second.latency.median_ms == pytest.approx(3.0)
    assert second.latency.ratio == pytest.approx(1.5)


@pytest.mark.parametrize(("thrown", "said"), [((0, 0), None), ((2, 2), None), ((2, 4), "60% of the blocks")])
def test_milliseconds_of_a_busy_machine_are_called_that(thrown: tuple[int, int], said: str | None) -> None:
    latencies = [dataclasses.replace(taking(1.0, 1.1), blocks_discarded=count) for count in thrown]
    found = busy_warning(latencies)
    assert found is None if said is None else found is not None and found.startswith(said)


class Off(RecordedDevice):
    """Finds a network 5 % slower than its copy, with an interval of 4 to 6 %."""

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        recorded = RecordedDevice({artifact.digest: 1.05}.get)
        return recorded.time_file(artifact, reference=FILE, launches=launches)


def test_a_copy_that_was_off_widens_the_units_interval_to_hold_it(artifact: Artifact) -> None:
    with LatencyMeter(Off(lambda digest: 1.0)) as meter:
        (only,) = compare_files(meter, [artifact.path], launches=1)
    assert (only.latency.low_ms, only.latency.median_ms) == pytest.approx((1 / 1.06, 1.0), rel=1e-3)
    assert only.latency.high_ms == pytest.approx(1.06, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.txt", "give a file whose name ends in .tflite or .onnx"), ("a.tflite", "No such file")],
)
def test_what_is_no_file_to_be_timed_is_refused_before_anything_is(
    tmp_path: Path, artifact: Artifact, name: str, said: str
) -> None:
    device = RecordedDevice(lambda digest: 1.0)
    with LatencyMeter(device) as meter, pytest.raises(RequestError, match=said):
        compare_files(meter, [artifact.path, tmp_path / name])
    assert device.timed == []


@pytest.mark.slow
def test_a_longer_network_is_slower_on_the_real_runtime(
    artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(reference.path.read_bytes())
    # About five times the multiply-adds.
    with LatencyMeter(HostDevice()) as meter:
        short, long, again = compare_files(meter, [reference.path, artifact.path, copy], launches=3)
    assert judge_pair(short.latency, long.latency) == "faster"
    assert judge_pair(long.latency, again.latency) == "slower"
    assert long.latency.launches == 3


def test_a_file_that_cannot_be_run_is_an_error(artifact: Artifact, broken: Artifact) -> None:
    with LatencyMeter(HostDevice()) as meter, pytest.raises(DeviceError, match=r"broken\.tflite"):
        compare_files(meter, [artifact.path, broken.path], launches=1)
