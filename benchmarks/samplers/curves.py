"""Curves of mean regret by networks tried, with their 95 % intervals, as an SVG picture."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from contenders import LIMITED_SUFFIX, TUNED_SUFFIX, contender_named
from results import Floats, Runs
from scipy.stats import t

COLOURS = {
    "bayesian": "#0072b2",
    "gp": "#d55e00",
    "tpe": "#e69f00",
    "evolution": "#009e73",
    "nsga2": "#56b4e9",
    "ppo": "#cc79a7",
    "ppo, NASNet's constants": "#8c564b",
    "reinforce, NASNet's constants": "#999999",
    "random": "#000000",
}
"""By sampler; the first ones and the last are of Okabe and Ito's palette, which colour-blind people tell apart."""
DASHES = {TUNED_SUFFIX: "2 3", LIMITED_SUFFIX: "8 4"}
SHOWN_FROM = 50
"""Networks from which on all of every curve is inside of its panel."""
FIRST = 10
"""Networks at the left edge."""
POINTS = 40
"""Of a curve."""
TICKS = (10, 20, 50, 100, 200, 500, 1000, 2000)
"""Of the horizontal axis, in networks."""
PANEL = (340, 250)
"""Width and height of what a panel's axes hold, in pixels."""
LEFT, TOP, BELOW = 56, 34, 48
"""Pixels around it: for the numbers and the name of the vertical axis, the title, and the horizontal axis."""
LEGEND = 240
"""Pixels of width."""
LEGEND_ROW = 20


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Mean regret of a sampler."""

    sampler: str
    at: Floats
    """Networks tried."""
    mean: Floats
    half: Floats
    """Half of the interval of the mean."""


def half_of(runs: Floats) -> Floats:
    """[networks]: half of the 95 % interval of the mean of `runs` [runs, networks], by Student's t."""
    count = len(runs)
    if count == 1:
        return np.zeros(runs.shape[1])
    found: Floats = t.ppf(0.975, count - 1) * runs.std(axis=0, ddof=1) / math.sqrt(count)
    return found


def curve_of(sampler: str, some: Runs, best: float) -> Curve:
    """That of a sampler on a problem, as far as its shortest run goes."""
    most = int(min(some.length, contender_named(sampler).most))
    at = np.unique(np.geomspace(FIRST, most, POINTS).astype(int))
    regrets = best - some.curves(most)[:, at - 1]
    return Curve(sampler=sampler, at=at.astype(float), mean=regrets.mean(axis=0), half=half_of(regrets))


def draw(
    rewarded: Mapping[str, Mapping[str, Runs]], best: Mapping[str, float], path: Path, *, columns: int
) -> None:
    """A panel a problem, and a legend beside them."""
    panels = {
        name: [curve_of(sampler, some, best[name]) for sampler, some in runs.items()]
        for name, runs in rewarded.items()
    }
    samplers = list(dict.fromkeys(curve.sampler for curves in panels.values() for curve in curves))
    columns = min(columns, len(panels))
    step = LEFT + PANEL[0] + 14, TOP + PANEL[1] + BELOW
    rows = math.ceil(len(panels) / columns)
    width = step[0] * columns + LEGEND
    height = max(step[1] * rows, TOP + LEGEND_ROW * len(samplers) + BELOW)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<clipPath id="inside"><rect width="{PANEL[0]}" height="{PANEL[1]}"/></clipPath>',
    ]
    for number, (name, curves) in enumerate(panels.items()):
        corner = LEFT + step[0] * (number % columns), TOP + step[1] * (number // columns)
        lines += [f'<g transform="translate({corner[0]} {corner[1]})">', *panel_lines(name, curves), "</g>"]
    lines += [f'<g transform="translate({step[0] * columns + 10} {TOP})">', *legend_lines(samplers), "</g>"]
    path.write_text("\n".join([*lines, "</svg>"]) + "\n")


def panel_lines(name: str, curves: Sequence[Curve]) -> Iterator[str]:
    """Title, axes and curves of one problem."""
    width, height = PANEL
    last = max(curve.at[-1] for curve in curves)
    highest = 1.1 * max(float(curve.mean[curve.at >= min(SHOWN_FROM, last)].max()) for curve in curves)

    def x(networks: float) -> float:
        return width * math.log(networks / FIRST) / math.log(last / FIRST)

    def y(regret: float) -> float:
        return height * (1 - regret / highest)

    def points(at: Floats, regrets: Floats) -> str:
        return " ".join(f"{x(n):.1f},{y(r):.1f}" for n, r in zip(at, regrets, strict=True))

    yield f'<text x="{width / 2}" y="-12" text-anchor="middle" font-size="14">{escape(name)}</text>'
    for networks in (tick for tick in TICKS if tick <= last):
        yield f'<path d="M{x(networks):.1f} 0V{height}" stroke="#ddd"/>'
        yield f'<text x="{x(networks):.1f}" y="{height + 16}" text-anchor="middle">{networks}</text>'
    for regret in ticks_to(highest):
        yield f'<path d="M0 {y(regret):.1f}H{width}" stroke="#ddd"/>'
        yield f'<text x="-6" y="{y(regret) + 4:.1f}" text-anchor="end">{regret:g}</text>'
    yield f'<text x="{width / 2}" y="{height + 34}" text-anchor="middle">networks tried</text>'
    yield f'<text transform="translate(-40 {height / 2}) rotate(-90)" text-anchor="middle">'
    yield "mean regret, points</text>"
    yield '<g clip-path="url(#inside)" fill="none">'
    for curve in curves:
        there_and_back = np.concatenate([curve.at, curve.at[::-1]])
        band = np.concatenate([curve.mean + curve.half, (curve.mean - curve.half)[::-1]])
        colour = colour_of(curve.sampler)
        yield f'<polygon points="{points(there_and_back, band)}" fill="{colour}" fill-opacity="0.15"/>'
    for curve in curves:
        yield f'<polyline points="{points(curve.at, curve.mean)}" {stroke_of(curve.sampler)}/>'
    yield "</g>"
    yield f'<rect width="{width}" height="{height}" fill="none" stroke="#888"/>'


def legend_lines(samplers: Sequence[str]) -> Iterator[str]:
    """What each colour and dash is."""
    for number, sampler in enumerate(samplers):
        y = LEGEND_ROW * number + 10
        yield f'<path d="M0 {y}H26" {stroke_of(sampler)}/>'
        yield f'<text x="34" y="{y + 4}">{escape(sampler)}</text>'


def ticks_to(highest: float) -> Floats:
    """From 0 in steps of 1, 2 or 5 times a power of ten, three to seven of them."""
    power: float = 10.0 ** math.floor(math.log10(highest / 3))
    step = max(factor * power for factor in (1, 2, 5) if factor * power <= highest / 3)
    found: Floats = np.round(np.arange(0, highest, step), 10)
    return found


def colour_of(sampler: str) -> str:
    """That of the sampler without its suffix."""
    return COLOURS[sampler.removesuffix(TUNED_SUFFIX).removesuffix(LIMITED_SUFFIX)]


def stroke_of(sampler: str) -> str:
    """The attributes of its line."""
    dash = "".join(
        f' stroke-dasharray="{dashes}"' for suffix, dashes in DASHES.items() if sampler.endswith(suffix)
    )
    return f'stroke="{colour_of(sampler)}" stroke-width="2"{dash}'
