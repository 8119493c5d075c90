"""Tests of the statistics of alternating timings."""

import dataclasses
import math
from collections.abc import Sequence
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from mnasnet.arch.records import Latency
from mnasnet.devices.timing import (
    LAUNCH_LOADS,
    LOAD_BLOCKS,
    MOST_LAUNCH_LOADS,
    Launch,
    Load,
    TimedBlock,
    Timings,
    quiet_blocks,
    time_launches,
)
from mnasnet.fakes.simulated import Disorder, SimulatedMachine
from mnasnet.meters.latency import STUDENT_975, estimate_ratio, make_latency


def block(reference_ms: float, candidate_ms: float) -> TimedBlock:
    return TimedBlock(reference_ms=(reference_ms,) * 3, candidate_ms=(candidate_ms,) * 2)


def taken(launches: Sequence[Launch], *, resolution_ms: float = 0.0) -> Timings:
    return Timings(
        launches=tuple(launches),
        device="bench",
        runtime="none",
        clock="wall time",
        threads=1,
        cores=(),
        resolution_ms=resolution_ms,
    )


def latency(launches: Sequence[Launch], unit: Latency | None = None) -> Latency:
    return make_latency(taken(launches), unit=unit)


def unit_of(reference_ms: float, *launches: float) -> Latency:
    """A reference timed against itself, with the logarithm of the ratio given for each launch."""
    timed: list[Launch] = [[[block(1.0, math.exp(log))]] * 2 for log in launches or (0.0, 0.0, 0.0)]
    return dataclasses.replace(latency(timed), reference_ms=reference_ms)


times_ms = st.floats(min_value=0.01, max_value=100)
measurements = st.lists(
    st.lists(
        st.lists(st.builds(block, times_ms, times_ms), min_size=LOAD_BLOCKS, max_size=LOAD_BLOCKS),
        min_size=LAUNCH_LOADS,
        max_size=MOST_LAUNCH_LOADS,
    ),
    min_size=1,
    max_size=4,
)


@given(launches=measurements, factor=st.sampled_from([0.125, 0.5, 2.0, 16.0]))
def test_a_machine_slower_by_any_factor_gives_the_same_ratio(launches: list[Launch], factor: float) -> None:
    slow = [
        [[block(factor * b.reference_ms[0], factor * b.candidate_ms[0]) for b in load] for load in launch]
        for launch in launches
    ]
    assert latency(slow).ratio == latency(launches).ratio
    assert latency(slow, unit_of(5.0)).high_ms == latency(launches, unit_of(5.0)).high_ms


@given(launches=measurements)
def test_any_full_measurement_has_an_interval_around_its_ratio(launches: list[Launch]) -> None:
    ratio = estimate_ratio(quiet_blocks(launches))
    assert 0 < ratio.low <= ratio.middle <= ratio.high


@given(launches=measurements)
def test_at_least_a_fifth_of_the_blocks_is_kept(launches: list[Launch]) -> None:
    record = latency(launches)
    assert len(record.raw_ms) >= 0.2 * (len(record.raw_ms) + record.blocks_discarded)


def test_blocks_in_which_either_network_was_slow_are_thrown_away_and_counted() -> None:
    # The reference takes 2 ms and the candidate 3; once something stole half of the core from the reference, once
    # from the candidate.
    load = [block(2.0, 3.0), block(4.0, 3.0), block(2.0, 3.0), block(2.0, 6.0)]
    record = latency([[load, load]])
    assert record.blocks_discarded == 4
    assert record.raw_reference_ms == (2.0,) * 4
    assert record.raw_ms == (3.0,) * 4
    assert record.runs == 4 * 2
    assert record.ratio == pytest.approx(3.0 / 2.0)
    assert record.median_ms == pytest.approx(3.0)


def test_few_launches_give_an_interval_over_loads() -> None:
    # Ratios e^-0.01, e^0 and e^0.01: mean 0, standard deviation 0.01, t of 2 degrees of freedom 4.303.
    loads = [[block(1.0, math.exp(log))] for log in (-0.01, 0.0, 0.01)]
    ratio = estimate_ratio([loads])
    assert ratio.middle == pytest.approx(1.0)
    assert math.log(ratio.high) == pytest.approx(4.303 * 0.01 / math.sqrt(3))
    assert math.log(ratio.low) == pytest.approx(-4.303 * 0.01 / math.sqrt(3))


def test_three_launches_give_an_interval_over_launches() -> None:
    # Each launch has a ratio of its own in which its loads agree: nine loads say no more than three launches.
    launches: list[Launch] = [[[block(1.0, math.exp(log))]] * 3 for log in (-0.01, 0.0, 0.01)]
    assert math.log(estimate_ratio(launches).high) == pytest.approx(4.303 * 0.01 / math.sqrt(3))


