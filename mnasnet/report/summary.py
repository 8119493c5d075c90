"""The terminal's summary of a search: the front as a table, and the few lines that say how it went."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnasnet.base.words import counted, millions, milliseconds
from mnasnet.report.findings import Findings
from mnasnet.report.words import accuracy_words, latency_words
from mnasnet.study.card import Card
from mnasnet.study.trial import TrialRecord


def front_table(findings: Findings, *, width: int = 80) -> Table:
    """The Pareto front, fastest first; the best by reward is marked with a star.

    What does not fit `width` characters is left out, the sizes first and then the intervals.
    """
    columns: dict[str, list[str]] = {
        "trial": [f"{'* ' if record == findings.best else ''}{record.number}" for record in findings.front],
        "latency, ms": ["" if r.latency is None else latency_words(r.latency) for r in findings.front],
        "accuracy, %": ["" if r.accuracy is None else accuracy_words(r.accuracy) for r in findings.front],
        "params": ["" if r.parameters is None else millions(r.parameters) for r in findings.front],
        "mult-adds": ["" if r.multiply_adds is None else millions(r.multiply_adds) for r in findings.front],
        "reward": ["" if (reward := findings.reward(r)) is None else f"{reward:.4f}" for r in findings.front],
    }
    if _width(columns) > width:
        del columns["params"], columns["mult-adds"]
    if _width(columns) > width:
        short = {"latency, ms": "ms", "accuracy, %": "%"}
        columns = {
            short.get(name, name): [cell.partition(" [")[0] for cell in cells]
            for name, cells in columns.items()
        }
    table = Table(
        title="Pareto front", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """Of a table of these columns, which have three spaces between them."""
    return sum(max(map(len, (name, *cells))) for name, cells in columns.items()) + 3 * (len(columns) - 1)


def summary_lines(findings: Findings, *, controller_updates: int | None = None) -> list[str]:
    """What was tried, what is best, and what the finalists gain over the control; one line each.

    `controller_updates` is how often a learning sampler has learned; None where none learns.
    """
    lines = [tried(findings)]
    if controller_updates is not None:
        lines.append(f"the controller learned {counted(controller_updates, 'time')}")
    lines += best_lines(findings)
    lines += [finalist_line(card) for card in findings.finalists]
    if findings.control is not None:
        lines.append(finalist_line(findings.control))
    lines += [f"{card.name} {card.digest}: {found.sentence()}" for card, found in findings.gains]
    if findings.setup is not None:
        lines.append(reference_line(findings))
    return lines


def tried(findings: Findings) -> str:
    """The trials by what became of them: `12 networks trained, 1 copy, 2 too slow to train`."""
    counts = findings.counts
    parts = [f"{counted(counts['trained'], 'network')} trained"]
    parts += [counted(counts["copies"], "copy", "copies")] if counts["copies"] else []
    parts += [f"{counts['too slow']:,} too slow to train"] if counts["too slow"] else []
    parts += [f"{counts['failed']:,} failed"] if counts["failed"] else []
    parts += [f"{counts['interrupted']:,} interrupted"] if counts["interrupted"] else []
    parts += [f"{counts['running']:,} running"] if counts["running"] else []
    return ", ".join(parts)


def best_lines(findings: Findings) -> list[str]:
    """The best by reward, the one of the highest expected reward, and the best within the target."""
    lines = best(findings), expected_best(findings), best_within(findings)
    return [line for line in lines if line is not None]


def best(findings: Findings) -> str:
    """The best trial by reward, or that there is none yet."""
    record = findings.best
    if record is None or record.accuracy is None or record.latency is None or findings.target_ms is None:
        return "no network has been trained yet"
    rescored = ", re-scored without training" if findings.rescored else ""
    classes = None if record.architecture is None else record.architecture.classes
    guessed = (
        f"; no better than guessing among {classes} classes: nothing can be learnt from it before more `epochs`, "
        "another `learning_rate` or more images raise it"
        if classes is not None and record.accuracy.may_be_guessed(classes)
        else ""
    )
    over = "" if findings.keeps_to_target(record) else f", which it is {_over(findings, record)}"
    return (
        f"best: trial {record.number}, {_values(record)}, reward {findings.reward(record):.4f} "
        f"for {milliseconds(findings.target_ms)}{over}{rescored}{guessed}"
    )


def expected_best(findings: Findings) -> str | None:
    """The network of the highest expected reward; None where nothing is expected, or `best` names it or its equal.

    With a hard reward it is within the target, which `best` may be over by so little that it costs nothing.
    """
    best, record = findings.best, findings.expected_best
    if (
        best is None
        or record is None
        or record == best
        or findings.target_ms is None
        or not findings.expected
    ):
        return None
    mine, others = findings.expected_reward(record), findings.expected_reward(best)
    assert mine is not None
    assert others is not None
    by_limit = findings.target_is_limit and findings.keeps_to_target(record) > findings.keeps_to_target(best)
    if f"{mine:.4f}" == f"{others:.4f}" and not by_limit:
        return None
    within = f" within {milliseconds(findings.target_ms)}" if by_limit else ""
    over = "" if findings.keeps_to_target(record) else f", {_over(findings, record)} the target"
    return (
        f"highest expected reward{within}: trial {record.number}, {_values(record)}{over}; from the accuracies of "
        f"all {len(findings.expected)} networks together {mine:.4f}, and {others:.4f} of trial {best.number}"
    )


def best_within(findings: Findings) -> str | None:
    """The most accurate network that keeps to the target; None where it is named, or all that is named keeps to it.

    Soft and absolute rewards trade latency for accuracy, so that the best may be well over the target.
    """
    named = [findings.best, findings.expected_best if expected_best(findings) else None]
    target_ms = findings.target_ms
    if target_ms is None or all(one is None or findings.keeps_to_target(one) for one in named):
        return None
    within = [one for one in findings.expected_front if findings.keeps_to_target(one)]
    if not within:
        return f"no trained network keeps to {milliseconds(target_ms)}"
    record = within[-1]  # the front is sorted by latency, and so by expected accuracy
    if record in named:
        return None
    where = f"within {milliseconds(target_ms)}: trial {record.number}, {_values(record)}"
    expected = findings.expected.get(record.number)
    return f"best {where}" if expected is None else f"highest expected accuracy {where}; {expected:.1%}"


def _over(findings: Findings, record: TrialRecord) -> str:
    """How far a network is beyond the target."""
    assert record.latency is not None
    assert findings.target_ms is not None
    over = record.latency.median_ms / findings.target_ms - 1
    return f"{over:.0%} over" if over >= 0.01 else "less than 1% over"


def _values(record: TrialRecord) -> str:
    assert record.accuracy is not None
    assert record.latency is not None
    return f"{accuracy_words(record.accuracy)} % on {record.accuracy.on} images, {latency_words(record.latency)} ms"


def reference_line(findings: Findings) -> str:
    """What the reference took when the search began, which sets its milliseconds, and beside the trials."""
    assert findings.setup is not None
    at_start = milliseconds(findings.setup.reference.reference_ms)
    if findings.reference_ms is None:
        when = "the table was calibrated" if findings.setup.reference.predicted else "the search began"
        return f"MobileNetV2 took {at_start} when {when}"
    low, high = map(milliseconds, findings.reference_ms)
    return (
        f"MobileNetV2 took {at_start} when the search began, to which all milliseconds are scaled, and "
        f"{low} to {high} beside the trials"
    )


def finalist_line(card: Card) -> str:
    """A finalist or the control in one line."""
    return (
        f"{'control' if card.control else 'finalist'} {card.name} {card.digest}: "
        f"{accuracy_words(card.accuracy)} % on {card.accuracy.on} images, {latency_words(card.latency)} ms, "
        f"{card.parameters:,} parameters, {millions(card.multiply_adds)} multiply-adds"
    )
