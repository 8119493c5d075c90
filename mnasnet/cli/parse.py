"""From options to a typed record, and from an error to one line and an exit status."""

import contextlib
import dataclasses
import difflib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from mnasnet.base.errors import RequestError, RunError, rename_fields

REQUEST, FAILED, INTERRUPTED = 2, 1, 130
"""Exit status of a request that cannot be served, of what failed while running, and of Ctrl-C."""

NUMBERS: dict[type, str] = {int: "a whole number", float: "a number"}

Options = TypeVar("Options")


def parse(
    options: type[Options],
    arguments: Sequence[str],
    *,
    verb: str,
    default: Options | None = None,
    description: str | None = None,
) -> Options:
    """The record that `arguments` describe; what they leave open is as in `default`, or as declared.

    `description` stands above the options in `--help`, or else what `options` says of itself.

    Raises:
        SystemExit: with 0 after `--help`, or 1 where nobody read it to the end; with 2 and one line on standard
            error where they describe none.
    """
    if (said := _unknown_option(arguments, options)) is not None:
        print(f"mnasnet {verb}: {said}", file=sys.stderr)
        raise SystemExit(REQUEST)
    numbers = ConstructorRegistry()
    numbers.primitive_rule(_number)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                options,
                prog=f"mnasnet {verb}",
                description=description,
                args=list(arguments),
                default=tyro.MISSING_NONPROP if default is None else default,
                registry=numbers,
            )
    except SystemExit as ended:
        if ended.code:
            said = write_flags(_one_line(complaint.getvalue()), flags_of(options))
            print(f"mnasnet {verb}: {said}", file=sys.stderr)
        raise
    except BrokenPipeError:  # by whatever read the help
        _close_output()
        raise SystemExit(FAILED) from None


def flags_of(options: type) -> dict[str, str]:
    """How the command line writes each field of a record of options: its flag, or where it has none its place."""
    flags = {}
    for field in dataclasses.fields(options):
        declared = get_args(field.type)
        place = next(
            (found for one in declared if (found := getattr(one, "metavar", None))), field.name.upper()
        )
        positional = tyro.conf.Positional in declared
        flags[field.name] = place if positional else f"--{field.name.replace('_', '-')}"
    return flags


def write_flags(text: str, flags: Mapping[str, str]) -> str:
    """The text with each field that `flags` know as the command line writes it, and all else as it is."""
    return rename_fields(text, lambda name: flags.get(name, f"`{name}`"))


def called(verb: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """The command as it was called, so that what is printed can be called again.

    After `make setup` mnasnet is in .venv/bin, and not on the path.
    """
    program = sys.argv[0] if Path(sys.argv[0]).name == "mnasnet" else "mnasnet"
    return (os.path.relpath(program) if Path(program).is_file() else program, verb, *arguments)


def served(
    action: Callable[[], None],
    *,
    verb: str,
    flags: Mapping[str, str],
    kept: str,
    refused: tuple[type[Exception], ...] = (),
    failed: tuple[type[Exception], ...] = (),
) -> int:
    """Run `action` and return the exit status; what it raises becomes one line on standard error.

    A request that cannot be served and a run that failed are said so; anything else is a mistake of ours and keeps
    its traceback. `flags` are how the command line writes the fields that an error names (`flags_of`), and `kept`
    says what is still there after a failure or Ctrl-C.
    """
    refusals: tuple[type[Exception], ...] = (RequestError, *refused)
    failures: tuple[type[Exception], ...] = (RunError, OSError, *failed)
    try:
        action()
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal has written ^C
        print(f"mnasnet {verb}: stopped; {kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        print(f"mnasnet {verb}: nobody reads the output any more; {kept}", file=sys.stderr)
        return FAILED
    except refusals as error:
        print(f"mnasnet {verb}: {write_flags(_line(error), flags)}", file=sys.stderr)
        return REQUEST
    except failures as error:
        print(f"mnasnet {verb}: {write_flags(_line(error), flags)}; {kept}", file=sys.stderr)
        return FAILED
    return 0


@contextlib.contextmanager
def convert_torch_errors() -> Iterator[None]:
    """Around what trains or classifies: torch says that memory ran out with a plain RuntimeError.

    Raises:
        RunError: in torch's words.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise RunError(str(error) or type(error).__name__) from error


def _number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """How a number is read: as tyro does it, but tyro complains in the names of Python's types."""
    for kind, wanted in NUMBERS.items():
        if info.type in (kind, kind | None):
            return PrimitiveConstructorSpec(
                nargs=1,
                metavar=kind.__name__.upper(),
                instance_from_str=partial(_read, kind, wanted, info.type != kind),
                is_instance=lambda value: True,
                str_from_instance=lambda value: [str(value)],
            )
    return None


def _read(kind: type, wanted: str, optional: bool, words: list[str]) -> Any:
    (word,) = words
    try:
        return None if optional and word == "None" else kind(word)
    except ValueError as error:
        raise ValueError(f"{word}: give {wanted}") from error


def _unknown_option(arguments: Sequence[str], options: type) -> str | None:
    """What to say of the first argument that has the look of an option and is none; None where all are."""
    names = ["help"]
    for field in dataclasses.fields(options):
        name = field.name.replace("_", "-")
        if tyro.conf.Positional not in get_args(field.type):
            names += [name, f"no-{name}"] if field.type is bool else [name]
    for argument in arguments:
        flag, _, _ = argument.partition("=")
        name = flag.removeprefix("--").replace("_", "-")
        if flag.startswith("--") and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            there = f"the nearest is --{near[0]}" if near else f"there are --{', --'.join(names)}"
            return f"{flag}: no such option; {there}"
    return None


def _one_line(box: str) -> str:
    """What tyro says in a box of several lines under a title, without box, title and advice.

    Where the output cannot show the box, its lines are hyphens.
    """
    lines = [re.sub(r"[╭╮╰╯─│]+|-{3,}", " ", line).strip() for line in box.splitlines()]
    said = " ".join(" ".join(lines[1:]).split())
    for tyros, ours in (  # whatever else tyro may say stays as it is
        (r" (Argument helptext:|For full helptext).*", ""),
        (r"^Error parsing (--\S+):", r"\1"),
        (r"^Error parsing \w+: ", ""),
        (
            r"^invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)\.",
            r"\2 \1: give one of \3",
        ),
        (r"^Unrecognized options: ([^, ]*).*", r"\1 belongs to no option: put one before it"),
        (r"^Missing value for argument '(.*)'\..*", r"\1: give a value"),
        (
            r"^Missing from [^:]*: (?:-\w [A-Z]+, )?([\w-]+)(?: [A-Z]+)? (.*?)\.? \(required\).*",
            r"give \1: \2",
        ),
    ):
        said = re.sub(tyros, ours, said)
    return said


def _close_output() -> None:
    """Write no more to whoever has gone, or Python would complain once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return f"{error.strerror}: make room on the disk"
    return " ".join(str(error).split()) or type(error).__name__
