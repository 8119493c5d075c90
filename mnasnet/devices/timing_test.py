"""Tests of which timings are taken, and which of them count."""

import pytest

from mnasnet.devices.timing import (
    LAUNCH_LOADS,
    LOAD_BLOCKS,
    MOST_LAUNCH_LOADS,
    QUIET_LOADS,
    DeviceState,
    Load,
    TimedBlock,
    TimeLoad,
    cool_down,
    has_enough_loads,
    quiet_blocks,
    time_launches,
)


def block(reference_ms: float, candidate_ms: float) -> TimedBlock:
    return TimedBlock(reference_ms=(reference_ms,) * 3, candidate_ms=(candidate_ms,) * 2)


def test_blocks_are_not_chosen_for_the_luck_of_either_network() -> None:
    # Swapped, reference and candidate keep the same blocks.
    load = [block(1.0, 1.3), block(1.3, 1.0), block(1.1, 1.1), block(1.6, 1.0), block(1.0, 1.6)]
    swapped = [block(b.candidate_ms[0], b.reference_ms[0]) for b in load]
    ((kept,),), ((also,),) = quiet_blocks([[load]]), quiet_blocks([[swapped]])
    assert [b.reference_ms[0] for b in kept] == [b.candidate_ms[0] for b in also] == [1.0, 1.3, 1.1]


def test_launches_follow_one_another_and_each_loads_either_network_first() -> None:
    asked: list[tuple[int, bool]] = []

    def begin_launch() -> TimeLoad:
        number = len({launch for launch, _ in asked})

        def time_load(candidate_first: bool) -> Load:
            asked.append((number, candidate_first))
            return [block(1.0, 2.0)] * LOAD_BLOCKS

        return time_load

    assert len(time_launches(begin_launch, launches=2)) == 2
    assert asked == [(number, load % 2 == 0) for number in (0, 1) for load in range(LAUNCH_LOADS)]
    with pytest.raises(ValueError, match="at least 1 launch, not 0"):
        time_launches(begin_launch, launches=0)


@pytest.mark.parametrize(
    ("temperatures_c", "waited_s"),
    [
        ([None], 0.0),
        ([59.0], 0.0),
        ([75.0, 68.0, 59.0], 10.0),
        ([75.0, 74.8], 5.0),  # as cool as it gets
        ([float(c) for c in range(99, 80, -1)], 60.0),
    ],
)
def test_a_hot_device_is_left_to_cool_within_a_limit(temperatures_c: list[float], waited_s: float) -> None:
    told, slept = iter(temperatures_c), list[float]()
    state, waited = cool_down(lambda: DeviceState(temperature_c=next(told)), sleep=slept.append)
    assert waited == sum(slept) == waited_s
    assert state.temperature_c == temperatures_c[int(waited_s / 5)]


def test_disturbed_loads_are_made_up_for_within_a_limit() -> None:
    quiet: Load = [block(1.0, 2.0)] * 3
    disturbed: Load = [block(9.0, 9.0)] * 3
    assert not has_enough_loads([])
    assert not has_enough_loads([quiet] * (LAUNCH_LOADS - 1))
    assert has_enough_loads([quiet] * LAUNCH_LOADS)
    assert has_enough_loads([quiet] * (LAUNCH_LOADS - 1) + [disturbed])
    assert not has_enough_loads([quiet] * (QUIET_LOADS - 1) + [disturbed] * (LAUNCH_LOADS - QUIET_LOADS + 1))
    assert has_enough_loads([quiet] * 3 + [disturbed] * (MOST_LAUNCH_LOADS - 3))
