"""The report of a training by name: its curve, and how the network does on the test images, class by class."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import plotly.graph_objects as go

from mnasnet.base.files import replace_file
from mnasnet.base.words import counted, millions
from mnasnet.measures.interval import wilson_interval
from mnasnet.measures.score import Score
from mnasnet.report.figures import BLUE, GREY, ORANGE, bars, dressed, nice
from mnasnet.report.html import document, facts, figure, table
from mnasnet.report.report import REPORT
from mnasnet.report.words import share_words
from mnasnet.study.training import Training


def write_training_report(training: Training, out: Path) -> Path:
    """Write `report.html` into the folder `out`, also while the training runs; its path.

    Raises:
        OSError: it cannot be written; what was there is unchanged.
    """
    path = out / REPORT
    replace_file(path, document(f"Training of {training.name}", _body(training)).encode())
    return path


def training_lines(training: Training) -> list[str]:
    """What the user reads of a training, one line each."""
    lines = []
    if training.best is not None:
        epoch = training.epochs[training.best]
        lines.append(
            f"best epoch: {training.best + 1} of {len(training.epochs)}, "
            f"{share_words(epoch.correct, epoch.images)} % of {epoch.images:,} held-out images"
        )
    if training.test is not None:
        right, images = training.test.top1
        lines.append(
            f"test: top-1 {share_words(right, images)} %, top-5 {share_words(*training.test.top5)} % of "
            f"{images:,} images, seen once, with the weights of the best epoch"
        )
    return lines


def class_rows(classes: Sequence[str], score: Score) -> list[tuple[str, str, str]]:
    """Of each class that was tested its name, its accuracy and the number of its images; the worst first."""
    counted_by_class = zip(classes, score.correct, score.images, strict=True)
    tested = sorted(
        (right / images, name, right, images) for name, right, images in counted_by_class if images
    )
    return [(name, share_words(right, images), f"{images:,}") for _, name, right, images in tested]


def _body(training: Training) -> Iterator[str]:
    for line in training_lines(training):
        yield f'<p class="verdict">{line[:1].upper()}{line[1:]}.</p>'
    yield facts(_facts(training), long=("begun by",))
    yield "<h2>The curve</h2>"
    if not training.epochs:
        yield "<p>No epoch has ended yet.</p>"
    else:
        judged = "the moving average of the weights is" if training.identity["ema"] else "the weights are"
        yield figure(
            _curve(training),
            "curve",
            f"After each epoch {judged} judged on {training.epochs[0].images:,} held-out images, with BN "
            "statistics made anew; bars are 95 % intervals over images, not over training seeds. The loss is the "
            "mean over the epoch's steps, with augmentation, dropout and label smoothing.",
        )
    if training.test is not None:
        yield "<h2>Class by class</h2>"
        yield table(
            "On the test images, with 95 % intervals; the worst class first.",
            ("class", "accuracy, %", "images"),
            class_rows(training.classes, training.test),
        )


def _facts(training: Training) -> Iterator[tuple[str, str]]:
    yield "network", f"{training.name} {training.digest}"
    yield "parameters", f"{training.parameters:,}"
    yield "multiply-adds", millions(training.multiply_adds)
    yield "data", training.data
    yield (
        "images",
        f"{training.train_images:,} to train on, {counted(len(training.classes), 'class', 'classes')}",
    )
    yield "trained on", training.device
    seconds = sum(epoch.seconds for epoch in training.epochs)
    if seconds:
        yield "time", f"{seconds / 3600:.2f} h" if seconds > 600 else f"{seconds:.0f} s"
    for name, value in training.identity.items():
        if name not in ("network", "data") and value is not None:
            yield name.replace("_", " "), str(value)
    yield "begun by", training.command


def _curve(training: Training) -> go.Figure:
    """Held-out accuracy and training loss by epoch, the best one marked."""
    numbers = list(range(1, len(training.epochs) + 1))
    top1 = [100 * epoch.correct / epoch.images for epoch in training.epochs]
    intervals = [wilson_interval(epoch.correct, epoch.images) for epoch in training.epochs]
    plot = go.Figure()
    plot.add_trace(
        go.Scatter(
            name="held-out top-1",
            x=numbers,
            y=top1,
            mode="lines+markers",
            line={"color": BLUE, "width": 2},
            error_y=bars(top1, [(100 * low, 100 * high) for low, high in intervals], BLUE),
            hovertemplate="epoch %{x}: %{y:.2f} %<extra></extra>",
        )
    )
    plot.add_trace(
        go.Scatter(
            name="held-out top-5",
            x=numbers,
            y=[100 * epoch.in_top5 / epoch.images for epoch in training.epochs],
            mode="lines",
            line={"color": BLUE, "width": 1, "dash": "dot"},
            hovertemplate="epoch %{x}: %{y:.2f} % in five<extra></extra>",
        )
    )
    if training.best is not None:
        plot.add_trace(
            go.Scatter(
                name="best",
                x=[training.best + 1],
                y=[top1[training.best]],
                mode="markers",
                marker={"color": ORANGE, "symbol": "diamond", "size": 12},
                hoverinfo="skip",
            )
        )
    plot.add_trace(
        go.Scatter(
            name="training loss",
            x=numbers,
            y=[epoch.loss for epoch in training.epochs],
            mode="lines",
            line={"color": GREY, "width": 1.5},
            yaxis="y2",
            hovertemplate="epoch %{x}: loss %{y:.3f}<extra></extra>",
        )
    )
    plot.update_xaxes(title="epoch", dtick=max(1, nice(len(numbers) / 10)))
    plot.update_layout(
        yaxis={"title": "accuracy, %"},
        yaxis2={
            "title": "loss",
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "showgrid": False,
        },
    )
    dressed(plot, height=420)
    plot.update_layout(margin={"r": 56})
    return plot
