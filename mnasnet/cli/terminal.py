"""What a person sees while something runs: lines that stay, and in a real terminal bars of what is under way."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mnasnet.cli.parse import write_flags
from mnasnet.report.words import accuracy_words, latency_words
from mnasnet.study.trial import TrialRecord


def plain_console() -> Console:
    """Standard output; as wide as the terminal, and wide enough for the front where there is none."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    return (
        console if console.is_terminal else Console(highlight=False, markup=False, soft_wrap=True, width=120)
    )


@dataclass(kw_only=True)
class Terminal:
    """A watcher that prints a line for every trial, and in a real terminal draws what is under way."""

    console: Console
    flags: Mapping[str, str] = field(default_factory=dict)
    """How the command line writes the fields that a line names."""
    clock: Callable[[], float] = time.monotonic
    """In seconds."""
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
            # Rich forgets after 30 s otherwise, and a trial takes longer.
            speed_estimate_period=math.inf,
            get_time=self.clock,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print one line above the bars, with flags for the fields that it names."""
        self.console.print(write_flags(line, self.flags))

    def step(self, what: str, done: int, total: int) -> None:
        """Draw how far `what` is; without a terminal, only say that a final training begins."""
        for other in [name for name in self._tasks if name not in (what, "trials")]:
            self._bars.remove_task(self._tasks.pop(other))
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
            if what.startswith("final") and not self.console.is_terminal:
                self.say(what)
        task = self._tasks[what]
        if done < self._bars.tasks[self._bars.task_ids.index(task)].completed:
            self._bars.reset(task)  # the next of its kind, which has all its time left
        self._bars.update(task, completed=done, total=total)

    def trial(self, record: TrialRecord, *, trained: int, trials: int, best: TrialRecord | None) -> None:
        """Print what became of the trial, and draw how many are trained and which is best."""
        self.say(f"[{trained}/{trials}] trial {record.number}: {_became(record)}")
        described = "trials" if best is None else f"trials, best {best.number}: {_values(best)}"
        self.step("trials", trained, trials)
        self._bars.update(self._tasks["trials"], description=described)


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
