"""Weights that others publish, fetched once into torch's own cache and held against their digest."""

import hashlib
from pathlib import Path
from urllib.error import URLError

import torch

from mnasnet.arch.zoo import ZOO, PublishedWeights
from mnasnet.base.errors import RequestError

PUBLISHERS = sorted({weights.by for network in ZOO.values() for weights in network.weights})


def published_weights(name: str, *, by: str, width: float) -> PublishedWeights | None:
    """The file of the zoo's network `name` at `width` that `by` publishes; None where `by` is no publisher.

    Raises:
        RequestError: this publisher has none of it.
    """
    if by not in PUBLISHERS or Path(by).exists():
        return None
    of_network = ZOO[name].weights if name in ZOO else ()
    found = [weights for weights in of_network if (weights.by, weights.width) == (by, width)]
    if not found:
        there = ", ".join(f"{weights.by} at width {weights.width:g}" for weights in of_network)
        raise RequestError(
            f"{by} publishes no weights of {name} at width {width:g}; there are {there or 'none'}: give a file"
        )
    return found[0]


def weights_folder() -> Path:
    """Where torch keeps what it downloads: `checkpoints` in `$TORCH_HOME/hub`, or in `~/.cache/torch/hub`."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def fetch(published: PublishedWeights, folder: Path) -> Path:
    """The file in `folder`, downloaded if it is not there.

    Raises:
        RequestError: it cannot be had, or what came is something else.
        OSError: the folder cannot be written.
    """
    path = folder / published.file
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(published.url, str(path), published.sha256, progress=False)
        except (URLError, TimeoutError, ConnectionError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise RequestError(
                f"{published.url} cannot be had: {reason}; connect to a network, or put the file into {folder}"
            ) from error
        except RuntimeError as error:  # of torch, when the digest is another
            raise RequestError(f"{published.url} sent something else: {error}; try again") from error
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(published.sha256):
        raise RequestError(
            f"{path} is not what its name says, by its SHA-256: remove it, and it is fetched again"
        )
    return path
