"""Tests of files timed beside one another."""

import dataclasses
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import DeviceError
from mnasnet.devices.host import HostDevice
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.comparison import artifact_at, busy, compare, verdict

FILE = Artifact(path=Path("one.tflite"), format="tflite", digest="one", size_bytes=1)


def taking(low_ms: float, high_ms: float) -> Latency:
    latency = RecordedDevice(lambda digest: 1.0).measure(FILE, reference=FILE, agreed=None)
    return dataclasses.replace(latency, median_ms=(low_ms + high_ms) / 2, low_ms=low_ms, high_ms=high_ms)


def test_intervals_that_meet_are_tied_and_others_are_not() -> None:
    assert verdict(taking(1.0, 1.1), taking(1.2, 1.3)) == "faster"
    assert verdict(taking(1.2, 1.3), taking(1.0, 1.1)) == "slower"
    assert verdict(taking(1.0, 1.2), taking(1.1, 1.3)) == "tied"
    assert verdict(taking(1.0, 1.1), taking(1.1, 1.3)) == "tied"


def test_the_first_file_is_the_unit_and_as_noisy_as_a_copy_of_it(tmp_path: Path) -> None:
    paths = [tmp_path / "a.tflite", tmp_path / "b.tflite"]
    for path in paths:
        path.write_text(path.name)
    milliseconds = {artifact_at(paths[0]).digest: 2.0, artifact_at(paths[1]).digest: 3.0}
    first, second = compare(RecordedDevice(milliseconds.get), paths)
    assert (first.latency.ratio, first.latency.median_ms) == (1.0, 2.0)
    assert (first.latency.low_ms, first.latency.high_ms) == pytest.approx((2.0 / 1.01, 2.0 * 1.01), rel=1e-3)
    assert first.interval_ms == pytest.approx((2.0 / 1.01, 2.0 * 1.01), rel=1e-3)
    assert second.latency.median_ms == pytest.approx(3.0)
    assert second.latency.ratio == pytest.approx(1.5)


@pytest.mark.parametrize(("thrown", "said"), [((0, 0), None), ((1, 1), None), ((1, 2), "60% of the blocks")])
def test_milliseconds_of_a_busy_machine_are_called_that(thrown: tuple[int, int], said: str | None) -> None:
    latencies = [dataclasses.replace(taking(1.0, 1.1), blocks_discarded=count) for count in thrown]
    found = busy(latencies)
    assert found is None if said is None else found is not None and found.startswith(said)


class Off(RecordedDevice):
    """Finds a network 5 % slower than its copy."""

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        latency = super().measure(artifact, reference=reference, agreed=agreed, launches=launches)
        return dataclasses.replace(latency, ratio=1.05, median_ms=1.05, low_ms=1.04, high_ms=1.06)


def test_a_copy_that_was_off_widens_the_units_interval_to_hold_it(artifact: Artifact) -> None:
    (only,) = compare(Off(lambda digest: 1.0), [artifact.path])
    assert (only.latency.low_ms, only.latency.median_ms) == pytest.approx((1 / 1.06, 1.0))
    assert only.latency.high_ms == pytest.approx(1.06)


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.txt", "give a file whose name ends in .tflite or .onnx"), ("a.tflite", "No such file")],
)
def test_what_is_no_file_to_be_timed_is_refused_before_anything_is(
    tmp_path: Path, artifact: Artifact, name: str, said: str
) -> None:
    device = RecordedDevice(lambda digest: 1.0)
    with pytest.raises(RequestError, match=said):
        compare(device, [artifact.path, tmp_path / name])
    assert device.measured == []


@pytest.mark.slow
def test_a_longer_network_is_slower_on_the_real_runtime(
    artifact: Artifact, reference: Artifact, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tflite"
    copy.write_bytes(reference.path.read_bytes())
    # About five times the multiply-adds.
    with HostDevice() as host:
        short, long, again = compare(host, [reference.path, artifact.path, copy], launches=3)
    assert verdict(short.latency, long.latency) == "faster"
    assert verdict(long.latency, again.latency) == "slower"
    assert long.latency.launches == 3


def test_a_file_that_cannot_be_run_is_an_error(artifact: Artifact, broken: Artifact) -> None:
    with HostDevice() as host, pytest.raises(DeviceError, match=r"broken\.tflite"):
        compare(host, [artifact.path, broken.path], launches=1)
