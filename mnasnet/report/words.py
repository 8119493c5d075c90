"""How the report writes numbers: milliseconds, accuracies, counts, and their intervals."""

import math

from mnasnet.arch.records import Accuracy, Latency, wilson_interval


def decimals(latency_ms: float) -> int:
    """Decimal places that show a latency to three digits: 3 for 0.412 ms, 1 for 12.3 ms, 0 above 100 ms."""
    return max(0, 2 - math.floor(math.log10(latency_ms)))


def milliseconds(latency_ms: float) -> str:
    """A latency to three digits, with its unit."""
    return f"{latency_ms:.{decimals(latency_ms)}f} ms"


def latency_words(latency: Latency) -> str:
    """`0.412 [0.401, 0.420]`, in milliseconds; a table's begins with `predicted`."""
    places = decimals(latency.median_ms)
    said = "predicted " if latency.predicted else ""
    return f"{said}{latency.median_ms:.{places}f} [{latency.low_ms:.{places}f}, {latency.high_ms:.{places}f}]"


def accuracy_words(accuracy: Accuracy) -> str:
    """`93.1 [90.4, 95.1]`, in per cent."""
    return share_words(accuracy.correct, accuracy.images)


def share_words(some: int, of: int) -> str:
    """`93.1 [90.4, 95.1]`, in per cent: a share with its 95 % interval."""
    low, high = wilson_interval(some, of)
    return f"{100 * some / of:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def millions(count: int) -> str:
    """A count in millions to three digits: `0.412 M`, `312 M`."""
    value = count / 1e6
    return f"{value:.{decimals(value)}f} M"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
