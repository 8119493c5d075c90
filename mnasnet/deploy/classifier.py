"""Classifying images with whatever was trained: a named network in torch, or a model file in its own runtime."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mnasnet.arch.records import Learned, Score
from mnasnet.base.errors import RequestError
from mnasnet.base.progress import StepProgress
from mnasnet.base.words import first_line
from mnasnet.deploy.images import normalised, with_channels
from mnasnet.devices.model_file import FILES, open_model_file
from mnasnet.nn.model import Model, open_model, relabelled
from mnasnet.train.augment import Centre
from mnasnet.train.data import ImageData
from mnasnet.train.decoding import CROP_MARGIN, decode
from mnasnet.train.loop import score_of

BATCH = 32
"""Images at a time, for the networks that take several."""

GUESSES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """What puts images into classes."""

    name: str
    learned: Learned
    image_size: int
    logits: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """`[n, classes]` of normalised images `[n, size, size, channels]`."""

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return len(self.learned.mean)


def open_classifier(
    name: str,
    *,
    weights: str | None = None,
    source: str | None = None,
    width: float = 1.0,
    image_size: int | None = None,
    labels: Path | None = None,
) -> Classifier:
    """A model file by its path, or a named network with its weights; arguments as of `open_model`.

    Raises:
        RequestError: the file cannot be run; or as of `open_model`, or weights for a file that has its own.
        MissingLibraryError: it needs an extra that is not installed.
        MetadataError: it has no labels and normalisation inside.
    """
    path = Path(name)
    if path.suffix not in FILES:
        return of_model(
            open_model(
                name, weights=weights, source=source, width=width, image_size=image_size, labels=labels
            )
        )
    given = {
        "weights": weights,
        "source": source,
        "width": None if width == 1 else width,
        "image_size": image_size,
    }
    for field, value in given.items():
        if value is not None:
            raise RequestError(f"{name} has its own inside; leave it out", field=field, value=value)
    return of_file(path, labels=labels)


def of_model(model: Model) -> Classifier:
    """A network in torch."""

    @torch.no_grad()
    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = model.network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
        return found

    return Classifier(
        name=model.name,
        learned=model.learned,
        image_size=model.network.architecture.image_size,
        logits=logits,
    )


def of_file(path: Path, *, labels: Path | None = None) -> Classifier:
    """A model file with its labels and normalisation inside; `labels` give its classes other names."""
    file = open_model_file(path)
    learned = file.metadata.learned
    return Classifier(
        name=path.name,
        learned=learned if labels is None else relabelled(learned, labels),
        image_size=file.image_shape[0],
        logits=file.logits,
    )


def evaluate(classifier: Classifier, data: ImageData, *, progress: StepProgress | None = None) -> Score:
    """How it does on the test images of `data`, loaded at its own image size, class by class of the data.

    Classes go by name; where the classifier only has numbers for names, and as many, by number.

    Raises:
        RequestError: the data hold classes that it does not know.
    """
    known = classifier.learned.classes
    numbered = known == tuple(map(str, range(len(data.classes))))
    unknown = [] if numbered else [name for name in data.classes if name not in known]
    if unknown:
        raise RequestError(
            f"{classifier.name} does not know {unknown[0]!r}"
            + (f" and {len(unknown) - 1} more" if len(unknown) > 1 else "")
            + f" of {data.name}'s classes: train it on them, or give `labels`"
        )
    places = torch.arange(len(known)) if numbered else torch.tensor([known.index(n) for n in data.classes])
    test, centre = data.test, Centre(size=classifier.image_size)
    stored = test.pixels.permute(0, 2, 3, 1)

    def judged() -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(test), BATCH):
            pixels = centre(stored[start : start + BATCH], None).numpy()
            inputs = normalised(classifier.learned, with_channels(pixels, classifier.channels))
            if progress is not None:
                progress(start + len(pixels), len(test))
            yield torch.from_numpy(classifier.logits(inputs)), places[test.labels[start : start + BATCH]]

    found = score_of(judged(), classes=len(known))
    return Score(
        **{
            field: tuple(getattr(found, field)[place] for place in places.tolist())
            for field in ("correct", "in_top5", "images")
        }
    )


def predict(classifier: Classifier, path: Path) -> list[tuple[str, float]]:
    """The five likeliest classes of an image file, each with its probability, the likeliest first.

    Raises:
        RequestError: it is no image that can be read.
    """
    (logits,) = classifier.logits(read_image(path, classifier))
    odds = np.exp(logits - logits.max())
    best = np.argsort(-logits, kind="stable")[:GUESSES]
    return [(classifier.learned.classes[place], float(odds[place] / odds.sum())) for place in best]


def read_image(path: Path, classifier: Classifier) -> NDArray[np.float32]:
    """`[1, size, size, channels]`, normalised: what training's evaluation makes of an image.

    The central 0.875 of its central square where it is large enough, else all of that square.

    Raises:
        RequestError: it is no image that can be read.
    """
    size = classifier.image_size
    roomy = round(size * CROP_MARGIN)
    try:
        encoded = path.read_bytes()
        with warnings.catch_warnings(action="ignore"):  # Pillow's, of odd metadata
            with Image.open(path) as image:
                side = roomy if min(image.size) >= roomy else size
            pixels = decode(encoded, side=side, channels=classifier.channels)
    except UnidentifiedImageError as error:
        raise RequestError(
            f"{path} is not an image: give a JPEG or PNG file, or another that Pillow reads"
        ) from error
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read as an image: {error.strerror or first_line(error)}"
        ) from error
    except (ValueError, SyntaxError) as error:  # on broken bytes Pillow's decoders raise what they like
        raise RequestError(f"{path} cannot be read as an image: {first_line(error)}") from error
    return normalised(classifier.learned, Centre(size=size)(torch.tensor(pixels)[None], None).numpy())
