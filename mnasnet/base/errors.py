"""Errors: two roots, a request that cannot be served and a run that failed."""

import re
from collections.abc import Callable

NAMED_FIELD = re.compile(r"`([a-z][a-z0-9_]*)`")
"""How a message names a field of a request: a Python user reads it so, and the command line writes its flag."""


class RequestError(ValueError):
    """A request that cannot be served: what was asked for is at fault, and nothing was changed.

    The message is one line that names the value and the way out. Where one field is at fault, `field` names it as
    the Python call does (`image_size`) and `value` is what it held. Other fields stand in the message in backticks.
    """

    def __init__(self, message: str, *, field: str | None = None, value: object = None) -> None:
        super().__init__(message if field is None else f"`{field}` {value}: {message}")
        self.field, self.value = field, value


class RunError(Exception):
    """A run that failed: the request was good, and something went wrong on the way.

    The message is one line with the reason and, where there is one, the way out. What had finished before is kept.
    """


def rename_fields(message: str, rename: Callable[[str], str]) -> str:
    """The message with every named field as `rename` writes it, such as a flag for `image_size`."""
    return NAMED_FIELD.sub(lambda match: rename(match[1]), message)
