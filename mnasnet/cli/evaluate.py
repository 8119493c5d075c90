"""`mnasnet evaluate`: how a trained network, or a model file, does on labelled images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnasnet.arch.records import Score, wilson_interval
from mnasnet.cli.parse import convert_torch_errors, flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.deploy.classifier import Classifier, evaluate, open_classifier
from mnasnet.devices.model_file import ModelFileError
from mnasnet.export.metadata import MetadataError
from mnasnet.report.training import class_rows
from mnasnet.report.words import share_words
from mnasnet.train.data import ImageData, load

OPEN_ERRORS = (ModelFileError, MetadataError)
"""What opening a classifier raises."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Which network, and with which weights; also of `mnasnet predict`."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """A model file, the folder of a searched or trained network, or a name of `mnasnet zoo`."""
    weights: str | None = None
    """File of weights, of ours or of torchvision, timm, MindCV or EfficientNet-lite; timm or torchvision, to
    download theirs. Left out, the folder's own."""
    source: str | None = None
    """Whose weights, where the file does not tell: timm-tf for timm's networks that came from TensorFlow."""
    width: float = 1.0
    """Multiplier of the widths."""
    image_size: int | None = None
    """Side of the square images in pixels; left out, the network's own."""
    labels: Path | None = None
    """Text file with the name of one class a line; left out, what weights or file say."""

    def open(self) -> Classifier:
        """The classifier."""
        return open_classifier(
            self.name,
            weights=self.weights,
            source=self.source,
            width=self.width,
            image_size=self.image_size,
            labels=self.labels,
        )


@dataclass(frozen=True, kw_only=True)
class Options(Opening):
    """Count how many test images of a data set a network puts into their class.

    They are the set's own test split, its val split where it has no other, or a fifth of its images: those that
    `mnasnet train` and `mnasnet search` did not learn from.
    """

    data: str
    """Images with classes, as `mnasnet search --data` takes them."""
    json: bool = False
    """Print JSON."""


FLAGS = flags_of(Options)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet evaluate ARGUMENTS`."""
    options = parse(Options, arguments, verb="evaluate")
    return served(
        lambda: _evaluate(options),
        verb="evaluate",
        flags=FLAGS,
        refused=OPEN_ERRORS,
        kept="nothing was changed",
    )


@convert_torch_errors()
def _evaluate(options: Options) -> None:
    classifier = options.open()
    console = plain_console()
    with Terminal(console=console, flags=FLAGS) as terminal:
        data = load(options.data, image_size=classifier.image_size, progress=terminal.step)
        found = evaluate(
            classifier, data, progress=lambda done, images: terminal.step("evaluating", done, images)
        )
    if options.json:
        print(json.dumps(_as_json(classifier, data, found), indent=2))
        return
    for image in data.test.skipped:
        console.print(f"skipped: {image}")
    console.print(
        f"{classifier.name} on {found.top1[1]:,} test images of {data.name} at {classifier.image_size} px: "
        f"top-1 {share_words(*found.top1)} %, top-5 {share_words(*found.top5)} %, with 95 % intervals"
    )
    for name, accuracy, images in class_rows(data.classes, found):
        console.print(f"  {name}: {accuracy} % of {images}")


def _as_json(classifier: Classifier, data: ImageData, found: Score) -> dict[str, object]:
    shares = {"top1": found.top1, "top5": found.top5}
    return {
        "name": classifier.name,
        "data": data.name,
        "fingerprint": data.fingerprint,
        "image_size": classifier.image_size,
        "images": found.top1[1],
        **{name: right / images for name, (right, images) in shares.items()},
        **{f"{name}_interval": wilson_interval(*share) for name, share in shares.items()},
        "classes": {
            name: {"correct": correct, "in_top5": in_top5, "images": images}
            for name, correct, in_top5, images in zip(
                data.classes, found.correct, found.in_top5, found.images, strict=True
            )
        },
    }
