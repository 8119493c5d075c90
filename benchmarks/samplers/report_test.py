"""Tests of report.py and of curves.py."""

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from problems import Problem
from records import RunRecord
from report import write_pages

SVG = "{http://www.w3.org/2000/svg}"


def problem(name: str, reward: Callable[[Sequence[float]], float] | None) -> Problem:
    """Made-up networks."""
    return Problem(
        name=name,
        family="accel",
        choices={},
        values=lambda params: (0.0, 0.0),
        seen=lambda params, rng: (0.0, 0.0),
        reward=reward,
        reference=(0.0, 10.0),
        best=None if reward is None else 90.0,
    )


def record(name: str) -> RunRecord:
    """A run of TPE that found one network of 50 %, at 5 ms."""
    return RunRecord(
        problem=name,
        sampler="tpe",
        seed=0,
        settings={},
        most=100,
        asks=100,
        seconds=1.0,
        ended=False,
        values=[[0, 50.0, 5.0, 50.0]],
    )


def test_where_only_fronts_were_run_the_pages_have_no_regrets_and_no_pictures(tmp_path: Path) -> None:
    pages = write_pages([record("front")], {"front": problem("front", None)}, tmp_path)
    tables = (tmp_path / "samplers-tables.md").read_text()
    assert "best known reward" not in tables
    assert "| tpe | 1 |  | 100.000 |" in tables
    assert sorted(tmp_path.iterdir()) == sorted(pages)


def test_a_page_is_the_same_when_it_is_written_again(tmp_path: Path) -> None:
    every = {
        name: problem(name, lambda values: values[0]) for name in ("accel soft 4 ms", "one", "two", "three")
    }
    written = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        write_pages([record(name) for name in every], every, folder)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    assert "The best known reward is 90.000." in written[0]["samplers-tables.md"].decode()


@pytest.mark.parametrize(("picture", "panels"), [("samplers.svg", 1), ("samplers-curves.svg", 4)])
def test_a_picture_has_a_panel_for_each_problem_that_it_shows(
    tmp_path: Path, picture: str, panels: int
) -> None:
    every = {
        name: problem(name, lambda values: values[0]) for name in ("accel soft 4 ms", "one", "two", "three")
    }
    write_pages([record(name) for name in every], every, tmp_path)
    root = ElementTree.parse(tmp_path / picture).getroot()
    assert len(root.findall(f".//{SVG}polyline")) == panels  # of TPE
    assert picture in "".join(page.read_text() for page in tmp_path.glob("*.md"))
