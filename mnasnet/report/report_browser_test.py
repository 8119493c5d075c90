"""The report in a real browser: what headless Chromium has drawn of it."""

import re
import shutil
import subprocess
from pathlib import Path

import optuna
import pytest

from mnasnet.report.report import write_report

pytestmark = pytest.mark.slow

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
"""Without these Chromium talks to its maker's hosts, and does not start as root."""


def rendered(path: Path, profile: Path) -> str:
    """The page's document after its scripts have run."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert browser is not None, "chromium is not installed; on Debian: apt-get install chromium"
    command = [browser, "--headless", *QUIET, f"--user-data-dir={profile}", "--window-size=1100,900"]
    command += ["--virtual-time-budget=10000", "--dump-dom", path.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def drawn(html: str, figure: str) -> str:
    """The part of the rendered page that belongs to one figure."""
    return html.split(f'<figure aria-label="{figure}">')[1].split("</figure>")[0]


def points(html: str) -> list[list[tuple[float, float]]]:
    """For each trace of a scatter plot, where its symbols stand, in pixels from the plot's corner."""
    found = []
    for trace in re.findall(r'<g class="trace scatter trace\w+".*?</g>(?=<g class="trace|</g></g>|$)', html):
        symbols = re.findall(r'<path class="point[^"]*" transform="translate\(([\d.]+),([\d.]+)\)"', trace)
        found.append([(float(x), float(y)) for x, y in symbols])
    return found


def test_a_browser_draws_the_front(study: optuna.Study, finished: Path, tmp_path: Path) -> None:
    html = rendered(write_report(study, finished), tmp_path / "profile")
    trained, front, finalists, control = points(drawn(html, "front"))
    assert [len(trace) for trace in (trained, front, finalists, control)] == [2, 3, 2, 1]
    # The front, at 0.3, 0.4 and 0.8 ms and 80, 94 and 95 %: to scale, to the right and upwards.
    (x0, y0), (x1, y1), (x2, y2) = front
    assert (x1 - x0) / (x2 - x0) == pytest.approx((0.4 - 0.3) / (0.8 - 0.3), abs=0.01)
    assert (y1 - y0) / (y2 - y0) == pytest.approx((94 - 80) / (95 - 80), abs=0.01)
    assert x0 < x1 < x2
    assert y0 > y1 > y2
    assert "target 0.500 ms" in drawn(html, "front")


def test_a_browser_draws_every_figure(study: optuna.Study, finished: Path, tmp_path: Path) -> None:
    html = rendered(write_report(study, finished), tmp_path / "profile")
    for figure in ("front", "reward", "latency", "worth-ms"):
        assert "main-svg" in drawn(html, figure), figure
    bars = re.findall(r'<g class="point"><path [^>]*d="M[^"]+Z"', drawn(html, "latency"))
    assert len(bars) >= 6  # one bar a network, as no two are alike in latency
