"""The terminal's summary of a search: the front as a table, and the few lines that say how it went."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from mnasnet.analysis.findings import Findings
from mnasnet.analysis.recommendation import (
    Recommendation,
    find_best,
    keeps_to_target,
    recommend,
    target_is_limit,
)
from mnasnet.base.words import counted, millions, milliseconds
from mnasnet.report.words import latency_words, plural, quality_words, reward_words
from mnasnet.study.card import Card
from mnasnet.study.setup import Setup
from mnasnet.study.trial import TrainedTrial


def front_table(findings: Findings, *, width: int = 80) -> Table:
    """The Pareto front, fastest first; the best by reward is marked with a star.

    What does not fit `width` characters is left out, the sizes first and then the intervals.
    """
    best, quality = find_best(findings), f"{findings.quality_name}, %"
    columns: dict[str, list[str]] = {
        "trial": [f"{'* ' if record == best else ''}{record.number}" for record in findings.front],
        "latency, ms": [latency_words(record.latency) for record in findings.front],
        quality: [quality_words(record.quality) for record in findings.front],
        "params": [millions(record.network.parameters) for record in findings.front],
        "mult-adds": [millions(record.network.multiply_adds) for record in findings.front],
        "reward": [reward_words(findings, record) for record in findings.front],
    }
    if _width(columns) > width:
        del columns["params"], columns["mult-adds"]
    if _width(columns) > width:
        short = {"latency, ms": "ms", quality: "%"}
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
        lines.append(reference_line(findings, findings.setup))
    return lines


def tried(findings: Findings) -> str:
    """The trials by what became of them: `12 networks trained, 1 copy, 2 too slow to train`."""
    counts = findings.counts
    parts = [f"{counted(counts['trained'], 'network')} trained"]
    parts += [counted(counts["copies"], "copy", "copies")] if counts["copies"] else []
    parts += [f"{counts['too slow']:,} too slow to train"] if counts["too slow"] else []
    parts += [f"{counts['beyond a limit']:,} beyond a limit"] if counts["beyond a limit"] else []
    parts += [f"{counts['failed']:,} failed"] if counts["failed"] else []
    parts += [f"{counts['interrupted']:,} interrupted"] if counts["interrupted"] else []
    parts += [f"{counts['running']:,} running"] if counts["running"] else []
    return ", ".join(parts)


def best_lines(findings: Findings) -> list[str]:
    """The best by reward, the one of the highest expected reward, and the best within the target."""
    found = recommend(findings)
    if found is None:
        return ["no network has been trained yet"]
    lines = [_best_line(findings, found)]
    if found.expected is not None:
        lines.append(_expected_line(findings, found, found.expected))
    if found.within is not None:
        lines.append(_within_line(findings, found.within))
    if found.none_within:
        lines.append(f"no trained network keeps to {_target(findings)}")
    return lines


def _best_line(findings: Findings, found: Recommendation) -> str:
    record = found.best
    rescored = ", re-scored without training" if findings.rescored else ""
    classes = record.network.architecture.classes
    guessed = (
        f"; no better than guessing among {classes} classes: nothing can be learnt from it before more `epochs`, "
        "another `learning_rate` or more images raise it"
        if record.quality.may_be_guessed(classes)
        else ""
    )
    over = "" if keeps_to_target(findings, record) else f", which it is {_over(findings, record)}"
    return (
        f"best: trial {record.number}, {_values(record)}, reward {found.best_reward:.4f} "
        f"for {_target(findings)}{over}{rescored}{guessed}"
    )


def _expected_line(findings: Findings, found: Recommendation, record: TrainedTrial) -> str:
    keeps = keeps_to_target(findings, record)
    by_limit = target_is_limit(findings) and keeps > keeps_to_target(findings, found.best)
    within = f" within {_target(findings)}" if by_limit else ""
    over = "" if keeps else f", {_over(findings, record)} the target"
    return (
        f"highest expected reward{within}: trial {record.number}, {_values(record)}{over}; from the "
        f"{plural(findings.quality_name)} of all {len(findings.expected)} networks together "
        f"{found.expected_reward:.4f}, and {found.expected_reward_of_best:.4f} of trial {found.best.number}"
    )


def _within_line(findings: Findings, record: TrainedTrial) -> str:
    """The best network that keeps to the target: soft and absolute rewards trade latency, the best may be over."""
    where = f"within {_target(findings)}: trial {record.number}, {_values(record)}"
    expected = findings.expected.get(record.number)
    if expected is None:
        return f"best {where}"
    return f"highest expected {findings.quality_name} {where}; {expected:.1%}"


def _target(findings: Findings) -> str:
    return "no target" if findings.target_ms is None else milliseconds(findings.target_ms)


def _over(findings: Findings, record: TrainedTrial) -> str:
    """How far a network is beyond the target."""
    over = 0.0 if findings.target_ms is None else record.latency.median_ms / findings.target_ms - 1
    return f"{over:.0%} over" if over >= 0.01 else "less than 1% over"


def _values(record: TrainedTrial) -> str:
    return (
        f"{quality_words(record.quality)} % on {record.quality.on} images, {latency_words(record.latency)} ms"
    )


def reference_line(findings: Findings, setup: Setup) -> str:
    """What the reference took when the search began, which sets its milliseconds, and beside the trials."""
    at_start = milliseconds(setup.reference.reference_ms)
    if findings.reference_ms is None:
        when = "the table was calibrated" if setup.reference.predicted else "the search began"
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
        f"{quality_words(card.quality)} % on {card.quality.on} images, {latency_words(card.latency)} ms, "
        f"{card.parameters:,} parameters, {millions(card.multiply_adds)} multiply-adds"
    )
