"""Tests of watcher.py."""

import time
from dataclasses import replace

import pytest

from mnasnet.measures.reward import soft
from mnasnet.search.watcher import SILENT, Forecast, Silent, Tally, duration, forecast_line
from mnasnet.study.conftest import latency, trained_trial
from mnasnet.study.trial import FailedTrial, RefusedTrial

TRAINED = trained_trial(0, 1.0, 900)
"""5 epochs of 4,000 images in 6.5 s."""

REFUSED = RefusedTrial(
    number=1, params={}, network=TRAINED.network, latency=latency(3.0), excess={"latency": 0.5}, reason="slow"
)

FAILED = FailedTrial(
    number=2, params={}, network=None, latency=None, reason="DivergedError: the loss was nan"
)


def test_the_rest_takes_as_long_for_each_trained_network_as_so_far() -> None:
    forecast = Forecast(begun=time.monotonic() - 60)
    for record in (
        TRAINED,
        replace(TRAINED, copy_of=0),
        REFUSED,
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
    forecast.add(FAILED)
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
        tally.report_trial(replace(TRAINED, number=number))
    assert [line.partition(" trials")[0] for line in listener.lines] == ["cost: 14 more", "cost: 5 more"]
