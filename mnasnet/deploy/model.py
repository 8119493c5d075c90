"""A trained network with what must be known to use it: its classes, and what its images look like."""

from dataclasses import dataclass
from pathlib import Path

import torch

from mnasnet.arch.zoo import find_architecture
from mnasnet.nn.checkpoint import IMAGENET, LAYOUTS, load_network, source_of
from mnasnet.nn.network import Network
from mnasnet.study.card import CARD, read_card

WEIGHTS = "weights.safetensors"
"""The file of a finalist's folder that holds its numbers."""

UNTRAINED = "random"
"""In place of a file of weights: a network to be timed, which classifies nothing."""


class ModelError(Exception):
    """There are no weights, or labels, for the network; the message is one line with the way out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network ready to classify."""

    name: str
    network: Network
    """In evaluation mode, on the CPU."""
    trained: bool
    classes: tuple[str, ...]
    """In the order of the logits."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """The network takes (pixel / 255 − mean) / std, channel by channel."""


def open_model(
    name: str,
    *,
    weights: str | None = None,
    source: str | None = None,
    width: float = 1.0,
    image_size: int | None = None,
    labels: Path | None = None,
) -> Model:
    """The network called `name`, a name of the zoo or a finalist's folder, with its weights.

    Args:
        name: as `find_architecture` takes it.
        weights: a file of weights, or `UNTRAINED`; None for a finalist's own.
        source: whose weights, where the file does not tell (see `load_network`).
        width: multiplier of the widths.
        image_size: side of the images in pixels; None for the network's own.
        labels: a text file with the name of one class a line; None for a finalist's own, or else the numbers.

    Raises:
        NamedNetworkError: there is no such network.
        CheckpointError: the weights cannot be read, or are of another network.
        CardError: a finalist's card cannot be read.
        ModelError: there are no weights, or there is not one label for each class.
    """
    architecture = find_architecture(name, width=width, image_size=image_size)
    folder = Path(name)
    card = read_card(folder) if (folder / CARD).is_file() else None
    if weights is None and (folder / WEIGHTS).is_file():
        weights = str(folder / WEIGHTS)
    if weights is None:
        raise ModelError(
            f"{name} comes without weights: give --weights FILE, or --weights {UNTRAINED} for a network to be timed"
        )
    if weights == UNTRAINED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = Network(architecture).eval()
        mean, std = IMAGENET
    else:
        network = load_network(Path(weights), architecture, source=source)
        mean, std = LAYOUTS[source_of(Path(weights), asked=source)].normalisation
    if card is not None:
        mean, std = card.mean, card.std
    channels = network.architecture.in_channels
    if len(mean) != channels:  # one for all, as of a grey picture
        mean, std = ((sum(values) / len(values),) * channels for values in (mean, std))
    count = network.architecture.classes
    if labels is not None:
        classes = _read_labels(labels)
    elif card is not None and len(card.classes) == count:
        classes = card.classes
    else:
        classes = tuple(map(str, range(count)))
    if len(classes) != count:
        raise ModelError(
            f"{labels} names {len(classes)} classes, and the network has {count}: give one a line"
        )
    return Model(
        name=name if card is None else f"{card.name} {card.digest}",
        network=network,
        trained=weights != UNTRAINED,
        classes=classes,
        mean=mean,
        std=std,
    )


def _read_labels(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read as labels: {error}") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())
