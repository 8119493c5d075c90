"""How the report writes accuracies and latencies, each with its interval, and what a message names."""

from mnasnet.analysis.findings import Findings
from mnasnet.base.errors import rename_fields
from mnasnet.base.words import decimals
from mnasnet.measures.interval import wilson_interval
from mnasnet.measures.latency import Latency
from mnasnet.measures.quality import Quality
from mnasnet.study.trial import TrialRecord


def latency_words(latency: Latency) -> str:
    """`0.412 [0.401, 0.420]`, in milliseconds; a table's begins with `predicted`."""
    places = decimals(latency.median_ms)
    said = "predicted " if latency.predicted else ""
    return f"{said}{latency.median_ms:.{places}f} [{latency.low_ms:.{places}f}, {latency.high_ms:.{places}f}]"


def quality_words(quality: Quality) -> str:
    """`93.1 [90.4, 95.1]`, in per cent."""
    low, high = quality.interval
    return f"{100 * quality.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def reward_words(findings: Findings, record: TrialRecord) -> str:
    """To four digits; nothing where the trial has none."""
    reward = findings.reward_of(record)
    return "" if reward is None else f"{reward:.4f}"


def share_words(some: int, of: int) -> str:
    """`93.1 [90.4, 95.1]`, in per cent: a share with its 95 % interval."""
    low, high = wilson_interval(some, of)
    return f"{100 * some / of:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def plain_words(message: str) -> str:
    """The message with the fields that it names in plain words: `learning rate` for `learning_rate`, unquoted."""
    return rename_fields(message, lambda name: name.replace("_", " "))


def plural(name: str) -> str:
    """Of a quality's name: `accuracies` of `accuracy`."""
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
