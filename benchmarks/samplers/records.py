"""The runs of the benchmark: a record each, in one compressed file, with a journal of the newest beside it.

    python benchmarks/samplers/records.py

`run.py` appends each run that ends to the journal, where a SIGKILL cannot take it back. The command folds the
journal into the compressed file, which is the one to commit. Who changes what a sampler does drops its runs first
(`--drop NAME`), and `run.py` makes them anew.
"""

import fcntl
import json
import lzma
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from contenders import Settings, names

RECORDS = Path(__file__).with_name("records.jsonl.xz")
"""The runs behind docs/samplers.md. Compressed by xz: 1.2 MB that are read in 0.1 s, where gzip takes 1.9 MB."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What the pages need of one run of a sampler on a problem."""

    problem: str
    sampler: str
    seed: int
    settings: Settings
    """Of the sampler, where they are not its defaults."""
    most: int
    """Different networks that the run was given."""
    asks: int
    """Networks that the sampler proposed, repeats among them."""
    seconds: float
    """That asking and telling took, all together."""
    ended: bool
    """Whether it ended by itself, before it had as many networks as it was given."""
    values: Sequence[Sequence[float]]
    """The networks that were better than all before, as `results.improvements` gives them."""
    recommended: Mapping[str, Any] | None = None
    """By the number of networks after which it was asked for, what `results.recommend` gave."""
    further: bool = False
    """Whether it was made after it had been decided how a network is recommended, and is shown by itself."""

    def line(self) -> str:
        """The record as JSON, without what it does not have."""
        fields = {name: value for name, value in vars(self).items() if value is not None}
        if not self.further:
            del fields["further"]
        return json.dumps(fields, separators=(",", ":"))


def journal_of(path: Path) -> Path:
    """Where the runs are that are not yet in the compressed file `path`."""
    return path.with_name(path.name.removesuffix(".xz"))


def read_records(path: Path) -> list[RunRecord]:
    """All runs, the later one of two with the same seed last.

    Raises:
        SystemExit: a record was cut short, as by a full disk.
    """
    journal = journal_of(path)
    folded = lzma.decompress(path.read_bytes()) if path.exists() else b""
    recent = journal.read_bytes() if journal.exists() else b""
    return [*_parsed(folded, path), *_parsed(recent, journal)]


def last_runs(
    records: Iterable[RunRecord],
    *,
    problem: str,
    sampler: str,
    settings: Settings | None,
    further: bool = False,
) -> dict[int, RunRecord]:
    """By seed the last run with these settings."""
    wanted = (problem, sampler, settings, further)
    return {
        one.seed: one for one in records if (one.problem, one.sampler, one.settings, one.further) == wanted
    }


def append_record(path: Path, record: RunRecord) -> None:
    """Put a run behind the others in the journal; on return it outlives this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with journal_of(path).open("ab", buffering=0) as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        journal.write(f"{record.line()}\n".encode())


def fold_journal(path: Path, *, dropped_samplers: Sequence[str] = ()) -> int:
    """Move the runs of the journal into the compressed file, without those of some samplers; how many are there.

    Lines are sorted by problem, sampler and seed; of two with one seed the later one stays the last.
    """
    journal = journal_of(path)
    with journal.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        kept = [one for one in read_records(path) if one.sampler not in dropped_samplers]
        kept.sort(key=lambda one: (one.problem, one.sampler, one.seed, one.further))
        lines = dict.fromkeys(f"{one.line()}\n" for one in kept)  # a fold that was killed leaves some twice
        new = path.with_name(f"{path.name}.new")
        new.write_bytes(lzma.compress("".join(lines).encode()))
        new.replace(path)
        os.truncate(journal, 0)
    return len(lines)


def _parsed(text: bytes, path: Path) -> list[RunRecord]:
    records = []
    for number, line in enumerate(text.decode().splitlines(), start=1):
        try:
            records.append(RunRecord(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise SystemExit(
                f"{path}, line {number}: no whole record ({error!r}); delete the line, and its run is made anew"
            ) from error
    return records


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the command is asked."""

    records: Path = RECORDS
    """The compressed file."""
    drop: tuple[str, ...] = ()
    """Samplers whose runs are dropped, by name."""


def main(arguments: Arguments) -> None:
    """Folds the journal.

    Raises:
        SystemExit: a sampler is not known, with one line.
    """
    for name in arguments.drop:
        if name not in names():
            raise SystemExit(f"--drop {name}: give names of {'; '.join(names())}")
    count = fold_journal(arguments.records, dropped_samplers=arguments.drop)
    print(f"{arguments.records}: {count:,} runs, {arguments.records.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
