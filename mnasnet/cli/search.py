"""`mnasnet search`: from images and a latency target to trained, exported, measured networks."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mnasnet.cli.parse import parse, served
from mnasnet.devices.device import DeviceError
from mnasnet.report.summary import front_table, summary_lines
from mnasnet.report.words import accuracy_words, counted, latency_words
from mnasnet.search.loop import SearchError
from mnasnet.search.run import search
from mnasnet.search.settings import DEMONSTRATION, RequestError, Settings
from mnasnet.study.card import CardError
from mnasnet.study.lock import FolderError
from mnasnet.study.storage import OtherSearchError, StorageError, StorageLostError, without_password
from mnasnet.study.trial import TrialRecord
from mnasnet.train.sources import DIGITS, some

OWN = Settings(data=DIGITS)
"""What is taken where images are named, and only they: the defaults as `Settings` declares them."""

REFUSED = (RequestError, FolderError, OtherSearchError, StorageError, CardError)
FAILED = (
    SearchError,
    DeviceError,
    StorageLostError,
    OSError,
)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet search ARGUMENTS`."""
    named = any(argument.partition("=")[0] in ("--data", "-h", "--help") for argument in arguments)
    default = OWN if named else DEMONSTRATION
    settings = parse(Settings, arguments, verb="search", default=default, description=description())
    # As it was called, so that what is printed can be called again: after `make`, mnasnet is in .venv/bin.
    program = sys.argv[0] if Path(sys.argv[0]).name == "mnasnet" else "mnasnet"
    called = os.path.relpath(program) if Path(program).is_file() else program
    # It goes into the study, every card and the report.
    command = (called, "search", *map(without_password, arguments))
    storage = () if settings.storage is None else ("--storage", without_password(settings.storage))
    report = shlex.join([command[0], "report", str(settings.folder), *storage])
    return served(
        lambda: _search(settings, command),
        verb="search",
        refused=REFUSED,
        failed=FAILED,
        kept=f"what was finished is kept, `{report}` shows it, and the same command goes on: {shlex.join(command)}",
    )


def description() -> str:
    """What stands above the options in `--help`."""
    others = {name: value for name, value in asdict(DEMONSTRATION).items() if value != getattr(OWN, name)}
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in others.items())
    # One line a paragraph: tyro joins lines, unless one begins with a hyphen, and breaks none.
    return (
        f"{Settings.__doc__}\n\nThe defaults below are for images of your own, given as --data.\n\n"
        f"Without --data a demonstration on digits runs, of a few minutes, with\n{flags}"
    )


def _search(settings: Settings, command: Sequence[str]) -> None:
    console = _console()
    with Terminal(console=console) as terminal:
        result = search(settings, watcher=terminal, command=command)
    if result.converged is not None:
        console.print(result.converged)
    console.print(front_table(result.findings, width=console.width))
    for line in summary_lines(result.findings, controller_updates=result.controller_updates):
        console.print(line)
    if result.skipped:
        console.print(f"{counted(len(result.skipped), 'corrupt image')} skipped: {some(result.skipped)}")
    console.print(f"report: {result.report}")
    if result.converged is None:
        console.print(f"next: {next_command(settings, command, trained=len(result.findings.trained))}")
    else:
        console.print("next: another --seed with another --out, or another --space, --width or --image-size")


def _console() -> Console:
    """Standard output; as wide as the terminal, and wide enough for the front where there is none."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    return (
        console if console.is_terminal else Console(highlight=False, markup=False, soft_wrap=True, width=120)
    )


def next_command(settings: Settings, command: Sequence[str], *, trained: int) -> str:
    """What to call next: one's own images after the demonstration, more trials after a search."""
    words = list(command)
    for position, word in reversed(list(enumerate(words))):
        if word == "--trials" or word.startswith("--trials="):
            del words[position : position + (2 if word == "--trials" else 1)]
    more = shlex.join([*words, "--trials", str(2 * max(settings.trials, trained))])
    if settings.data != DIGITS:
        return more
    return (
        f"{more}, or with your own images: {command[0]} search --data FOLDER --image-size 64 --out runs/mine"
    )


@dataclass(kw_only=True)
class Terminal:
    """A watcher that prints a line for every trial, and in a real terminal draws what is under way."""

    console: Console
    _bars: Progress = field(init=False)
    _tasks: dict[str, TaskID] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print one line above the bars."""
        self.console.print(line)

    def step(self, what: str, done: int, total: int) -> None:
        """Draw how far `what` is; without a terminal, only say that a final training begins."""
        for other in [name for name in self._tasks if name not in (what, "trials")]:
            self._bars.remove_task(self._tasks.pop(other))
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
            if what.startswith("final") and not self.console.is_terminal:
                self.say(what)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def trial(self, record: TrialRecord, *, trained: int, trials: int, best: TrialRecord | None) -> None:
        """Print what became of the trial, and draw how many are trained and which is best."""
        self.say(f"[{trained}/{trials}] trial {record.number}: {_became(record)}")
        described = "trials" if best is None else f"trials, best {best.number}: {_values(best)}"
        if "trials" not in self._tasks:
            self._tasks["trials"] = self._bars.add_task("trials", total=trials)
        self._bars.update(self._tasks["trials"], completed=trained, total=trials, description=described)


def _became(record: TrialRecord) -> str:
    if record.outcome == "failed":
        return f"failed, {record.reason}"
    copied = "" if record.copy_of is None else f", the network of trial {record.copy_of}"
    if record.outcome == "too slow":
        return f"not trained, {record.reason or 'too slow'}{copied}"
    return _values(record) + copied


def _values(record: TrialRecord) -> str:
    assert record.accuracy is not None
    assert record.latency is not None
    return f"{accuracy_words(record.accuracy)} % at {latency_words(record.latency)} ms"
