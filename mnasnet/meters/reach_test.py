"""Tests of what a space reaches on a device."""

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact
from mnasnet.arch.zoo import ZOO
from mnasnet.devices.timing import Timings
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.reach import Reach, measure_reach, median_rank, reach_rows, target_lines
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import mnasnet_space

SIZE = NetworkSize(image_size=16, in_channels=1, classes=10, width=0.35)
SPACE = mnasnet_space(image_size=16, in_channels=1, classes=10, width=0.35)


class ByMultiplyAdds(RecordedDevice):
    """A network takes a millisecond for each million multiply-adds."""

    def __init__(self) -> None:
        super().__init__(lambda digest: None)

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        recorded_ms = {file.digest: ms(file.architecture) for file in (artifact, reference)}
        return RecordedDevice(recorded_ms.get).time_file(artifact, reference=reference, launches=launches)


def ms(architecture: Architecture | None) -> float:
    assert architecture is not None
    return count_multiply_adds(architecture.lowered()) / 1e6


@pytest.fixture(scope="module")
def found() -> Reach:
    with LatencyMeter(ByMultiplyAdds(), SIZE.reference) as meter:
        return measure_reach(meter, SPACE, SIZE, sample=7)


def test_the_ends_of_a_space_are_those_of_the_fewest_and_the_most_multiply_adds(found: Reach) -> None:
    assert found.smallest.latency.median_ms == pytest.approx(ms(smallest_network(SPACE)))
    sample_ms = [one.latency.median_ms for one in found.sample]
    assert found.smallest.latency.median_ms <= sample_ms[0]
    assert sample_ms[-1] <= found.largest.latency.median_ms
    assert sample_ms == sorted(sample_ms)
    assert found.median_ms == sample_ms[3]
    assert found.median_interval_ms == (sample_ms[0], sample_ms[6])


def test_the_zoo_stands_among_the_space(found: Reach) -> None:
    names = [name for name, *_ in reach_rows(found)]
    assert set(ZOO) | {"space, fastest", "space, median", "space, slowest"} == set(names)
    latencies = [latency for _, latency, *_ in reach_rows(found)]
    assert latencies == sorted(latencies)


def test_a_target_is_judged_before_any_training(found: Reach) -> None:
    fastest_ms, slowest_ms = found.smallest.latency.median_ms, found.largest.latency.median_ms

    def said(target_ms: float) -> str:
        (line,) = target_lines(found, target_ms)
        return line

    assert "out of reach" in said(0.9 * fastest_ms)
    assert "at the very edge" in said(fastest_ms)
    assert "within reach of every network" in said(2 * slowest_ms)
    assert "within reach: 57% of 7 random networks" in said(found.median_ms)  # 4 of 7


@pytest.mark.parametrize(("count", "rank"), [(3, 0), (5, 0), (6, 0), (9, 1), (15, 3), (50, 17)])
def test_the_interval_of_a_median_goes_by_order(count: int, rank: int) -> None:
    # From the tables of the sign test: of 15 the 4th to the 12th, of 50 the 18th to the 33rd.
    assert median_rank(count) == rank
