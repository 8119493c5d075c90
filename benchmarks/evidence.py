"""The evidence behind every figure that a page prints, and README.md from it.

    python benchmarks/evidence.py

`evidence.jsonl` has one record a claim: a JSON object with the fields of `Evidence`. Who takes a figure again
changes its record, and then the page that prints it.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks import fill

FOLDER = Path(__file__).parent
RECORDS = FOLDER / "evidence.jsonl"
README = FOLDER / "README.md"

SCRIPT = re.compile(r"python benchmarks/(\S+\.py)")
"""In a command: the benchmark that it runs."""
HEADS = ("key", "claim", "value", "interval and notes", "runs", "machine", "printed in")
"""Of a table of claims."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Between which values something lies."""

    low: float
    high: float
    kind: str
    """Such as `95 %`, `middle half`, or `mean ± standard error`."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What stands behind one claim."""

    key: str
    """Its name, by which docstrings refer to it."""
    claim: str
    """A sentence."""
    value: float | Sequence[float]
    """One number, or several in the order that the claim gives."""
    unit: str
    """Of the value, with the kind of mean where it is one."""
    interval: Interval | None
    """None where none was recorded, which the note says."""
    runs: str | None
    """Seeds or repeats that the value is made of. None where that is not known."""
    machine: str | None
    """None where it is not known, or where no machine matters."""
    command: str | None
    """What takes the figure again. None where none was recorded."""
    pages: Sequence[str]
    """Other pages than README.md that print the value, from the root of the repository."""
    note: str | None
    """What else must be said."""


def read_evidence(path: Path = RECORDS) -> list[Evidence]:
    """All records.

    Raises:
        ValueError: a line is no record, or has the key of another.
    """
    found: dict[str, Evidence] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            fields = json.loads(line)
            interval = fields.pop("interval")
            one = Evidence(interval=None if interval is None else Interval(**interval), **fields)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}, line {number}: no record ({error!r})") from error
        if one.key in found:
            raise ValueError(f"{path.name}, line {number}: the key {one.key!r} is taken")
        found[one.key] = one
    return list(found.values())


def script_of(one: Evidence) -> str | None:
    """The benchmark that takes the figure again, from the folder of benchmarks."""
    found = SCRIPT.search(one.command or "")
    return found[1] if found else None


def readme(page: str, records: Sequence[Evidence]) -> str:
    """README.md with its written parts made anew."""
    by_script: dict[str, list[Evidence]] = {}
    for one in records:
        if (script := script_of(one)) is not None:
            by_script.setdefault(script, []).append(one)
    commands = [one for one in records if one.command is not None and script_of(one) is None]
    without = [one for one in records if one.command is None]
    machines = list(dict.fromkeys(one.machine for one in records if one.machine is not None))
    sections = [
        "\n".join(section_lines(script, some, machines)) for script, some in sorted(by_script.items())
    ]
    return fill(
        page,
        {
            "contents": "\n".join(contents_lines(sorted(by_script))),
            "benchmarks": "\n\n".join(sections),
            "commands": "\n".join(table_lines(commands, machines, with_command=True)),
            "without-command": "\n".join(table_lines(without, machines)),
            "machines": "\n".join(f"{number}. {one}" for number, one in enumerate(machines, start=1)),
        },
    )


def contents_lines(scripts: Iterable[str]) -> Iterator[str]:
    """A list of the benchmarks, each with the first line of its docstring."""
    for script in scripts:
        anchor = re.sub(r"[^a-z0-9_]", "", script)  # as GitHub makes it of a heading
        yield f"- [`{script}`](#{anchor}): {docstring_of(script).splitlines()[0]}"


def section_lines(script: str, records: Sequence[Evidence], machines: Sequence[str]) -> Iterator[str]:
    """What a benchmark measures, its command, and its claims."""
    yield f"### {script}"
    yield ""
    yield docstring_of(script)
    yield ""
    yield from table_lines(records, machines)


def docstring_of(script: str) -> str:
    """Of a benchmark.

    Raises:
        ValueError: it has none.
    """
    found = ast.get_docstring(ast.parse((FOLDER / script).read_text(encoding="utf-8")))
    if found is None:
        raise ValueError(f"{script}: has no docstring")
    return found


def table_lines(
    records: Iterable[Evidence], machines: Sequence[str], *, with_command: bool = False
) -> Iterator[str]:
    """A row a claim; machines by their number."""
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    for one in records:
        notes = [interval_text(one.interval), one.note or "", f"`{one.command}`" if with_command else ""]
        cells = [
            f"`{one.key}`",
            one.claim,
            f"{value_text(one)} {one.unit}",
            "; ".join(filter(None, notes)),
            one.runs or "",
            str(machines.index(one.machine) + 1) if one.machine else "",
            ", ".join(f"[{page.rpartition('/')[2]}](../{page})" for page in one.pages),
        ]
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def value_text(one: Evidence) -> str:
    """The number or numbers."""
    values = one.value if isinstance(one.value, Sequence) else [one.value]
    return ", ".join(map(number_text, values))


def interval_text(interval: Interval | None) -> str:
    """From where to where, and of which kind."""
    if interval is None:
        return ""
    return f"{number_text(interval.low)} to {number_text(interval.high)} ({interval.kind})"


def number_text(value: float) -> str:
    """As in the record, whole ones with commas."""
    return f"{value:,}" if isinstance(value, int) else repr(value)


if __name__ == "__main__":
    README.write_text(readme(README.read_text(encoding="utf-8"), read_evidence()), encoding="utf-8")
    print(f"wrote {README}")
