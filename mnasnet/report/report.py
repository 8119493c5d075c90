"""The report: one self-contained HTML page about a search, written from the study at any time."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

import optuna

from mnasnet.arch.architecture import Architecture
from mnasnet.base.files import replace_file
from mnasnet.base.words import counted, millions, milliseconds
from mnasnet.report import figures, summary
from mnasnet.report.drawing import draw
from mnasnet.report.findings import Findings, find
from mnasnet.report.html import document, facts, figure, table
from mnasnet.report.words import accuracy_words, latency_words, plain_words
from mnasnet.report.worth import Worth, worth
from mnasnet.study.card import Card
from mnasnet.study.storage import Setup
from mnasnet.study.trial import TrialRecord

REPORT = "report.html"

SHOWN_ABOVE = ("device", "reward", "target_ms", "max_ms", "threads", "epochs")
"""Parts of a search's identity that the header says in its own words."""

LONG_FACTS = ("reward", "reference network", "begun by")
"""Facts in the header that get a line of their own."""

DRAWN = 3
"""Networks of the front that are drawn while there are no finalists."""


def write_report(study: optuna.Study, out: Path, *, target_ms: float | None = None) -> Path:
    """Write `report.html` into the folder `out`, whole or not at all; its path.

    It may be called at any time, also while the search runs. With `target_ms` every trial is re-scored for
    that target, and the file is one beside it, such as `report-8ms.html`; nothing is trained. The page is about
    5 MB, nearly all of it the plotly library, so that it opens without a network.

    Raises:
        RequestError: `target_ms` is not a positive time.
    """
    html = page(find(study, out, target_ms=target_ms))
    out.mkdir(parents=True, exist_ok=True)
    path = out / (REPORT if target_ms is None else f"report-{target_ms:g}ms.html")
    replace_file(path, html.encode())
    return path


def page(findings: Findings) -> str:
    """The whole page."""
    return document(
        f"MnasNet search: {findings.name}",
        [
            *_header(findings),
            *_front(findings),
            *_rewards(findings),
            *_latencies(findings),
            *_networks(findings),
            *_worth(findings),
            *_trials(findings),
        ],
    )


def _header(findings: Findings) -> Iterator[str]:
    said = [summary.tried(findings), *summary.best_lines(findings)]
    yield f"<p>{' '.join(escape(_sentence(plain_words(line))) for line in said)}</p>"
    setup = findings.setup
    if findings.rescored and setup is not None and findings.target_ms is not None:
        beyond = (
            f" Networks beyond {milliseconds(setup.max_ms)} were not trained in that search."
            if findings.target_ms > setup.max_ms
            else ""
        )
        yield (
            f'<p class="verdict">Re-scored for a target of {milliseconds(findings.target_ms)}, without training: '
            f"the search itself aimed at {milliseconds(setup.target_ms)}.{beyond}</p>"
        )
    for card, found in findings.gains:
        yield f'<p class="verdict"><strong>{escape(_called(card))}</strong>: {escape(found.sentence())}.</p>'
    if findings.gains:
        yield (
            '<p class="soft">Differences with 95 % intervals. Accuracy is on the test images, which the search '
            "never saw; its interval is over images, not over training seeds.</p>"
        )
    elif findings.setup is None:
        yield "<p>The search has not been set up yet.</p>"
    else:
        missing = "The control is not finished yet" if findings.finalists else "There are no finalists yet"
        yield f"<p>{missing}, so there is no comparison.</p>"
    yield facts(_facts(findings), long=LONG_FACTS)


def _facts(findings: Findings) -> Iterator[tuple[str, str]]:
    """What the search is, as names and values."""
    setup = findings.setup
    if setup is None:
        return
    reference = setup.reference
    if findings.rescored and findings.target_ms is not None:
        yield "reward", f"{setup.reward}, re-scored for {milliseconds(findings.target_ms)}"
    else:
        yield "reward", f"{setup.reward}, target {milliseconds(setup.target_ms)} ({_origin(setup)})"
    yield "not trained beyond", milliseconds(setup.max_ms)
    yield "device", reference.device
    yield "runtime", reference.runtime
    yield "threads", f"{reference.threads}, {reference.pinning}"
    yield "reference network", summary.reference_line(findings)
    epochs = sorted({record.accuracy.epochs for record in findings.trained if record.accuracy is not None})
    if epochs:
        yield "epochs of a trial", ", ".join(map(str, epochs))
    final = sorted({card.accuracy.epochs for card in findings.finalists})
    if final:
        yield "epochs of a finalist", ", ".join(map(str, final))
    seconds = sum(record.accuracy.seconds for record in findings.trained if record.accuracy is not None)
    if seconds:
        yield (
            "training time of the trials",
            f"{seconds / 3600:.2f} h" if seconds > 600 else f"{seconds:.0f} s",
        )
    yield "data", setup.data
    for name, value in setup.identity.items():
        if name not in SHOWN_ABOVE and value is not None:
            yield "data fingerprint" if name == "data" else name.replace("_", " "), str(value)
    yield "begun by", setup.command


