"""Tests of watcher.py."""

import time
from dataclasses import replace

import pytest

from mnasnet.search.watcher import SILENT, Forecast, Silent, Tally, duration, forecast_line
from mnasnet.study.conftest import accuracy, latency
from mnasnet.study.reward import soft
from mnasnet.study.trial import TrialRecord

TRAINED = TrialRecord(
    number=0,
    outcome="trained",
    params={},
    digest=None,
    architecture=None,
    parameters=None,
    multiply_adds=None,
    latency=latency(1.0),
    accuracy=accuracy(900),  # 5 epochs of 4,000 images in 6.5 s
    copy_of=None,
    reason=None,
)


def test_the_rest_takes_as_long_for_each_trained_network_as_so_far() -> None:
    forecast = Forecast(begun=time.monotonic() - 60)
    for record in (
        TRAINED,
        replace(TRAINED, copy_of=0),
        replace(TRAINED, outcome="too slow", accuracy=None),
        TRAINED,
    ):
        forecast.add(record)
    trials_seconds, _ = forecast.seconds(trials=10, final_trainings=0, final_images=0)
    # A minute for two trained networks and all that was tried between them.
    assert trials_seconds == pytest.approx(10 * 60 / 2, rel=0.01)


def test_a_final_training_takes_as_long_for_each_image_as_a_trial() -> None:
    forecast = Forecast()
    forecast.add(TRAINED)
    _, finals_seconds = forecast.seconds(trials=0, final_trainings=3, final_images=10 * 5_000)
    assert finals_seconds == pytest.approx(3 * 10 * 5_000 * 6.5 / (5 * 4_000))


def test_there_is_no_forecast_before_a_network_was_trained() -> None:
    forecast = Forecast()
    forecast.add(replace(TRAINED, outcome="failed", accuracy=None))
    with pytest.raises(ValueError, match="trained"):
        forecast.seconds(trials=1, final_trainings=0, final_images=0)


def test_the_forecast_says_hours_and_the_time_of_its_end() -> None:
    line = forecast_line(trials=99, trials_seconds=5400, finals=1, finals_seconds=1800)
    assert line.startswith(
        "cost: 99 more trials 1.5 h + at most 1 final training 30 min = 2.0 h, 2.00 hours; ends about "
    )
    assert len(line.rpartition(" ")[2]) == len("17:30")
    assert len(forecast_line(trials=9, trials_seconds=1e6, finals=1, finals_seconds=0).split()) > len(
        line.split()
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_a_duration_is_said_in_the_unit_that_suits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_silent_watcher_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    SILENT.say("line")
    SILENT.step("training", 1, 2)
    SILENT.trial(TRAINED, trained=1, trials=2, best=None)
    assert capsys.readouterr() == ("", "")


class Listener(Silent):
    """Keeps the lines that are said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_what_the_rest_costs_is_said_after_the_first_network_and_again_after_the_tenth() -> None:
    listener = Listener()
    earlier = [replace(TRAINED, number=number) for number in range(5)]
    tally = Tally(listener, records=earlier, reward=soft(1.0), trials=20, final_trainings=0, final_images=0)
    for number in range(5, 20):
        tally.told(replace(TRAINED, number=number))
    assert [line.partition(" trials")[0] for line in listener.lines] == ["cost: 14 more", "cost: 5 more"]
