"""How the report writes accuracies and latencies, each with its interval, and what a message names."""

from mnasnet.arch.records import Accuracy, Latency, wilson_interval
from mnasnet.base.errors import rename_fields
from mnasnet.base.words import decimals


def latency_words(latency: Latency) -> str:
    """`0.412 [0.401, 0.420]`, in milliseconds; a table's begins with `predicted`."""
    places = decimals(latency.median_ms)
    said = "predicted " if latency.predicted else ""
    return f"{said}{latency.median_ms:.{places}f} [{latency.low_ms:.{places}f}, {latency.high_ms:.{places}f}]"


def accuracy_words(accuracy: Accuracy) -> str:
    """`93.1 [90.4, 95.1]`, in per cent."""
    return share_words(accuracy.correct, accuracy.images)


def plain_words(message: str) -> str:
    """The message with the fields that it names in plain words: `learning rate` for `learning_rate`, unquoted."""
    return rename_fields(message, lambda name: name.replace("_", " "))


def share_words(some: int, of: int) -> str:
    """`93.1 [90.4, 95.1]`, in per cent: a share with its 95 % interval."""
    low, high = wilson_interval(some, of)
    return f"{100 * some / of:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
