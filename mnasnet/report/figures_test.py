"""Tests of figures.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from mnasnet.analysis.findings import read_findings
from mnasnet.analysis.worth import Effect
from mnasnet.measures.interval import wilson_interval
from mnasnet.report.figures import (
    front_figure,
    html_of,
    latency_figure,
    nice,
    reward_figure,
    worth_figure,
)


def traces(figure: Any) -> dict[str, Any]:
    """The traces of a figure by name."""
    return {trace.name: trace for trace in figure.data}


def lines(figure: Any) -> list[float]:
    """Where the vertical lines stand."""
    return [shape.x0 for shape in figure.layout.shapes]


def test_the_front_is_connected_and_every_other_trained_network_is_faint(
    study: optuna.Study, tmp_path: Path
) -> None:
    figure = front_figure(read_findings(study, tmp_path))
    shown = traces(figure)
    assert shown["front"].x == (0.3, 0.4, 0.8)
    assert shown["front"].y == pytest.approx((80, 94, 95))
    assert shown["front"].mode == "lines+markers"
    assert (shown["trained"].x, shown["trained"].mode) == ((0.35, 0.7), "markers")
    assert shown["trained"].opacity < 1
    assert set(shown) == {"trained", "front"}
    assert lines(figure) == [0.5, 0.9]


def test_the_bars_of_the_front_are_the_95_percent_intervals(study: optuna.Study, tmp_path: Path) -> None:
    front = traces(front_figure(read_findings(study, tmp_path)))["front"]
    low, high = wilson_interval(282, 300)
    assert front.y[1] - front.error_y.arrayminus[1] == pytest.approx(100 * low)
    assert front.y[1] + front.error_y.array[1] == pytest.approx(100 * high)
    assert front.error_x.array == pytest.approx([0.01] * 3)


def test_finalists_and_control_stand_with_their_test_accuracy(study: optuna.Study, finished: Path) -> None:
    shown = traces(front_figure(read_findings(study, finished)))
    assert shown["finalists (test)"].x == (0.3, 0.45)
    assert shown["finalists (test)"].y == pytest.approx((94, 96))
    assert (shown["control (test)"].x, shown["control (test)"].y) == ((0.5,), (93.0,))
    symbols = {trace.marker.symbol for name, trace in shown.items() if name != "trained"}
    assert len(symbols) == 3


def test_the_best_so_far_never_falls(study: optuna.Study, tmp_path: Path) -> None:
    findings = read_findings(study, tmp_path)
    shown = traces(reward_figure(findings))
    rewards = [
        0.8 * (0.3 / 0.5) ** -0.07,
        0.7 * (0.35 / 0.5) ** -0.07,
        0.94 * (0.4 / 0.5) ** -0.07,
        0.95 * (0.8 / 0.5) ** -0.07,
        0.9 * (0.7 / 0.5) ** -0.07,
    ]
    assert shown["trained"].x == (0, 1, 2, 4, 7)
    assert shown["trained"].y == pytest.approx(rewards)
    assert (shown["copy of an earlier one"].x, shown["copy of an earlier one"].y) == (
        (5,),
        pytest.approx((rewards[2],)),
    )
    assert shown["best so far"].x == (0, 1, 2, 4, 5, 7)
    assert shown["best so far"].y == pytest.approx([rewards[0]] * 2 + [rewards[2]] * 4)


def test_every_measured_network_is_counted_once_in_the_histogram(study: optuna.Study, tmp_path: Path) -> None:
    figure = latency_figure(read_findings(study, tmp_path))
    shown = traces(figure)
    assert sum(shown["fast enough"].y) == 5
    slow = shown["too slow, not trained"]
    assert sum(slow.y) == 1
    width = slow.width / 0.94
    middle = slow.x[slow.y.index(1)]
    assert middle - width / 2 <= 1.2 <= middle + width / 2
    assert lines(figure) == [0.5, 0.9]


def test_a_rescored_front_has_the_line_of_the_new_target(study: optuna.Study, tmp_path: Path) -> None:
    assert lines(front_figure(read_findings(study, tmp_path, target_ms=0.35))) == [0.35, 0.9]


def test_effects_that_do_not_stand_out_are_grey() -> None:
    clear = Effect(
        choice="op", option="mb", others=("sep",), networks=8, value=2.0, low=1.5, high=2.75, clear=True
    )
    unclear = replace(clear, choice="se", value=-1.0, low=-2.5, high=0.5, clear=False)
    shown = traces(worth_figure([clear, unclear], unit="ms", name="latency"))
    assert (shown["stands out"].x, shown["stands out"].y) == ((2.0,), ("op = mb",))
    assert (shown["stands out"].error_x.arrayminus, shown["stands out"].error_x.array) == ((0.5,), (0.75,))
    assert shown["inside the noise"].x == (-1.0,)
    assert shown["inside the noise"].marker.color != shown["stands out"].marker.color
    assert shown["stands out"].hovertext == ("op = mb against sep: +2 [+1.5, +2.75] ms, 8 networks",)


def test_a_figure_of_the_page_loads_nothing(study: optuna.Study, tmp_path: Path) -> None:
    html = html_of(front_figure(read_findings(study, tmp_path)), name="front")
    assert "src=" not in html
    assert '"x":[0.3,0.4,0.8]' in html


@pytest.mark.parametrize(("step", "width"), [(0.013, 0.02), (0.02, 0.02), (0.3, 0.5), (7.0, 10.0)])
def test_a_nice_step_is_one_two_or_five(step: float, width: float) -> None:
    assert nice(step) == pytest.approx(width)
