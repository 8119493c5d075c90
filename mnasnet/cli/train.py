"""`mnasnet train`: a network by name, from scratch or from weights, on one's own images."""

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import tyro

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.base.words import counted, millions
from mnasnet.cli.parse import called, convert_torch_errors, flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.nn.model import UNTRAINED, WEIGHTS, Model, open_model
from mnasnet.report.training import class_rows, training_lines, write_training_report
from mnasnet.report.words import share_words
from mnasnet.search.watcher import duration
from mnasnet.study.training import Training
from mnasnet.train.data import load
from mnasnet.train.loop import Recipe
from mnasnet.train.memory import busy_line
from mnasnet.train.run import run_training

FINE_TUNING_RATE = 5e-4
"""Peak of the learning rate from trained weights: no worse than the rate from scratch with
EfficientNet-lite0 on CIFAR-10 (`benchmarks/evidence.jsonl`, lite0-fine-held-out)."""

CLASSES_SHOWN = 20
"""In the terminal; the report has all."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train a network on your images, from scratch or from weights, and test it once.

    The same command again goes on where it was stopped, and ends with the same network.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """A name of `mnasnet zoo`, or the folder of a searched or trained network."""
    data: str
    """Your images: a folder with one sub-folder a class (with or without train/ and val/), parquet files, or a
    name on the Hugging Face hub."""
    weights: str | None = None
    """File of weights to go on from, of ours or of torchvision, timm, MindCV or EfficientNet-lite; timm or
    torchvision, to download theirs. Left out: those in the folder, or from scratch."""
    source: str | None = None
    """Whose weights, where the file does not tell: timm-tf for timm's networks that came from TensorFlow."""
    width: float = 1.0
    """Multiplier of the widths."""
    image_size: int | None = None
    """Side in pixels at which images are looked at, at least 32; left out, the network's own. Below 64 px the first
    strides are left out, so that the last map is more than a point: the network then costs more than its name's."""
    epochs: int = 30
    """Passes over the training images."""
    batch_size: int = 32
    """Images in a training step."""
    learning_rate: float | None = None
    """Peak of the learning rate; left out, 0.002 from scratch and 0.0005 from weights."""
    ema: float = 0.9999
    """Decay of the moving average of the weights, which is what is evaluated; 0 for the weights themselves."""
    flip: bool = False
    """Whether a mirrored image is still of its class, as photographs are and digits are not."""
    max_images: int | None = None
    """Learn from at most so many images, a fixed part of each class. None: all."""
    seed: int = 0
    """Of the initialisation, the order of the images and their augmentation."""
    out: Path | None = None
    """Folder of the training. None: runs/NAME-DATA."""

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch_size": 2, "max_images": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise RequestError(f"give a whole number of at least {least}", field=name, value=value)
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise RequestError("give a number above 0", field="learning_rate", value=self.learning_rate)
        if not 0 <= self.ema < 1:
            raise RequestError("give a number of at least 0 and below 1", field="ema", value=self.ema)

    @property
    def folder(self) -> Path:
        """`out`, or a folder named after network and data."""
        data = Path(self.data).resolve().name.removesuffix(".parquet")
        return self.out or Path("runs") / f"{Path(self.name).name}-{data}"


