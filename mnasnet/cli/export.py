"""`mnasnet export`: a network as a model file for a device, checked against torch before it is called done."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image

from mnasnet.arch.records import Format, Precision
from mnasnet.base.errors import RequestError
from mnasnet.cli.parse import flags_of, parse, served
from mnasnet.cli.terminal import Terminal, plain_console
from mnasnet.deploy.classifier import of_model, read_image
from mnasnet.deploy.export import card_lines, export
from mnasnet.deploy.images import CALIBRATION_IMAGES, images_of, parted, photographs
from mnasnet.nn.model import Model, open_model
from mnasnet.train.data import load


@dataclass(frozen=True, kw_only=True)
class Options:
    """Write a network as a file for a device, and hold the file against torch on real images."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """A name of `mnasnet zoo`, or the folder of a searched or trained network."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write; an older one there is replaced."""
    format: Format = "tflite"
    """onnx and executorch come with extras: pip install 'mnasnet[onnx]' or 'mnasnet[executorch]'."""
    precision: Precision = "fp32"
    """fp16 is half as large, int8 a quarter and faster; int8 wants --calibration."""
    calibration: str | None = None
    """Images that int8 is calibrated on and the file is checked with: a folder of pictures, or what
    `mnasnet search --data` takes."""
    weights: str | None = None
    """File of weights, of ours or of torchvision, timm, MindCV or EfficientNet-lite; timm or torchvision, to
    download theirs; `random` for a file to be timed. Left out, those in the folder."""
    source: str | None = None
    """Whose weights, where the file does not tell: timm-tf for timm's networks that came from TensorFlow."""
    width: float = 1.0
    """Multiplier of the widths."""
    image_size: int | None = None
    """Side of the square images in pixels; left out, the network's own."""
    labels: Path | None = None
    """Text file with the name of one class a line; left out, what the weights say, or else numbers."""
    dynamic_batch: bool = False
    """Whether an ONNX file takes any number of images at a time."""


FLAGS = flags_of(Options) | {"path": "--output", "data": "--calibration"}
"""As the calls that it makes name what is asked for."""


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet export ARGUMENTS`."""
    options = parse(Options, arguments, verb="export")
    return served(
        lambda: _export(options),
        verb="export",
        flags=FLAGS,
        kept="what was there is unchanged",
    )


def _export(options: Options) -> None:
    folder = options.output.parent
    if options.output.is_dir():
        raise RequestError(f"-o {options.output} is a folder: give a file")
    if not folder.is_dir():
        raise RequestError(f"-o {options.output}: there is no folder {folder}")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RequestError(f"-o {options.output}: {folder} cannot be written ({error.strerror})") from error
    model = open_model(
        options.name,
        weights=options.weights,
        source=options.source,
        width=options.width,
        image_size=options.image_size,
        labels=options.labels,
    )
    if options.calibration is not None:
        images = _calibration(options.calibration, model)
    elif options.precision == "int8" and model.trained:
        raise RequestError(
            "int8 is calibrated on images like those that it will see: give --calibration DATA"
        )
    else:
        images = photographs(model)
    calibration, checked_with = parted(images) if options.precision == "int8" else (images, images)
    exported = export(
        model,
        options.output,
        format=options.format,
        precision=options.precision,
        dynamic_batch=options.dynamic_batch,
        calibration=calibration,
        images=checked_with,
    )
    checked_on = options.calibration or "pieces of two photographs"
    if options.precision == "int8":
        checked_on += f", images other than the {len(calibration)} that it is calibrated on"
    for line in card_lines(exported):
        print(line)
    print(f"checked on {checked_on}")
    if not model.trained:
        print("untrained: good to be timed, and classifies nothing")


def _calibration(source: str, model: Model) -> NDArray[np.float32]:
    """Images that int8 is calibrated on: of a data set, or the pictures of a folder, without any classes."""
    folder = Path(source)
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    endings = Image.registered_extensions()
    pictures = [path for path in inside if path.suffix.lower() in endings]
    if pictures and not any(path.is_dir() for path in inside):
        classifier = of_model(model)
        order = np.random.default_rng(0).permutation(len(pictures))[: 2 * CALIBRATION_IMAGES]
        return np.concatenate([read_image(pictures[at], classifier) for at in order])
    with Terminal(console=plain_console(), flags=FLAGS) as terminal:
        data = load(source, image_size=model.network.architecture.image_size, progress=terminal.step)
    return images_of(data, model.learned, limit=2 * CALIBRATION_IMAGES)
