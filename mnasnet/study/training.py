"""A training by name: what was trained on what, and how it went, epoch by epoch; kept as JSON in its folder."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnasnet.arch.records import Score
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file

TRAINING = "training.json"
"""Name of the record in a training's folder."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """How a network stood when an epoch had ended."""

    loss: float
    """Mean over the epoch's steps, on the training images."""
    correct: int
    """Of the held-out images, how many had their class on top."""
    in_top5: int
    """Of the held-out images, how many had their class among the five highest."""
    images: int
    """How many held-out images there are."""
    seconds: float
    """Wall time of the epoch, its evaluation included."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training's folder says of itself."""

    name: str
    """Of the network, as it was asked for."""
    digest: str
    """Of its architecture."""
    parameters: int
    multiply_adds: int
    identity: Mapping[str, Any]
    """What makes it this training and no other: network, data, recipe, seed and the weights that it began with."""
    data: str
    classes: tuple[str, ...]
    train_images: int
    device: str
    """What trained: `cpu` or `cuda`."""
    command: str
    """What began it."""
    epochs: tuple[Epoch, ...] = ()
    """Those that have ended."""
    test: Score | None = None
    """Of the best epoch's weights on the test images; None until the last epoch has ended."""

    @property
    def best(self) -> int | None:
        """The epoch, from 0, with most of the held-out images right, the first of equals; None before the first."""
        correct = [epoch.correct for epoch in self.epochs]
        return correct.index(max(correct)) if correct else None


def write_training(training: Training, folder: Path) -> None:
    """Keep the record in `folder`; at no time is there half of it.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(dataclasses.asdict(training), indent=2) + "\n"
    replace_file(folder / TRAINING, text.encode())


def read_training(folder: Path) -> Training | None:
    """The record in `folder`, or None where there is none.

    Raises:
        RequestError: it cannot be read.
    """
    path = folder / TRAINING
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        test = data["test"]
        return Training(
            **{
                **data,
                "classes": tuple(data["classes"]),
                "epochs": tuple(Epoch(**epoch) for epoch in data["epochs"]),
                "test": None if test is None else Score(**{name: tuple(test[name]) for name in test}),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} cannot be read; give another `out`, or remove {folder}") from error
