"""Tests of finalists.py."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.arch.records import Artifact
from mnasnet.devices.device import DeviceError
from mnasnet.devices.host import HostDevice
from mnasnet.devices.timing import Timings
from mnasnet.export.tflite import write_tflite
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.latency_meter import LatencyMeter
from mnasnet.nn.network import fold
from mnasnet.report.findings import Findings
from mnasnet.search.conftest import CONTROL, RULER, SIZE, SPACE, TINY, Searched, device
from mnasnet.search.finalists import Candidate, Finishing, choose
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.study.card import read_card, write_card
from mnasnet.study.conftest import accuracy, latency, setup
from mnasnet.study.reward import soft
from mnasnet.study.trial import TrialRecord, front
from mnasnet.train.data import ImageData, load
from mnasnet.train.loop import Recipe, train

SMALLEST = Candidate(name="trial-0", architecture=smallest_network(SPACE), record=None)


@pytest.fixture(scope="session")
def digits(cache: Path) -> ImageData:
    return load("digits", image_size=SIZE, max_images=TINY.max_images)


def tried(number: int, median_ms: float, correct: int) -> TrialRecord:
    return TrialRecord(
        number=number,
        outcome="trained",
        params={},
        digest=CONTROL.digest(),
        architecture=CONTROL,
        parameters=1,
        multiply_adds=1,
        latency=latency(median_ms),
        accuracy=accuracy(correct),
        copy_of=None,
        reason=None,
    )


def found(
    records: Sequence[TrialRecord],
    reward: str,
    target_ms: float,
    expected: Mapping[int, float] = MappingProxyType({}),
) -> Findings:
    return Findings(
        name="search",
        setup=replace(setup(), reward=reward, target_ms=target_ms),
        target_ms=target_ms,
        records=tuple(records),
        expected=expected,
        finalists=(),
        control=None,
    )


def named(findings: Findings, *, count: int) -> list[str]:
    return [candidate.name for candidate in choose(findings, count=count)]


Finish = Callable[..., Finishing]


@pytest.fixture
def finishing(digits: ImageData) -> Iterator[Finish]:
    """Makes a `Finishing` in a folder, with another device or recipe if need be."""
    with ExitStack() as opened:

        def make(folder: Path, *, clock: RecordedDevice | None = None, epochs: int = 1) -> Finishing:
            meter = opened.enter_context(LatencyMeter(clock or device(), CONTROL, unit=RULER))
            return Finishing(
                folder=folder,
                data=digits,
                recipe=Recipe(epochs=epochs),
                seed=0,
                meter=meter,
                command=("mnasnet", "search"),
            )

        yield make


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=12), st.integers(0, 5))
def test_the_finalists_are_the_best_of_the_front_by_the_reward_and_then_of_the_others(
    points: list[tuple[int, int]], count: int
) -> None:
    records = [tried(number, ms, 100 * correct) for number, (ms, correct) in enumerate(points)]
    unbeaten = {record.number for record in front(records)}
    chosen = [candidate.record for candidate in choose(found(records, "soft", 3.0), count=count)]
    rank = {record.number: (record.number in unbeaten, record.worth(soft(3.0)) or 0) for record in records}
    ranks = [rank[record.number] for record in chosen if record is not None]
    assert len(ranks) == min(count, len(records))
    assert ranks == sorted(rank.values(), reverse=True)[:count]


def test_another_reward_chooses_another_network() -> None:
    fast, accurate = tried(0, 1.0, 900), tried(1, 3.0, 990)
    # At 1 ms three times the latency costs 7 % with the soft reward, and two thirds of all with the hard one.
    assert named(found([fast, accurate], "soft", 1.0), count=1) == ["trial-1"]
    assert named(found([fast, accurate], "hard", 1.0), count=1) == ["trial-0"]


def test_the_first_finalist_of_a_hard_reward_keeps_to_the_target() -> None:
    within, over = tried(0, 2.999, 900), tried(1, 3.001, 910)
    assert named(found([within, over], "hard", 3.0), count=2) == ["trial-0", "trial-1"]
    assert named(found([within, over], "soft", 3.0), count=2) == ["trial-1", "trial-0"]
    assert named(found([over], "hard", 3.0), count=2) == ["trial-1"]
    # Behind the first two the reward alone counts: 0.15 of the fast one, and 0.907 of the other that is over it.
    fast, slower = tried(2, 0.5, 150), tried(3, 3.003, 908)
    both = [within, replace(over, latency=latency(3.02), accuracy=accuracy(915)), fast, slower]
    assert named(found(both, "hard", 3.0), count=3) == ["trial-0", "trial-1", "trial-3"]


def test_what_the_summary_names_is_finished_also_if_it_is_off_the_front_as_with_an_absolute_reward() -> None:
    records = [tried(n, ms, 900) for n, ms in enumerate((0.5, 0.98, 0.3, 0.2, 1.0))]
    expected = {0: 0.90, 1: 0.899, 2: 0.89, 3: 0.88, 4: 0.85}
    findings = found(records, "absolute", 1.0, expected=expected)
    assert findings.expected_best
    assert findings.expected_best.number == 1  # which trial 0 beats in both values
    assert named(findings, count=3) == ["trial-1", "trial-4", "trial-0"]


def test_what_is_expected_counts_and_the_highest_reward_that_was_measured_is_second() -> None:
    lucky, good, slow = tried(0, 1.1, 950), tried(1, 1.0, 880), tried(2, 2.0, 890)
    assert named(found([lucky, good, slow], "soft", 1.0), count=3) == ["trial-0", "trial-1", "trial-2"]
    expected = {0: 0.80, 1: 0.87, 2: 0.90}  # worth 0.795, 0.870 and 0.857
    findings = found([lucky, good, slow], "soft", 1.0, expected=expected)
    assert named(findings, count=1) == ["trial-1"]
    assert named(findings, count=3) == ["trial-1", "trial-0", "trial-2"]


def test_nothing_trained_means_no_finalists() -> None:
    assert named(found([], "soft", 1.0), count=3) == []


def test_a_finalist_that_is_done_is_not_trained_again(searched: Searched, finishing: Finish) -> None:
    clock = device()
    done = finishing(searched.out / "finalists", clock=clock)
    card = done.finish(Candidate(name="mobilenet-v2", architecture=CONTROL, record=None))
    assert card == read_card(searched.out / "finalists" / CONTROL.digest())
    assert clock.timed == []


@pytest.mark.parametrize("changed", [{"recipe": Recipe(epochs=2)}, {"seed": 1}], ids=["epochs", "seed"])
def test_a_finalist_of_another_recipe_is_not_done(
    searched: Searched, finishing: Finish, changed: dict[str, Any]
) -> None:
    control = Candidate(name="mobilenet-v2", architecture=CONTROL, record=None)
    same = finishing(searched.out / "finalists")
    assert same.done(control) is not None
    assert replace(same, **changed).done(control) is None


def test_a_finalist_replaces_the_one_of_another_recipe(finishing: Finish, tmp_path: Path) -> None:
    finishing(tmp_path).finish(SMALLEST)
    finishing(tmp_path, epochs=2).finish(SMALLEST)
    (folder,) = tmp_path.iterdir()
    assert read_card(folder).accuracy.epochs == 2


class Unplugged(RecordedDevice):
    """A device that is lost when a finalist is measured, after its training."""

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        raise DeviceError("the phone was unplugged")


def test_a_finalist_that_cannot_be_measured_leaves_nothing_half_written(
    finishing: Finish, tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match="unplugged"):
        finishing(tmp_path, clock=Unplugged(lambda digest: 1.0)).finish(SMALLEST)
    (kept,) = tmp_path.iterdir()  # its training, and no part of a finalist
    assert kept.suffix == ".trained"


def test_what_a_killed_process_left_of_a_finalist_is_cleared(finishing: Finish, tmp_path: Path) -> None:
    left = tmp_path / f".{SMALLEST.architecture.digest()}.part"
    left.mkdir()
    (left / "network.tflite").write_bytes(b"half")
    card = finishing(tmp_path).finish(SMALLEST)
    assert [path.name for path in tmp_path.iterdir()] == [card.digest]


def test_a_finalist_that_a_table_predicted_is_made_anew_when_its_device_is_there(
    finishing: Finish, tmp_path: Path
) -> None:
    mine = finishing(tmp_path)
    card = mine.finish(SMALLEST)
    folder = tmp_path / card.digest
    write_card(replace(card, latency=replace(card.latency, predicted=True)), folder)
    assert mine.done(SMALLEST) is None
    write_card(card, folder)
    assert mine.done(SMALLEST) == card


class Failing(RecordedDevice):
    """Cannot measure the first file that it is asked for."""

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        if not self.timed:
            self.timed.append(artifact.digest)
            raise DeviceError("the program crashed")
        return super().time_file(artifact, reference=reference, launches=launches)


def test_a_device_that_fails_after_the_final_training_does_not_cost_it(
    finishing: Finish, tmp_path: Path
) -> None:
    mine = finishing(tmp_path, clock=Failing(lambda digest: 1.0))
    with pytest.raises(DeviceError, match="the program crashed"):
        mine.finish(SMALLEST)
    steps: list[tuple[int, int]] = []
    card = mine.finish(SMALLEST, progress=lambda done, total: steps.append((done, total)))
    assert steps == []
    assert [path.name for path in tmp_path.iterdir()] == [card.digest]
    # The same network as in one go.
    assert finishing(tmp_path / "other").finish(SMALLEST).accuracy.correct == card.accuracy.correct


def test_what_another_search_left_in_the_folder_is_made_anew(finishing: Finish, tmp_path: Path) -> None:
    mine = finishing(tmp_path)
    card = mine.finish(SMALLEST)
    assert mine.done(SMALLEST) == card
    other_data = replace(mine, data=replace(mine.data, fingerprint="other"))
    assert other_data.done(SMALLEST) is None
    with LatencyMeter(device(), CONTROL, unit=replace(RULER, reference_ms=2.0)) as meter:
        assert replace(mine, meter=meter).done(SMALLEST) is None


@pytest.mark.slow
def test_the_trained_network_takes_the_time_of_the_untrained_one(cache: Path, tmp_path: Path) -> None:
    data = load("digits", image_size=32, max_images=200)
    space = mnasnet_space(image_size=32, in_channels=1, classes=10, width=0.5)
    options = space.distributions.items()
    architecture = space.decode({name: option.choices[-1] for name, option in options})  # type: ignore[misc]
    network = train(architecture, data, data.train_and_held_out, Recipe(epochs=1), seed=0)
    trained = write_tflite(architecture, fold(network), tmp_path / "trained.tflite")
    with LatencyMeter(HostDevice(), architecture) as meter:
        latency = meter.measure_file(trained, launches=5)
    # The reference is the same network, untrained: the ratio's interval reaches 1 within 3 %.
    assert latency.low_ms / latency.reference_ms <= 1.03
    assert latency.high_ms / latency.reference_ms >= 0.97
    assert latency.ratio == pytest.approx(1.0, abs=0.05)