def _front(findings: Findings) -> Iterator[str]:
    yield "<h2>The front: accuracy against latency</h2>"
    if not findings.front:
        yield "<p>No network has been trained yet.</p>"
        return
    accuracy, latency = findings.front[0].accuracy, findings.front[0].latency
    how = (
        "predicted by a calibrated table, and its interval is the table's uncertainty"
        if latency is not None and latency.predicted
        else "the median on the device, timed alternately with the reference network"
    )
    on = "held-out" if accuracy is None else f"{accuracy.images:,} {accuracy.on}"
    tested = (
        " Finalists and control are shown with their accuracy on the test images after their longer training, "
        "so they do not compare with the trials point by point."
        if findings.finalists or findings.control
        else ""
    )
    chosen = (
        " From 50 networks on finalists are chosen by the accuracies that are expected from all trials together, "
        "so that their trials need not be on the line."
        if findings.finalists and findings.expected
        else ""
    )
    yield figure(
        figures.front_figure(findings),
        "front",
        f"Up and to the left is better; no trained network beats one on the line in both. Bars are 95 % "
        f"intervals. Accuracy is on {on} images after the proxy training, and, as the best of many, a little "
        f"flattering. Latency is {how}.{tested}{chosen}",
    )
    yield table(
        "The Pareto front, fastest first; the best by reward in bold.",
        ("trial", "latency, ms", "accuracy, %", "parameters", "multiply-adds", "reward", "digest"),
        [_row(findings, record) for record in findings.front],
        bold=[record == findings.best for record in findings.front],
    )
    cards = [*findings.finalists, *([findings.control] if findings.control else [])]
    if cards:
        yield table(
            "Finalists and the control, on the test images.",
            ("network", "latency, ms", "accuracy, %", "parameters", "multiply-adds", "file, kB", "digest"),
            [_card_row(card) for card in cards],
        )


def _rewards(findings: Findings) -> Iterator[str]:
    yield "<h2>Reward by trial</h2>"
    setup, target_ms = findings.setup, findings.target_ms
    if setup is None or target_ms is None or findings.best is None:
        yield "<p>No network has been trained yet.</p>"
        return
    yield figure(
        figures.reward_figure(findings),
        "reward",
        "A sampler that learns lifts the points, not only the line of the best so far. The reward is "
        f"{setup.reward}, from held-out accuracy and measured latency, for a target of {milliseconds(target_ms)}.",
    )


def _latencies(findings: Findings) -> Iterator[str]:
    yield "<h2>Latency of what was tried</h2>"
    latencies = [record.latency for record in findings.records if record.latency is not None]
    if not latencies:
        yield "<p>No network has been measured yet.</p>"
        return
    known = "looked up in the table" if latencies[0].predicted else "timed on the device"
    yield figure(
        figures.latency_figure(findings),
        "latency",
        "How many networks were measured at which latency, as in Figure 6 of the paper: a search that has learned "
        f"gathers around its target. Every network was {known} before any training; those too slow cost no "
        "training.",
    )


def _networks(findings: Findings) -> Iterator[str]:
    drawn: list[tuple[str, str, Architecture]] = [
        (
            _called(card),
            f"{accuracy_words(card.accuracy)} % on test images, {latency_words(card.latency)} ms",
            card.architecture,
        )
        for card in findings.finalists
    ]
    if drawn:
        yield "<h2>The finalists, layer by layer</h2>"
    else:
        yield "<h2>The best of the front, layer by layer</h2>"
        by_reward = sorted(findings.front, key=lambda record: -(findings.reward(record) or 0.0))
        drawn = [
            (
                f"Trial {record.number}",
                f"{accuracy_words(record.accuracy)} % on held-out images, {latency_words(record.latency)} ms",
                record.architecture,
            )
            for record in by_reward[:DRAWN]
            if record.architecture is not None and record.accuracy is not None and record.latency is not None
        ]
    if not drawn:
        yield "<p>No network has been trained yet.</p>"
        return
    yield (
        '<p class="soft">Each box is a block, with its op and kernel, as in Figure 7 of the paper; ×n says how '
        "often its layer is repeated. Between boxes stands the feature map, height × width × channels. The stride "
        "is the first layer's.</p>"
    )
    yield '<div class="networks">'
    for name, words, architecture in drawn:
        yield (
            f"<figure><h3>{escape(name)}</h3><figcaption>{escape(words)}</figcaption>"
            f"{draw(architecture.lowered(), title=f'{name}, layer by layer')}</figure>"
        )
    yield "</div>"