def test_a_single_launch_knows_no_better_than_the_launches_of_the_reference() -> None:
    # Its loads agree to the last digit; those of the reference differ by 0.01 from launch to launch, of which one
    # is drawn: t of 2 degrees of freedom 4.303, and of two launches the mean.
    unit = unit_of(1.0, -0.01, 0.0, 0.01)
    assert unit.launch_spread == pytest.approx(0.01)
    one: list[Launch] = [[[block(1.0, 2.0)]] * 6]
    assert math.log(latency(one, unit).high_ms / 2) == pytest.approx(4.303 * 0.01)
    assert math.log(latency(one * 2, unit).high_ms / 2) == pytest.approx(4.303 * 0.01 / math.sqrt(2))
    assert latency(one * 3, unit).high_ms == pytest.approx(2.0)
    assert latency(one).launch_spread is None


def test_milliseconds_are_no_surer_than_the_unit() -> None:
    # The reference took e^-0.01, 1 and e^0.01 ms in three launches: t of 2 degrees of freedom 4.303; the ratio is
    # the same in all of them.
    launches: list[Launch] = [[[block(math.exp(log), 2 * math.exp(log))]] * 2 for log in (-0.01, 0.0, 0.01)]
    record = latency(launches)
    assert record.low_ms == pytest.approx(record.high_ms) == pytest.approx(2.0)
    half = 4.303 * 0.01 / math.sqrt(3)
    assert record.reference_half == pytest.approx(half)
    assert record.interval_ms(record) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    assert latency(launches[:2]).reference_half is None


def test_no_interval_is_narrower_than_the_steps_of_the_clock() -> None:
    # Told in whole microseconds, 60 and 70 of them may be half a step off each.
    record = make_latency(taken([[[block(0.06, 0.07)]] * 6], resolution_ms=1e-3), unit=None)
    assert math.log(record.high_ms / record.median_ms) == pytest.approx(0.5 / 60 + 0.5 / 70)


def test_a_machine_that_changes_its_speed_between_launches_loses_none_of_them() -> None:
    launches: list[Launch] = [[[block(ms, 2 * ms)] * 3] * 6 for ms in (1.0, 1.0, 1.3, 1.3, 1.3)]
    assert [len(load) for launch in quiet_blocks(launches) for load in launch] == [3] * 30
    assert latency(launches).ratio == pytest.approx(2.0)


def test_a_load_without_an_undisturbed_block_does_not_count() -> None:
    quiet: Load = [block(1.0, 2.0)] * 3
    disturbed: Load = [block(9.0, 9.0)] * 3
    assert estimate_ratio(quiet_blocks([[quiet, disturbed, quiet]])).middle == pytest.approx(2.0)


def test_one_load_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 loads"):
        estimate_ratio([[[block(1.0, 1.0)] * 3]])


def test_the_reference_lasts_what_it_took_until_there_is_a_unit() -> None:
    launches: list[Launch] = [[[block(2.0, 3.0)]] * 2]
    assert latency(launches).reference_ms == 2.0
    assert latency(launches, unit_of(10.0)).median_ms == pytest.approx(1.5 * 10.0)


def test_the_table_of_student_is_right() -> None:
    expected = t.ppf(0.975, np.arange(1, len(STUDENT_975) + 1))
    assert np.array(STUDENT_975) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("launches", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_the_interval_covers_the_truth_nineteen_times_of_twenty(launches: int) -> None:
    # Each repeat is a study of its own, which first agrees on what the launches of its reference tell.
    generator, repeats, covered = np.random.default_rng(0), 300, 0
    for _ in range(repeats):
        reference, candidate = (SimulatedMachine(generator, ratio=ratio) for ratio in (1.0, 1.2))
        unit = latency(time_launches(reference.launch, launches=5))
        found = latency(time_launches(candidate.launch, launches=launches), unit)
        covered += found.low_ms <= 1.2 * unit.reference_ms <= found.high_ms
    assert covered / repeats >= 0.9


def test_bursts_do_not_favour_the_reference() -> None:
    # A network against a copy of itself, 200 times: the mean is off by less than what chance explains.
    generator = np.random.default_rng(1)
    busy = Disorder(burst_begins=0.2)
    logs = [
        math.log(
            latency(
                time_launches(SimulatedMachine(generator, ratio=1.0, disorder=busy).launch, launches=1)
            ).ratio
        )
        for _ in range(200)
    ]
    assert abs(np.mean(logs)) < 3 * np.std(logs) / math.sqrt(len(logs))


def test_the_median_of_raw_times_is_kept_for_later_judgement() -> None:
    uneven = TimedBlock(reference_ms=(1.0, 1.2, 7.0), candidate_ms=(2.0, 9.0, 2.2))
    record = latency([[[uneven], [uneven]]])
    assert record.raw_ms == (median([2.0, 9.0, 2.2]),) * 2
    assert record.raw_reference_ms == (1.2,) * 2
