"""The report's plots, as plotly figures."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from mnasnet.analysis.findings import Findings
from mnasnet.analysis.worth import Effect
from mnasnet.base.words import milliseconds
from mnasnet.measures.latency import Latency
from mnasnet.measures.quality import Quality
from mnasnet.report.words import latency_words, quality_words
from mnasnet.study.trial import RefusedTrial

BLUE, ORANGE, GREEN, RED, GREY = "#3b82c4", "#d97b1c", "#2e9e6b", "#d1495b", "#8a929c"
"""Legible on white and on near-black alike; told apart also without red and green, by symbol and lightness."""

EFFECTS_SHOWN = 20
MOST_BINS = 30
"""Bars of a histogram, at most."""


def front_figure(findings: Findings) -> go.Figure:
    """Quality against latency: every trained network, the front, the finalists and the control."""
    trained = [record for record in findings.trained if record not in findings.front]
    figure = go.Figure()
    points = [(record.latency, record.quality, f"trial {record.number}") for record in trained]
    figure.add_trace(
        _scatter("trained", points, color=GREY, symbol="circle", size=7, intervals=False, opacity=0.65)
    )
    points = [
        (record.latency, record.quality, f"trial {record.number}, {record.network.digest}")
        for record in findings.front
    ]
    figure.add_trace(_scatter("front", points, color=BLUE, symbol="circle", size=9, connected=True))
    points = [(card.latency, card.quality, f"finalist {card.digest}") for card in findings.finalists]
    if points:
        figure.add_trace(_scatter("finalists (test)", points, color=ORANGE, symbol="diamond", size=12))
    if findings.control is not None:
        control = findings.control
        points = [(control.latency, control.quality, f"{control.name} (control)")]
        figure.add_trace(_scatter("control (test)", points, color=GREEN, symbol="square", size=11))
    _limits(figure, findings)
    figure.update_xaxes(title="latency, ms")
    figure.update_yaxes(title=f"{findings.quality_name}, %")
    return dressed(figure, height=460)


def reward_figure(findings: Findings) -> go.Figure:
    """Reward by trial, with the best so far."""
    rewarded = [
        (record, reward) for record in findings.records if (reward := findings.reward_of(record)) is not None
    ]
    figure = go.Figure()
    for name, copies, symbol in (
        ("trained", False, "circle"),
        ("copy of an earlier one", True, "circle-open"),
    ):
        shown = [(record, reward) for record, reward in rewarded if (record.copy_of is not None) == copies]
        if copies and not shown:
            continue
        figure.add_trace(
            go.Scatter(
                name=name,
                x=[record.number for record, _ in shown],
                y=[reward for _, reward in shown],
                mode="markers",
                marker={"color": BLUE, "symbol": symbol, "size": 7, "opacity": 0.75},
                hovertemplate="trial %{x}: %{y:.4f}<extra></extra>",
            )
        )
    best = np.maximum.accumulate([reward for _, reward in rewarded]).tolist() if rewarded else []
    figure.add_trace(
        go.Scatter(
            name="best so far",
            x=[record.number for record, _ in rewarded],
            y=best,
            mode="lines",
            line={"color": ORANGE, "width": 2, "shape": "hv"},
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="trial", dtick=max(1, nice((len(findings.records) + 1) / 10)))
    figure.update_yaxes(title="reward")
    return dressed(figure, height=340)


def latency_figure(findings: Findings) -> go.Figure:
    """How many networks were measured at which latency, around the target (the paper's Figure 6)."""
    measured = [
        (record.latency.median_ms, isinstance(record, RefusedTrial))
        for record in findings.timed
        if record.latency is not None
    ]
    values = [median_ms for median_ms, _ in measured]
    bins = min(MOST_BINS, max(6, 2 * math.sqrt(len(values))))
    width = nice((max(values) - min(values) or values[0]) / bins)
    edges = np.arange(np.floor(min(values) / width), np.floor(max(values) / width) + 2) * width
    figure = go.Figure()
    for name, too_slow, color in (("fast enough", False, BLUE), ("too slow, not trained", True, RED)):
        some = [median_ms for median_ms, slow in measured if slow == too_slow]
        if some:
            counts, _ = np.histogram(some, bins=edges)
            figure.add_trace(
                go.Bar(
                    name=name,
                    x=((edges[:-1] + edges[1:]) / 2).tolist(),
                    y=counts.tolist(),
                    width=0.94 * width,
                    marker={"color": color, "line": {"width": 0}},
                    hovertemplate="%{y} around %{x:.3g} ms<extra></extra>",
                )
            )
    tallest = int(np.histogram(values, bins=edges)[0].max())
    _limits(figure, findings)
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    # Left alone, plotly sets ticks to the middles of bars.
    figure.update_xaxes(title="latency, ms", tick0=0, dtick=nice((edges[-1] - edges[0]) / 6))
    figure.update_yaxes(
        title="networks", rangemode="tozero", tickformat=",d", dtick=max(1, nice(tallest / 6))
    )
    return dressed(figure, height=340)


def nice(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step)


def worth_figure(effects: Sequence[Effect], *, unit: str, name: str) -> go.Figure:
    """The largest effects as points with intervals; those that do not stand out are grey."""
    shown = effects[:EFFECTS_SHOWN]
    figure = go.Figure()
    for trace, clear, color in (("stands out", True, BLUE), ("inside the noise", False, GREY)):
        some = [effect for effect in shown if effect.clear == clear]
        if some:
            figure.add_trace(
                go.Scatter(
                    name=trace,
                    x=[effect.value for effect in some],
                    y=[effect_label(effect) for effect in some],
                    mode="markers",
                    marker={"color": color, "size": 8},
                    error_x=bars(
                        [effect.value for effect in some],
                        [(effect.low, effect.high) for effect in some],
                        color,
                    ),
                    opacity=1 if clear else 0.6,
                    hovertext=[
                        f"{effect_label(effect)} against {' and '.join(effect.others)}: {effect.value:+.3g} "
                        f"[{effect.low:+.3g}, {effect.high:+.3g}] {unit}, {effect.networks} networks"
                        for effect in some
                    ],
                    hoverinfo="text",
                )
            )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title=f"{name}, {unit}")
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[effect_label(effect) for effect in reversed(shown)],
        automargin=True,
    )
    return dressed(figure, height=110 + 24 * len(shown))