FLAGS = flags_of(Options)


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet train ARGUMENTS`."""
    options = parse(Options, arguments, verb="train")
    command = called("train", arguments)
    return served(
        lambda: _train(options, command),
        verb="train",
        flags=FLAGS,
        kept=f"the epochs that ended are kept in {options.folder}, and the same command goes on: "
        f"{shlex.join(command)}",
    )


@convert_torch_errors()
def _train(options: Options, command: Sequence[str]) -> None:
    console = plain_console()
    start, weights = _start(options)
    architecture = start if isinstance(start, Architecture) else start.network.architecture
    with Terminal(console=console, flags=FLAGS) as terminal:
        data = load(
            options.data,
            image_size=architecture.image_size,
            max_images=options.max_images,
            progress=terminal.step,
        )
        for image in data.skipped:
            terminal.say(f"skipped: {image}")
        terminal.say(
            f"data: {data.name}, {len(data.classes)} classes, {len(data.train):,} training and "
            f"{len(data.held_out):,} held-out images at {data.image_size} px, "
            f"{'grey' if data.channels == 1 else 'colour'}"
        )
        if (busy := busy_line()) is not None:
            terminal.say(busy)
        by_name = find_architecture(options.name, width=options.width, image_size=options.image_size)
        if (fitted := by_name.fitted(by_name.image_size)).digest() != by_name.digest():
            terminal.say(
                f"at {by_name.image_size} px its first strides are left out, so that the last map is more than a "
                f"point: {millions(count_multiply_adds(fitted.lowered()))} multiply-adds, where `mnasnet cost` "
                f"with all strides counts {millions(count_multiply_adds(by_name.lowered()))}"
            )
        recipe = Recipe(
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate
            or (Recipe.learning_rate if weights is None else FINE_TUNING_RATE),
            flip=options.flip,
            ema=options.ema or None,
        )
        out = options.folder

        def begun(training: Training) -> None:
            if isinstance(start, Model) and start.learned.classes == data.classes:
                terminal.say(
                    "where the weights have learnt from images that are held out here, the held-out accuracy "
                    "flatters; the test images are others"
                )
            done = len(training.epochs)
            if training.test is not None:
                terminal.say(f"{out} holds this training, and it has ended: nothing is trained again")
            elif done:
                terminal.say(f"goes on after epoch {done} of {options.epochs}")
            else:
                terminal.say(f"begins {'from scratch' if weights is None else f'from the weights {weights}'}")

        def told(training: Training) -> None:
            write_training_report(training, out)
            terminal.say(_epoch_line(training, epochs=options.epochs))

        training = run_training(
            start,
            data,
            recipe,
            name=options.name,
            seed=options.seed,
            out=out,
            begun_with={"weights": weights},
            command=shlex.join(command),
            begun=begun,
            told=told,
            progress=lambda done, steps: terminal.step("training", done, steps),
        )
        report = write_training_report(training, out)
    for line in training_lines(training):
        console.print(line)
    rows = [] if training.test is None else class_rows(training.classes, training.test)
    for name, accuracy, images in rows[:CLASSES_SHOWN]:
        console.print(f"  {name}: {accuracy} % of {images}")
    if len(rows) > CLASSES_SHOWN:
        console.print(f"  the {CLASSES_SHOWN} worst of {len(rows)} classes; the report has all")
    console.print(f"weights: {out / WEIGHTS}")
    console.print(f"report: {report}")
    console.print(
        f"next: {shlex.join([command[0], 'export', str(out), '-o', 'network.tflite'])}, or with "
        f"{shlex.join(['--precision', 'int8', '--calibration', options.data])}"
    )


def _start(options: Options) -> tuple[Architecture | Model, str | None]:
    """What to begin with, and which weights those are: a file's name and digest, or None."""
    if options.weights == UNTRAINED:
        raise RequestError("leave it out to train from scratch", field="weights", value=UNTRAINED)
    if options.weights is None and not (Path(options.name) / WEIGHTS).is_file():
        architecture = find_architecture(options.name, width=options.width, image_size=options.image_size)
        return architecture.fitted(architecture.image_size), None
    model = open_model(
        options.name,
        weights=options.weights,
        source=options.source,
        width=options.width,
        image_size=options.image_size,
        fitted=True,
    )
    assert model.file is not None
    return model, f"{model.file.name} {hashlib.sha256(model.file.read_bytes()).hexdigest()[:12]}"


def _epoch_line(training: Training, *, epochs: int) -> str:
    """How the last epoch ended, and what the others will take."""
    done = len(training.epochs)
    last = training.epochs[-1]
    line = (
        f"[{done}/{epochs}] {share_words(last.correct, last.images)} % held out, loss {last.loss:.3f}, "
        f"{duration(last.seconds)}"
    )
    if training.best == done - 1:
        line += ", the best so far"
    if done in (1, 10) and done < epochs:
        left = (epochs - done) * last.seconds
        end = datetime.now().astimezone() + timedelta(seconds=left)
        line += f"; cost: {counted(epochs - done, 'more epoch')} {duration(left)}, ends about {end:%H:%M}"
    return line
