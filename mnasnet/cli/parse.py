"""From options to a typed record, and from an error to one line and an exit status."""

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import tyro

REQUEST, FAILED, INTERRUPTED = 2, 1, 130
"""Exit status of a request that cannot be served, of what failed while running, and of Ctrl-C."""

Options = TypeVar("Options")


def parse(
    options: type[Options], arguments: Sequence[str], *, verb: str, default: Options | None = None
) -> Options:
    """The record that `arguments` describe; what they leave open is as in `default`, or as declared.

    Raises:
        SystemExit: with 0 after `--help`, with 2 and one line on standard error where they describe none.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                options,
                prog=f"mnasnet {verb}",
                args=list(arguments),
                default=tyro.MISSING_NONPROP if default is None else default,
            )
    except SystemExit as ended:
        if ended.code:
            print(f"mnasnet {verb}: {_one_line(complaint.getvalue())}", file=sys.stderr)
        raise


def served(
    action: Callable[[], None],
    *,
    verb: str,
    refused: tuple[type[Exception], ...],
    failed: tuple[type[Exception], ...],
    kept: str,
) -> int:
    """Run `action` and return the exit status; what it raises becomes one line on standard error.

    `refused` says that the request cannot be served, `failed` what may go wrong on the way; anything else is a
    mistake of ours and keeps its traceback. `kept` says what is still there after a failure or Ctrl-C.
    """
    try:
        action()
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the terminal has written ^C
        print(f"mnasnet {verb}: stopped; {kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whatever read the output has gone; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"mnasnet {verb}: nobody reads the output any more; {kept}", file=sys.stderr)
        return FAILED
    except refused as error:
        print(f"mnasnet {verb}: {_line(error)}", file=sys.stderr)
        return REQUEST
    except failed as error:
        print(f"mnasnet {verb}: {_line(error)}; {kept}", file=sys.stderr)
        return FAILED
    return 0


def _one_line(box: str) -> str:
    """What tyro says in a box of several lines under a title, without box and title.

    Where the output cannot show the box, its lines are hyphens.
    """
    lines = [re.sub(r"[╭╮╰╯─│]+|-{3,}", " ", line).strip() for line in box.splitlines()]
    said = " ".join(" ".join(lines[1:]).split())
    return re.sub(r"^Error parsing \w+: ", "", said).replace(" For full helptext", "; for all options")


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
        return f"{error.strerror}: make room on the disk"
    return " ".join(str(error).split()) or type(error).__name__
