"""Other people's libraries: the ones that may be missing, and the ones that talk."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator

from mnasnet.base.errors import RequestError


class MissingLibraryError(RequestError):
    """A library of an extra is not installed; the message is one line that says what to install."""


@contextlib.contextmanager
def of_extra(extra: str) -> Iterator[None]:
    """Around imports of what `pip install 'mnasnet[EXTRA]'` brings.

    Raises:
        MissingLibraryError: it is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            f"{error.name} is not installed; it comes with: pip install 'mnasnet[{extra}]'"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing on standard error, also not from C++, and no warnings: what goes wrong comes as an exception."""
    sys.stderr.flush()
    with (
        warnings.catch_warnings(action="ignore"),
        open(os.devnull, "w") as nowhere,  # noqa: PTH123, it is no file of ours
    ):
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            with contextlib.redirect_stderr(nowhere):
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
