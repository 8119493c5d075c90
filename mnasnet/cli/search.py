"""`mnasnet search`: from images and a latency target to trained, exported, measured networks."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict

from mnasnet.base.words import counted, some
from mnasnet.cli.parse import called, flags_of, parse, served, write_flags
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.report.summary import front_table, summary_lines
from mnasnet.search.run import search
from mnasnet.search.settings import DEMONSTRATION, Settings
from mnasnet.study.storage import without_password
from mnasnet.train.sources import DIGITS

OWN = Settings(data=DIGITS)
"""What is taken where images are named, and only they: the defaults as `Settings` declares them."""

FLAGS = flags_of(Settings)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet search ARGUMENTS`."""
    named = any(argument.partition("=")[0] in ("--data", "-h", "--help") for argument in arguments)
    default = OWN if named else DEMONSTRATION
    settings = parse(Settings, arguments, verb="search", default=default, description=description())
    # It goes into the study, every card and the report.
    command = called("search", [without_password(argument) for argument in arguments])
    storage = () if settings.storage is None else ("--storage", without_password(settings.storage))
    report = shlex.join([command[0], "report", str(settings.folder), *storage])
    return served(
        lambda: _search(settings, command),
        verb="search",
        flags=FLAGS,
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
    console = plain_console()
    with Terminal(console=console, flags=FLAGS) as terminal:
        result = search(settings, watcher=terminal, command=command)
    if result.converged is not None:
        console.print(result.converged)
    console.print(front_table(result.findings, width=console.width))
    for line in summary_lines(result.findings, controller_updates=result.controller_updates):
        console.print(write_flags(line, FLAGS))
    if result.skipped:
        console.print(f"{counted(len(result.skipped), 'corrupt image')} skipped: {some(result.skipped)}")
    console.print(f"report: {result.report}")
    if result.converged is None:
        console.print(f"next: {next_command(settings, command, trained=len(result.findings.trained))}")
    else:
        console.print("next: another --seed with another --out, or another --space, --width or --image-size")


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
