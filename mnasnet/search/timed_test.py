"""Tests of timed.py."""

from pathlib import Path

import pytest

from mnasnet.devices.host import HostDevice
from mnasnet.devices.recorded import RecordedDevice
from mnasnet.export.tflite import write_tflite
from mnasnet.nn.network import fold
from mnasnet.search.conftest import CONTROL, SPACE
from mnasnet.search.run import smallest_network
from mnasnet.search.timed import Untrained
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.train.data import load
from mnasnet.train.loop import Recipe, train

SMALLEST = smallest_network(SPACE)


def test_a_candidate_is_timed_in_the_unit_that_the_reference_was_given() -> None:
    # Twice as fast as the reference, which this study takes to last 3 ms.
    clock = RecordedDevice({CONTROL.digest(): 1.0, SMALLEST.digest(): 0.5}.get)
    with Untrained(clock, CONTROL, reference_ms=3.0) as timed:
        assert timed(SMALLEST).median_ms == pytest.approx(1.5)
    assert clock.measured == [SMALLEST.digest()]


def test_what_the_reference_takes_now_is_the_unit_from_then_on() -> None:
    clock = RecordedDevice({CONTROL.digest(): 2.0, SMALLEST.digest(): 0.5}.get)
    with Untrained(clock, CONTROL, reference_ms=None) as timed:
        assert timed.calibrate(launches=3).median_ms == 2.0
        assert timed.reference_ms == 2.0
        assert timed(SMALLEST).median_ms == pytest.approx(0.5)


def test_files_go_with_the_timer() -> None:
    with Untrained(RecordedDevice(lambda digest: 1.0), CONTROL, reference_ms=1.0) as timed:
        assert timed.reference.path.is_file()
    assert not timed.reference.path.parent.exists()


@pytest.mark.slow
def test_the_trained_network_takes_the_time_of_the_untrained_one(cache: Path, tmp_path: Path) -> None:
    data = load("digits", image_size=32, limit=200)
    space = mnasnet_space(image_size=32, in_channels=1, classes=10, width=0.5)
    options = space.distributions.items()
    architecture = space.decode({name: option.choices[-1] for name, option in options})  # type: ignore[misc]
    network = train(architecture, data, data.train_and_held_out, Recipe(epochs=1), seed=0)
    trained = write_tflite(architecture, fold(network), tmp_path / "trained.tflite")
    with HostDevice() as host, Untrained(host, architecture, reference_ms=1.0) as timed:
        latency = timed.of(trained, launches=5)
    # The reference is the same network, untrained: the ratio's interval reaches 1 within 3 %.
    assert latency.low_ms <= 1.03
    assert latency.high_ms >= 0.97
    assert latency.ratio == pytest.approx(1.0, abs=0.05)