def effect_label(effect: Effect) -> str:
    """`block3.kernel = 5`."""
    return f"{effect.choice} = {effect.option}"


def html_of(figure: go.Figure, *, name: str) -> str:
    """The figure's part of a page; the plotly library itself is loaded once, elsewhere in it."""
    html: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"responsive": True, "displayModeBar": False},
    )
    return html


def _scatter(
    name: str,
    points: Sequence[tuple[Latency, Quality, str]],
    *,
    color: str,
    symbol: str,
    size: int,
    intervals: bool = True,
    connected: bool = False,
    opacity: float = 1.0,
) -> go.Scatter:
    x = [latency.median_ms for latency, _, _ in points]
    y = [100 * quality.value for _, quality, _ in points]
    across = [(latency.low_ms, latency.high_ms) for latency, _, _ in points]
    up = [(100 * quality.interval[0], 100 * quality.interval[1]) for _, quality, _ in points]
    return go.Scatter(
        name=name,
        x=x,
        y=y,
        mode="lines+markers" if connected else "markers",
        line={"color": color, "width": 1.5, "shape": "hv"},
        marker={"color": color, "symbol": symbol, "size": size},
        opacity=opacity,
        error_x=bars(x, across, color) if intervals else None,
        error_y=bars(y, up, color) if intervals else None,
        hovertext=[
            f"{escape(text)}<br>{quality_words(quality)} %<br>{latency_words(latency)} ms"
            for latency, quality, text in points
        ],
        hoverinfo="text",
    )


def bars(
    values: Sequence[float], intervals: Sequence[tuple[float, float]], color: str
) -> dict[str, str | bool | float | list[float]]:
    """Error bars from each value to the ends of its interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, (_, high) in zip(values, intervals, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, intervals, strict=True)],
        "color": color,
        "thickness": 1,
        "width": 3,
    }


def _limits(figure: go.Figure, findings: Findings) -> None:
    """The lines of the target and of the slowest latency that is trained."""
    if findings.setup is None or findings.target_ms is None:
        return
    for latency_ms, words, dash in (
        (findings.target_ms, "target", "dash"),
        (findings.setup.max_ms, "not trained beyond", "dot"),
    ):
        figure.add_vline(
            x=latency_ms,
            line={"color": GREY, "width": 1.5, "dash": dash},
            annotation={
                "text": f"{words} {milliseconds(latency_ms)}",
                "textangle": -90,
                "xanchor": "right",
                "yanchor": "top",
                "font": {"size": 11},
            },
        )


def dressed(figure: go.Figure, *, height: int) -> go.Figure:
    """The look that all figures share; text colours come from the page, light or dark."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 56, "r": 12, "t": 36, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        showlegend=True,
        hovermode="closest",
        font={"family": "system-ui, sans-serif", "size": 13},
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.2)", zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.2)", zeroline=False, automargin=True)
    return figure
