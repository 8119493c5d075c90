"""Tests of evidence.py, and of what the records say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from evidence import FOLDER, README, Evidence, Interval, read_evidence, readme, script_of, value_text

from mnasnet.cli.main import VERBS

ROOT = FOLDER.parent
RECORDS = read_evidence()
TOOLS = ("evidence.py", "samplers/records.py")
"""Scripts that take no figure."""
REFERENCE = re.compile(r"`benchmarks/evidence\.jsonl`,\s+([a-z0-9-]+)")
"""How a docstring or a comment refers to a record."""
NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")

ONE = Evidence(
    key="a-file",
    claim="A file is written in this time.",
    value=0.08,
    unit="s",
    interval=Interval(low=0.07, high=0.09, kind="middle half"),
    runs="20 files",
    machine="a machine",
    command="python benchmarks/export.py",
    pages=[],
    note=None,
)


def numbers_in(text: str) -> set[float]:
    """All of a page, with and without what may be a sign."""
    found = {float(one.replace(",", "").replace("−", "-")) for one in NUMBER.findall(text)}
    return found | {abs(one) for one in found}


def test_the_readme_is_what_the_script_writes() -> None:
    page = README.read_text(encoding="utf-8")
    assert readme(page, RECORDS) == page, "run python benchmarks/evidence.py"


def test_a_command_names_a_script_or_a_verb_that_exists() -> None:
    for one in RECORDS:
        script = script_of(one)
        if script is not None:
            assert (FOLDER / script).is_file(), one.key
        elif one.command is not None:
            program, verb, *_ = one.command.split()
            assert program == "mnasnet", one.key
            assert verb in VERBS, one.key


def test_every_benchmark_has_a_claim() -> None:
    scripts = {
        str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py") if "__main__" in path.read_text()
    }
    assert scripts - {script_of(one) for one in RECORDS} - {"evidence_test.py"} == set(TOOLS)


def test_a_page_prints_the_values_of_its_records() -> None:
    pages = {page for one in RECORDS for page in one.pages}
    printed = {page: numbers_in((ROOT / page).read_text(encoding="utf-8")) for page in pages}
    for one in RECORDS:
        values = set(one.value) if isinstance(one.value, list) else {one.value}
        for page in one.pages:
            assert values <= printed[page], f"{page} does not print {one.key}: {values - printed[page]}"


def test_a_value_lies_in_its_interval_and_a_missing_interval_is_said() -> None:
    for one in RECORDS:
        if one.interval is None:
            assert "interval" in (one.note or ""), one.key
        else:
            assert isinstance(one.value, int | float), one.key
            assert one.interval.low <= one.value <= one.interval.high, one.key


def test_what_code_refers_to_is_there() -> None:
    keys = {one.key for one in RECORDS}
    for folder in ("mnasnet", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            unknown = set(REFERENCE.findall(path.read_text(encoding="utf-8"))) - keys
            assert not unknown, f"{path.relative_to(ROOT)} refers to {unknown}"


def test_a_claim_is_a_row_below_the_docstring_of_its_benchmark() -> None:
    places = ("contents", "benchmarks", "commands", "without-command", "machines")
    page = "\n".join(f"<!-- written {place} -->\n<!-- end -->" for place in places)
    without = replace(ONE, key="without", command=None, interval=None, note="no interval was recorded")
    written = readme(page, [ONE, without])
    row = "| `a-file` | A file is written in this time. | 0.08 s | 0.07 to 0.09 (middle half) | 20 files | 1 |  |"
    assert (
        written.index("### export.py") < written.index("    python benchmarks/export.py") < written.index(row)
    )
    assert "1. a machine" in written
    assert written.index(row) < written.index("| `without` |")


def test_several_values_are_printed_in_their_order_and_large_ones_with_commas() -> None:
    assert value_text(replace(ONE, value=[17000, 64000, 0.5])) == "17,000, 64,000, 0.5"


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    fields = {**vars(ONE), "interval": None}
    path.write_text(json.dumps(fields) + "\n" + json.dumps({**fields, "key": "other", "page": "?"}) + "\n")
    with pytest.raises(ValueError, match=r"evidence.jsonl, line 2: no record"):
        read_evidence(path)
    path.write_text(2 * (json.dumps(fields) + "\n"))
    with pytest.raises(ValueError, match=r"line 2: the key 'a-file' is taken"):
        read_evidence(path)
