"""A named network with its weights and what it has learned: all that classifying an image takes."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mnasnet.arch.imagenet import IMAGENET_CLASSES
from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import ZOO, find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.nn.checkpoint import load_weights
from mnasnet.nn.download import fetch, published_weights, weights_folder
from mnasnet.nn.layouts import LAYOUTS
from mnasnet.nn.network import Network

WEIGHTS = "weights.safetensors"
"""The file of a trained network's folder that holds its numbers."""

UNTRAINED = "random"
"""In place of a file of weights: a network to be timed, which classifies nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to classify."""

    name: str
    network: Network
    """In evaluation mode, on the CPU."""
    trained: bool
    learned: Learned
    file: Path | None = None
    """Of its weights; None where it is untrained."""


def open_model(
    name: str,
    *,
    weights: str | None = None,
    source: str | None = None,
    width: float = 1.0,
    image_size: int | None = None,
    labels: Path | None = None,
    fitted: bool = False,
) -> Model:
    """The network called `name`, a name of the zoo or the folder of a trained network, with its weights.

    Args:
        name: as `find_architecture` takes it.
        weights: a file of weights; the name of a publisher, whose file of the network at this width is then
            downloaded; or `UNTRAINED`. None for those in the folder.
        source: whose weights, where the file does not tell (see `load_weights`).
        width: multiplier of the widths.
        image_size: side of the images in pixels; None for what the file of weights says, or the network's own.
        labels: a text file with the name of one class a line; None for what the file of weights says, for
            ImageNet's where others' weights tell 1,000 apart, or else for numbers.
        fitted: whether to leave out strides that would shrink small images to a point (`Architecture.fitted`).

    Raises:
        RequestError: there is no such network, or no weights for it that can be had and read, or not one label for
            each class.
    """
    architecture = find_architecture(name, width=width, image_size=image_size)
    if fitted:
        architecture = architecture.fitted(architecture.image_size)
    own, file = Path(name) / WEIGHTS, None
    if weights is None and own.is_file():
        weights = str(own)
    if weights is None:
        raise RequestError(
            f"{name} comes without weights: give `weights` FILE, `weights` timm or torchvision where `mnasnet zoo` "
            f"says so, or `weights` {UNTRAINED} for a network to be timed"
        )
    if weights == UNTRAINED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network(architecture).eval()
        learned = _published(network, "mnasnet")
    else:
        published = published_weights(name, by=weights, width=width)
        file = Path(weights) if published is None else fetch(published, weights_folder())
        loaded = load_weights(file, architecture, source=source, refit=fitted)
        network = loaded.network
        if image_size is not None:
            network.architecture = replace(network.architecture, image_size=image_size)
        learned = loaded.learned or _published(network, loaded.layout)
    if labels is not None:
        learned = relabelled(learned, labels)
    return Model(
        name=name if name in ZOO else Path(name).name,
        network=network,
        trained=weights != UNTRAINED,
        learned=learned,
        file=file,
    )


def _published(network: Network, layout: str) -> Learned:
    """What the networks of a layout have learned, whose files do not say: ImageNet, where there are 1,000."""
    classes = network.architecture.classes
    known = classes == len(IMAGENET_CLASSES) and layout != "mnasnet"
    mean, std = LAYOUTS[layout].normalisation
    learned = Learned(
        classes=IMAGENET_CLASSES if known else tuple(map(str, range(classes))), mean=mean, std=std
    )
    return learned.with_channels(network.architecture.in_channels)


def relabelled(learned: Learned, labels: Path) -> Learned:
    """The same with the names of a text file, one class a line.

    Raises:
        RequestError: it cannot be read, or there is not one name for each class.
    """
    try:
        text = labels.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RequestError(
            f"cannot be read ({reason}): give a text file, one class a line", field="labels", value=labels
        ) from error
    classes = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(classes) != len(learned.classes):
        raise RequestError(
            f"names {len(classes)} classes, and the network has {len(learned.classes)}: give one a line",
            field="labels",
            value=labels,
        )
    return replace(learned, classes=classes)
