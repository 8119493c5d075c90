"""Curves of mean regret by networks tried, with their intervals."""

import math
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from contenders import LIMITED_SUFFIX, PLAIN, TUNED_SUFFIX, contender_named
from plotly.colors import qualitative
from plotly.graph_objects import Scatter
from plotly.subplots import make_subplots
from records import Floats, Runs
from scipy.stats import t

COLUMNS = 3
DASHES = {TUNED_SUFFIX: "dot", LIMITED_SUFFIX: "dash"}
SHOWN_FROM = 50
"""Networks from which on all of every curve is inside of its panel."""


def half_of(runs: Floats) -> Floats:
    """[networks]: half of the 95 % interval of the mean of `runs` [runs, networks], by Student's t."""
    count = len(runs)
    if count == 1:
        return np.zeros(runs.shape[1])
    found: Floats = t.ppf(0.975, count - 1) * runs.std(axis=0, ddof=1) / math.sqrt(count)
    return found


def draw(rewarded: Mapping[str, Mapping[str, Runs]], best: Mapping[str, float], path: Path) -> None:
    """Curves of mean regret with their 95 % intervals, a panel a problem, as a picture taken by `chromium`."""
    rows = math.ceil(len(rewarded) / COLUMNS)
    figure = make_subplots(rows, COLUMNS, subplot_titles=list(rewarded), vertical_spacing=0.3 / rows)
    colours = dict(zip(PLAIN, qualitative.Dark24, strict=False))
    shown = set()
    for number, (name, runs) in enumerate(rewarded.items()):
        place = {"row": number // COLUMNS + 1, "col": number % COLUMNS + 1}
        highest = 0.0
        for sampler, some in runs.items():
            most = int(min(some.length, contender_named(sampler).most))
            at = np.unique(np.geomspace(10, most, 60).astype(int))
            regrets = best[name] - some.curves(most)[:, at - 1]
            mean, half = regrets.mean(axis=0), half_of(regrets)
            highest = max(highest, float(mean[np.searchsorted(at, SHOWN_FROM) :].max(initial=0.0)))
            colour = colours[sampler.removesuffix(TUNED_SUFFIX).removesuffix(LIMITED_SUFFIX)]
            dashes = [dash for suffix, dash in DASHES.items() if sampler.endswith(suffix)]
            band = {
                "x": [*at, *at[::-1]],
                "y": [*(mean + half), *(mean - half)[::-1]],
                "fill": "toself",
                "fillcolor": colour,
                "opacity": 0.15,
                "line_width": 0,
                "mode": "lines",
                "showlegend": False,
            }
            line = {
                "x": at,
                "y": mean,
                "name": sampler,
                "legendgroup": sampler,
                "showlegend": sampler not in shown,
                "line": {"color": colour, "dash": dashes[0] if dashes else "solid"},
            }
            shown.add(sampler)
            for parts in (band, line):
                figure.add_trace(Scatter(**parts), **place)
        figure.update_yaxes(range=[0, 1.1 * highest], **place)
    figure.update_xaxes(type="log", title="networks tried", dtick=1)
    figure.update_yaxes(title="mean regret, points")
    size = 1500, 380 * rows + 60
    figure.update_layout(width=size[0], height=size[1], margin={"t": 40, "l": 60, "r": 10, "b": 40})
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "curves.html"
        figure.write_html(page, config={"displayModeBar": False})
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--hide-scrollbars",
                "--virtual-time-budget=10000",
                f"--window-size={size[0] + 20},{size[1] + 20}",
                f"--screenshot={path.resolve()}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
