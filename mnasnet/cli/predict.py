"""`mnasnet predict`: what is in an image, by a trained network or a model file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnasnet.base.errors import RequestError
from mnasnet.cli.evaluate import OPEN_ERRORS, Opening
from mnasnet.cli.parse import convert_torch_errors, flags_of, parse, served
from mnasnet.deploy.classifier import predict


@dataclass(frozen=True, kw_only=True)
class Options(Opening):
    """Say what is in images: the five likeliest classes of each, with their probabilities."""

    images: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Image files."""

    def __post_init__(self) -> None:
        if not self.images:
            raise RequestError("give images to look at: mnasnet predict NAME image.jpg")


def main(arguments: Sequence[str]) -> int:
    """Serve `mnasnet predict ARGUMENTS`."""
    options = parse(Options, arguments, verb="predict")
    return served(
        lambda: _predict(options),
        verb="predict",
        flags=flags_of(Options),
        refused=OPEN_ERRORS,
        kept="nothing was changed",
    )


@convert_torch_errors()
def _predict(options: Options) -> None:
    classifier = options.open()
    for path in options.images:
        print(path)
        for name, probability in predict(classifier, path):
            print(f"  {probability:6.1%}  {name}")
