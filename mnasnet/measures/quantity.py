"""Quantity: one number with its name, unit, direction, interval and conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mnasnet.measures.interval import Interval

Direction = Literal["higher", "lower"]
"""Which value is the better one."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that says what it is of, and how it came about."""

    name: str
    """Such as `accuracy`, `latency` or `file size`."""
    unit: str
    """Such as `ms` or `MB`; empty of a fraction."""
    better: Direction
    value: float
    interval: Interval | None
    """95 %, in the same unit; None of what is counted and has no error."""
    conditions: Mapping[str, str | int | float]
    """How it came about, by name."""
