"""Tests of calibration, on a simulated device whose truth is known."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import DeviceError
from mnasnet.fakes.roofline import RooflineDevice, truth_ms
from mnasnet.meters.calibrate import (
    HELD_OUT_NETWORKS,
    calibrate,
    measure_networks,
)
from mnasnet.meters.calibration import Calibration, CalibrationRequest, Measurements
from mnasnet.meters.conftest import unwritten
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.table_fit import QUALITY_HEADINGS, calibration_lines, quality_rows, rate_predictions
from mnasnet.space.extremes import random_network
from mnasnet.space.hierarchical import BlockSpace, Skeleton, mnasnet_space

SPACE = mnasnet_space(image_size=32, in_channels=3, classes=10, width=0.35)


def test_nine_of_ten_networks_never_seen_are_told_to_ten_percent(calibration: Calibration) -> None:
    table = calibration.table
    generator = random.Random(7)
    space = mnasnet_space(image_size=64, classes=10, width=0.5)
    seen = {one.architecture.digest() for one in table.measured}
    off, covered = [], []
    for _ in range(100):
        network = random_network(space, generator)
        assert network.digest() not in seen
        ratio, spread = table.predict(network)
        truth = truth_ms(network) / truth_ms(table.reference)
        off.append(abs(ratio / truth - 1))
        covered.append(abs(np.log(ratio / truth)) <= 1.96 * spread)
    assert np.mean(np.array(off) <= 0.1) >= 0.9
    assert np.mean(covered) >= 0.85


def test_the_table_says_how_well_it_does_beside_the_other_ways(calibration: Calibration) -> None:
    table = calibration.table
    own, adds, whole, again = table.qualities
    assert [one.way for one in table.qualities] == [
        "the table",
        "multiply-adds alone",
        "100 random networks",
        "the device again",
    ]
    assert own.within_10 >= 0.9
    assert table.coverage >= 0.85
    assert again.tau - own.tau < 0.05
    assert own.mean_error < min(adds.mean_error, whole.mean_error) / 2
    assert own.tau_low > max(adds.tau_high, whole.tau_high)
    assert all(one.tau_low <= one.tau <= one.tau_high for one in table.qualities)
    assert calibration.refused == 0


def test_a_share_of_the_minutes_is_for_networks_held_out(calibration: Calibration) -> None:
    table = calibration.table
    # 240 measurements of a second in four minutes, a quarter of which would be 30 networks, measured twice.
    assert len(table.held_out) == len(table.second_ratios) == HELD_OUT_NETWORKS[0] == 50
    assert len(table.measured) == 240 - 2 * 50
    assert calibration.seconds == 240
    held_out = {one.architecture.digest() for one in table.held_out}
    measured = {one.architecture.digest() for one in table.measured}
    assert len(held_out) == 50
    assert len(measured) == 140
    assert not held_out & measured


def requested(minutes: float) -> CalibrationRequest:
    size = NetworkSize(image_size=32, in_channels=3, classes=10, width=0.35)
    return CalibrationRequest(device_name="roofline", space=SPACE, size=size, minutes=minutes)


class Asked:
    """Takes `seconds_each` of its own clock for a measurement, and remembers them."""

    def __init__(self, seconds_each: float) -> None:
        self.seconds_each, self.seconds = seconds_each, 0.0
        self.networks: list[str] = []

    def __call__(self, architecture: Architecture) -> Latency:
        self.seconds += self.seconds_each
        self.networks.append(architecture.digest())
        file = unwritten(architecture)
        return measure_latency(RooflineDevice(), file, reference=file, unit=None)


def measured(asked: Asked, time_one: Callable[[Architecture], Latency], *, minutes: float) -> Measurements:
    """So many minutes of the clock of `asked`."""
    return measure_networks(
        time_one,
        requested(minutes),
        begun_s=0.0,
        progress=lambda *_: None,
        clock_s=lambda: asked.seconds,
    )


def test_minutes_that_hold_too_little_are_refused_with_what_is_needed() -> None:
    asked = Asked(seconds_each=6.0)
    # 50 measurements in five minutes; 17 chosen networks, 100 random ones, 50 held out twice, and a tenth more of
    # all that are 24 minutes.
    with pytest.raises(RequestError, match=r"--minutes 5: a measurement takes 6 s there, .* --minutes 24$"):
        measured(asked, asked, minutes=5)
    assert len(asked.networks) == 10


@pytest.mark.parametrize(("kind", "every", "minutes"), [("a few", 40, 5), ("many", 4, 12)])
def test_networks_that_the_device_cannot_run_are_left_out_unless_they_are_many(
    kind: str, every: int, minutes: float
) -> None:
    asked = Asked(seconds_each=1.0)
    crashes: set[str] = set()

    def time_one(architecture: Architecture) -> Latency:
        latency = asked(architecture)
        if int(architecture.digest(), 16) % every == 0:
            crashes.add(architecture.digest())
            raise DeviceError("crashed")
        return latency

    if kind == "many":
        with pytest.raises(DeviceError, match="crashed"):
            measured(asked, time_one, minutes=minutes)
        return
    found = measured(asked, time_one, minutes=minutes)
    told = {one.architecture.digest() for one in (*found.training, *found.held_out)}
    assert crashes
    assert not told & crashes
    assert len(found.held_out) == len(found.second_ratios) >= HELD_OUT_NETWORKS[0]
    assert len(found.training) >= 100


@pytest.mark.slow
def test_files_are_written_and_timed_until_the_minutes_are_known_to_be_too_few() -> None:
    steps: list[str] = []
    with pytest.raises(RequestError, match=r"--minutes 0\.001: a measurement takes"):
        calibrate(
            RooflineDevice(),
            requested(0.001),
            progress=lambda stage, done, total: steps.append(f"{stage} {done}"),
        )
    assert steps[0] == "timing MobileNetV2 0"
    assert steps[-1] == "timing networks 9"


def test_a_space_of_few_networks_is_refused() -> None:
    small = BlockSpace(
        name="small", skeletons=(Skeleton(filters=16, layers=2, stride=1),), kernels=(3,), image_size=32
    )
    with pytest.raises(RequestError, match="few networks"):
        measure_networks(
            Asked(1.0),
            replace(requested(9), space=small),
            begun_s=0.0,
            progress=lambda *_: None,
            clock_s=lambda: 0.0,
        )


def test_the_quality_of_predictions_worked_by_hand() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    told = np.array([1.04, 2.0, 4.5, 3.7])
    found = rate_predictions("guess", told, truth, np.random.default_rng(0))
    assert found.within_5 == 2 / 4  # 4 %, 0 %, 50 % and 7.5 % off
    assert found.within_10 == 3 / 4
    assert found.mean_error == pytest.approx((0.04 + 0 + 0.5 + 0.075) / 4)
    assert found.tau == pytest.approx((5 - 1) / 6)  # the last two of six pairs change places


def test_equal_values_count_as_kendalls_tau_b_has_them() -> None:
    truth, told = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])
    # Two pairs agree, one is tied on one side: 2 / √(3 × 2).
    found = rate_predictions("guess", told, truth, np.random.default_rng(0))
    assert found.tau == pytest.approx(2 / 6**0.5)


def test_the_report_is_a_table_and_what_it_was_made_of(calibration: Calibration) -> None:
    assert all(len(row) == len(QUALITY_HEADINGS) for row in quality_rows(calibration.table))
    first, device, coverage = calibration_lines(calibration)
    assert first == (
        "from 140 networks of mnasnet at 64 px and width 0.5, fp32, measured in 4.0 min; tested on 50 others, each "
        "measured twice"
    )
    assert "recorded" in device
    assert re.match(r"\d+% of the table's 95 % intervals hold what was measured", coverage)
