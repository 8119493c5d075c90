"""Tests of report.py: the page itself, read with the standard library's parser."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest

from mnasnet.report.conftest import SPACE, card
from mnasnet.report.findings import Findings, find
from mnasnet.report.report import page, write_report
from mnasnet.study.card import write_card


class Page(HTMLParser):
    """What a reader sees of a page: its headings, table rows and text; and what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value is not None]
        if tag not in ("meta", "br", "rect", "path"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] in ("script", "style"):
            return
        self.text += data
        if self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self._open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data


def read(study: optuna.Study, out: Path, target_ms: float | None = None) -> Page:
    """The page of a search, as its reader sees it."""
    return Page(page(find(study, out, target_ms=target_ms)))


def test_the_page_is_one_file_that_loads_nothing(study: optuna.Study, finished: Path) -> None:
    path = write_report(study, finished)
    assert path == finished / "report.html"
    html = path.read_text(encoding="utf-8")
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert 'name="viewport"' in html
    assert Page(html).loaded == []
    assert 4e6 < len(html) < 6e6


def test_the_parts_stand_in_their_order(study: optuna.Study, finished: Path) -> None:
    headings = read(study, finished).headings
    assert [heading for heading in headings if not heading.startswith(("trial-3", "In "))] == [
        f"MnasNet search: {finished.name}",
        "The front: accuracy against latency",
        "Reward by trial",
        "Latency of what was tried",
        "The finalists, layer by layer",
        "What each choice was worth",
        "Every trial",
    ]


def test_the_front_is_a_table_too(study: optuna.Study, finished: Path) -> None:
    rows = read(study, finished).rows
    attributes = study.trials[2].user_attrs
    assert rows[0] == [
        *("trial", "latency, ms", "accuracy, %", "parameters", "multiply-adds", "reward", "digest")
    ]
    assert [row[0] for row in rows[1:4]] == ["0", "2", "4"]
    assert rows[2] == [
        *("2", "0.400 [0.390, 0.410]", "94.0 [90.7, 96.2]", f"{attributes['parameters']:,}"),
        *(f"{attributes['multiply_adds'] / 1e6:#.3g} M", "0.9548", attributes["digest"]),
    ]
    assert rows[7][:3] == ["mobilenet-v2 (control)", "0.500 [0.490, 0.510]", "93.0 [90.4, 94.9]"]


def test_every_trial_is_listed_with_its_outcome_and_reason(study: optuna.Study, tmp_path: Path) -> None:
    rows = read(study, tmp_path).rows[-8:]
    assert [row[0] for row in rows] == [str(number) for number in range(8)]
    assert [row[-2] for row in rows] == [
        *("trained", "trained", "trained", "too slow", "trained", "copy of 2", "failed", "trained")
    ]
    assert rows[3][-1] == "1.2 ms > 0.9 ms"
    assert rows[6][1:3] == ["", ""]


def test_what_others_wrote_is_escaped(study: optuna.Study, finished: Path) -> None:
    html = page(find(study, finished))
    assert "<nan>" not in html
    assert "<two>" not in html
    assert "<mine>" not in html
    assert read(study, finished).rows[-2][-1] == "DivergedError: loss <nan> & more, width 1"


def test_the_header_says_what_the_search_is(study: optuna.Study, finished: Path) -> None:
    text = read(study, finished).text
    assert "5 networks trained, 1 copy, 1 too slow to train, 1 failed." in text
    facts = ["LiteRT 2.3, XNNPACK", "1, core 1", "1f0c", "mnasnet search --classes <two>"]
    facts += ["soft, target 0.500 ms (what MobileNetV2 takes here at this size and width)", "ppo", "0.900 ms"]
    assert [fact for fact in facts if fact not in text] == []
    assert "+3.0 points [+0.2, +5.9] and -0.050 ms" in text


def test_a_rescored_page_says_so(study: optuna.Study, tmp_path: Path) -> None:
    text = read(study, tmp_path, target_ms=1.2).text
    assert "Re-scored for a target of 1.20 ms, without training: the search itself aimed at 0.500 ms." in text
    assert "Networks beyond 0.900 ms were not trained in that search." in text
    rows = read(study, tmp_path, target_ms=1.2).rows
    assert float(rows[2][5]) == pytest.approx(0.94 * (0.4 / 1.2) ** -0.07, abs=5e-5)
    assert "Re-scored" not in read(study, tmp_path).text


def test_what_is_expected_is_said_where_anything_is(study: optuna.Study, finished: Path) -> None:
    findings = find(study, finished)
    expected = {0: 0.8, 1: 0.8, 2: 0.8, 4: 0.9, 7: 0.8}
    best, how = (
        "Highest expected reward: trial 4,",
        "finalists are chosen by the accuracies that are expected",
    )

    def said(findings: Findings) -> list[bool]:
        text = Page(page(findings)).text
        return [best in text, how in text]

    assert said(findings) == [False, False]
    assert said(replace(findings, expected=expected)) == [True, True]
    assert said(replace(findings, expected=expected, finalists=())) == [True, False]


def test_without_finalists_the_best_of_the_front_is_drawn(study: optuna.Study, tmp_path: Path) -> None:
    shown = read(study, tmp_path)
    assert "There are no finalists yet" in shown.text
    assert [heading for heading in shown.headings if heading.startswith("Trial ")] == [
        *("Trial 2", "Trial 4", "Trial 0")
    ]


def test_without_the_control_nothing_is_compared(study: optuna.Study, tmp_path: Path) -> None:
    finalist = card(480, 0.45)
    folder = tmp_path / "finalists" / finalist.digest
    folder.mkdir(parents=True)
    write_card(finalist, folder)
    shown = read(study, tmp_path)
    assert "The control is not finished yet, so there is no comparison." in shown.text
    assert "against MobileNetV2" not in shown.text


def test_a_search_that_has_just_begun_has_a_page(empty_study: optuna.Study, tmp_path: Path) -> None:
    shown = read(empty_study, tmp_path)
    assert "The search has not been set up yet." in shown.text
    assert shown.text.count("No network has been trained yet.") == 4
    assert "There are no trials yet." in shown.text
    assert "0 networks trained: too few to say anything." in shown.text


def test_a_trial_that_is_running_is_listed(study: optuna.Study, tmp_path: Path) -> None:
    study.ask(dict(SPACE.distributions))
    assert read(study, tmp_path).rows[-1][-2] == "running"


def test_the_page_takes_the_place_of_an_older_one_whole(study: optuna.Study, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "mine"
    assert write_report(study, out) == write_report(study, out)
    assert [path.name for path in out.iterdir()] == ["report.html"]


def test_the_report_for_another_target_stands_beside_that_of_the_search(
    study: optuna.Study, tmp_path: Path
) -> None:
    assert write_report(study, tmp_path, target_ms=8.0) == tmp_path / "report-8ms.html"
    assert write_report(study, tmp_path, target_ms=0.15) == tmp_path / "report-0.15ms.html"
    assert not (tmp_path / "report.html").exists()


def test_the_report_never_loads_torch() -> None:
    code = (
        "import sys, mnasnet.report.report, mnasnet.report.summary; "
        "print(*[name for name in sys.modules if name.split('.')[0] == 'torch'])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not re.findall(r"\S+", loaded)
