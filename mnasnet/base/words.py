"""Words: numbers as people read them, to three digits and with their unit."""

import math
from collections.abc import Sequence


def decimals(value: float) -> int:
    """Decimal places that show `value` to three digits: 3 for 0.412, 1 for 12.3, 0 above 100."""
    return max(0, 2 - math.floor(math.log10(value)))


def milliseconds(latency_ms: float) -> str:
    """A latency to three digits, with its unit."""
    return f"{latency_ms:.{decimals(latency_ms)}f} ms"


def millions(count: int) -> str:
    """A count in millions to three digits: `0.412 M`, `312 M`."""
    value = count / 1e6
    return f"{value:.{decimals(value)}f} M"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def some(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def first_line(error: BaseException) -> str:
    """What an exception says, on one line; its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