def _worth(findings: Findings) -> Iterator[str]:
    yield "<h2>What each choice was worth</h2>"
    trained = [record for record in findings.trained if record.accuracy is not None]
    measured = [
        record for record in findings.records if record.latency is not None and record.copy_of is None
    ]
    points = worth(
        [record.params for record in trained],
        [100 * record.accuracy.top1 for record in trained if record.accuracy is not None],
    )
    latency_ms = worth(
        [record.params for record in measured],
        [record.latency.median_ms for record in measured if record.latency is not None],
    )
    yield from _worth_of(points, unit="points", name="accuracy", which="trained")
    yield from _worth_of(
        latency_ms, unit="ms", name="latency", which="measured, also those too slow to train"
    )


def _worth_of(found: Worth, *, unit: str, name: str, which: str) -> Iterator[str]:
    yield f"<h3>In {unit} of {name}</h3>" if unit == "points" else "<h3>In milliseconds of latency</h3>"
    networks = counted(found.networks, "network")
    if not found.effects:
        yield f"<p>{networks} {which}: too few to say anything.</p>"
        return
    clear = sum(effect.clear for effect in found.effects)
    how = (
        "at equal other choices (least squares over all choices at once)"
        if found.adjusted
        else "each choice alone, with the others as part of its noise: there are too few networks to fit all "
        "choices at once"
    )
    yield figure(
        figures.worth_figure(found.effects, unit=unit, name=name),
        f"worth-{unit}",
        f"The mean of the networks with an option less the mean over the choice's other options, {how}; from "
        f"{networks} {which}. Bars are 95 % intervals of one effect; of {len(found.effects)} effects "
        f"{clear or 'none'} {'stands' if clear == 1 else 'stand'} out when all are looked at together "
        f"(Benjamini and Hochberg, 5 %), and the grey ones are not to be read as effects.",
    )
    if len(found.effects) > figures.EFFECTS_SHOWN:
        yield f"<details><summary>All {len(found.effects)} effects on {name}</summary>"
        yield table(
            f"Effects on {name} in {unit}.",
            ("choice", "against", "effect", "95 % interval", "networks", "stands out"),
            [
                (
                    figures.effect_label(effect),
                    ", ".join(effect.others),
                    f"{effect.value:+.3g}",
                    f"[{effect.low:+.3g}, {effect.high:+.3g}]",
                    str(effect.networks),
                    "yes" if effect.clear else "no",
                )
                for effect in found.effects
            ],
        )
        yield "</details>"


def _trials(findings: Findings) -> Iterator[str]:
    yield "<h2>Every trial</h2>"
    if not findings.records:
        yield "<p>There are no trials yet.</p>"
        return
    yield f"<details><summary>{counted(len(findings.records), 'trial')}</summary>"
    yield table(
        "Every trial, by number, with what became of it.",
        (
            "trial",
            "latency, ms",
            "accuracy, %",
            "parameters",
            "multiply-adds",
            "reward",
            "digest",
            "outcome",
            "reason",
        ),
        [
            (*_row(findings, record), _outcome(record), plain_words(record.reason or ""))
            for record in findings.records
        ],
    )
    yield "</details>"


def _row(findings: Findings, record: TrialRecord) -> tuple[str, ...]:
    reward = findings.reward(record)
    return (
        str(record.number),
        "" if record.latency is None else latency_words(record.latency),
        "" if record.accuracy is None else accuracy_words(record.accuracy),
        "" if record.parameters is None else f"{record.parameters:,}",
        "" if record.multiply_adds is None else millions(record.multiply_adds),
        "" if reward is None else f"{reward:.4f}",
        record.digest or "",
    )


def _card_row(card: Card) -> tuple[str, ...]:
    return (
        f"{card.name} (control)" if card.control else card.name,
        latency_words(card.latency),
        accuracy_words(card.accuracy),
        f"{card.parameters:,}",
        millions(card.multiply_adds),
        f"{card.size_bytes / 1000:,.0f}",
        card.digest,
    )


def _outcome(record: TrialRecord) -> str:
    return record.outcome if record.copy_of is None else f"copy of {record.copy_of}"


def _called(card: Card) -> str:
    return f"{card.name} {card.digest}"


def _origin(setup: Setup) -> str:
    return "given" if setup.target_given else "what MobileNetV2 takes here at this size and width"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
