"""`mnasnet report`: the report of a search or a training, written again at any time; nothing is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from mnasnet.base.errors import RequestError
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.report.findings import find
from mnasnet.report.report import write_report
from mnasnet.report.summary import front_table, summary_lines
from mnasnet.report.training import training_lines, write_training_report
from mnasnet.report.words import plain_words
from mnasnet.study.storage import kept_in, load_study, place_of
from mnasnet.study.training import read_training


@dataclass(frozen=True, kw_only=True)
class Options:
    """Write the report of a search or a training again, also while it runs."""

    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the search or the training."""
    target_ms: float | None = None
    """Score everything that a search tried for this latency instead, in a report of its own; nothing is trained."""
    storage: str | None = None
    """Database that keeps the study, where it is not in the folder."""

    def __post_init__(self) -> None:
        if self.target_ms is not None and not (math.isfinite(self.target_ms) and self.target_ms > 0):
            raise RequestError("give a number above 0", field="target_ms", value=self.target_ms)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet report ARGUMENTS`."""
    options = parse(Options, arguments, verb="report")
    return served(
        lambda: _report(options),
        verb="report",
        flags=flags_of(Options),
        kept="a report that was there is unchanged",
    )


def _report(options: Options) -> None:
    if (training := read_training(options.out)) is not None:
        for line in training_lines(training):
            print(line)
        print(f"report: {write_training_report(training, options.out)}")
        return
    place = place_of(options.out, options.storage)
    study = load_study(place)
    with kept_in(place):
        findings = find(study, options.out, target_ms=options.target_ms)
        report = write_report(study, options.out, target_ms=options.target_ms)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(front_table(findings, width=console.width))
    for line in summary_lines(findings):
        console.print(plain_words(line))
    console.print(f"report: {report}")
