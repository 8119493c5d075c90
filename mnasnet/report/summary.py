"""The terminal's summary of a search: the front as a table, and the few lines that say how it went."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnasnet.report.findings import Findings
from mnasnet.report.words import accuracy_words, counted, latency_words, millions, milliseconds
from mnasnet.study.card import Card


def front_table(findings: Findings) -> Table:
    """The Pareto front, fastest first, in 80 columns; the best by reward is marked with a star."""
    table = Table(
        title="Pareto front", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in ("trial", "latency, ms", "accuracy, %", "params", "mult-adds", "reward"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in findings.front:
        reward = findings.reward(record)
        table.add_row(
            f"{'* ' if record == findings.best else ''}{record.number}",
            "" if record.latency is None else latency_words(record.latency),
            "" if record.accuracy is None else accuracy_words(record.accuracy),
            "" if record.parameters is None else millions(record.parameters),
            "" if record.multiply_adds is None else millions(record.multiply_adds),
            "" if reward is None else f"{reward:.4f}",
        )
    return table


def summary_lines(findings: Findings, *, controller_updates: int | None = None) -> list[str]:
    """What was tried, what is best, and what the finalists gain over the control; one line each.

    `controller_updates` is how often a learning sampler has learned; None where none learns.
    """
    lines = [tried(findings)]
    if controller_updates is not None:
        lines.append(f"the controller learned {counted(controller_updates, 'time')}")
    lines.append(best(findings))
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
    parts += [f"{counts['running']:,} running"] if counts["running"] else []
    return ", ".join(parts)


def best(findings: Findings) -> str:
    """The best trial by reward, or that there is none yet."""
    record = findings.best
    if record is None or record.accuracy is None or record.latency is None or findings.target_ms is None:
        return "no network has been trained yet"
    rescored = ", re-scored without training" if findings.rescored else ""
    return (
        f"best: trial {record.number}, {accuracy_words(record.accuracy)} % on {record.accuracy.on} images, "
        f"{latency_words(record.latency)} ms, reward {findings.reward(record):.4f} "
        f"for {milliseconds(findings.target_ms)}{rescored}"
    )


def reference_line(findings: Findings) -> str:
    """What the reference took when the search began, which sets its milliseconds, and beside the trials."""
    assert findings.setup is not None
    at_start = milliseconds(findings.setup.reference.reference_ms)
    if findings.reference_ms is None:
        return f"MobileNetV2 took {at_start} when the search began"
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
