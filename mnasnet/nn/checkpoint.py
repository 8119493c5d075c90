"""Checkpoints: trained weights of ours and of other projects, read into a `Network` that computes as its source.

What a source computes differently comes with its weights: a loaded network has the source's padding and epsilon
of batch normalisation, and so gives the source's numbers.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Learned
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file
from mnasnet.nn.layouts import LAYOUTS, SOURCES, find_layout, marks
from mnasnet.nn.network import Network
from mnasnet.nn.tensor_files import ARCHITECTURE, LEARNED, Checkpoint, read_checkpoint

COUNTER = ".num_batches_tracked"
"""The batches that a BN has seen: of no effect on a network, and missing from many files."""

WAY_OUT = "ask for the network and width that the file was saved from"
"""How the messages end where file and network do not fit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A network out of a file of weights."""

    network: Network
    """For evaluation; its `architecture` says what its source computes differently."""
    layout: str
    """Whose file it was, a name of `LAYOUTS`."""
    learned: Learned | None
    """None where the file does not say."""


def load_network(path: Path, architecture: Architecture, *, source: str | None = None) -> Network:
    """The trained network of a file, for evaluation; arguments and errors as of `load_weights`."""
    return load_weights(path, architecture, source=source).network


def load_weights(
    path: Path, architecture: Architecture, *, source: str | None = None, refit: bool = False
) -> Loaded:
    """The trained network of a file, with the numbers that its source gives, and what the file says of it.

    Args:
        path: a file of one of the `LAYOUTS`: safetensors, or as `torch.save` or MindSpore writes it.
        architecture: the network that the file is of. Input channels and classes are taken from the file, and so
            is what its source computes differently: the network's own `architecture` says it.
        source: whose file it is, a name of `SOURCES`; None to tell by the names of its tensors, which does not
            tell timm's `tf_*` networks from its others.
        refit: whether strides and image size stay those of `architecture` where our own file says others, so that a
            network can be trained on for smaller images. Otherwise it is the network that was saved.

    Raises:
        RequestError: the file is not one of weights, or not of this network.
    """
    checkpoint = read_checkpoint(path)
    name = _layout_of(checkpoint, asked=source)
    layout = LAYOUTS[name]
    modules = layout.module_names(architecture)
    adapted = layout.adapted(architecture, checkpoint)
    if checkpoint.architecture is not None and not refit:
        adapted = _strided(adapted, checkpoint.architecture)
    network = Network(_sized(adapted, modules, checkpoint)).eval()
    names = {}
    for ours in network.state_dict():
        module, _, leaf = ours.rpartition(".")
        if module not in modules:
            raise RequestError(
                f"{path}: {name}'s networks have no {module}, and the one asked for has; {WAY_OUT}"
            )
        names[ours] = f"{modules[module]}.{layout.bn.get(leaf, leaf) if module.endswith('.bn') else leaf}"
    wanted = {names[ours]: tensor for ours, tensor in network.state_dict().items()}
    checkpoint = _with_dense_weights(checkpoint, wanted)
    _check(checkpoint, wanted, layout.beside)
    given = {
        ours: checkpoint.tensors[theirs] for ours, theirs in names.items() if theirs in checkpoint.tensors
    }
    network.load_state_dict(given, strict=False)  # a counter may be missing, and stays 0
    return Loaded(network=network, layout=name, learned=checkpoint.learned)


def save_network(network: Network, path: Path, *, learned: Learned | None = None) -> None:
    """Write the network's numbers and architecture, and what it has learned, to `path` as safetensors.

    On return the file is whole, and at no time is there half of one; an older file there is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    # Safetensors refuses what is not contiguous, as the tensors of a channels-last network.
    tensors = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    metadata = {ARCHITECTURE: json.dumps(network.architecture.to_json())}
    if learned is not None:
        metadata[LEARNED] = json.dumps(dataclasses.asdict(learned))
    replace_file(path, save(tensors, metadata=metadata))


def _layout_of(checkpoint: Checkpoint, *, asked: str | None) -> str:
    if asked not in (None, *SOURCES):
        raise RequestError(f"give one of {', '.join(SOURCES)}", field="source", value=asked)
    if (layout := find_layout(checkpoint, source=asked)) is not None:
        return layout
    known = ", ".join(f"{mark} ({name})" for name, mark in marks(asked).items())
    raise RequestError(
        f"{checkpoint.path} holds no tensor that tells whose weights they are: {known}; give a file of one of these"
    )


def _strided(architecture: Architecture, stated: Architecture) -> Architecture:
    """`architecture` with the strides and image size of `stated`, of which no tensor tells either."""
    if len(architecture.blocks) != len(stated.blocks):
        return architecture  # another network, whose tensors will not fit
    blocks = tuple(
        dataclasses.replace(block, stride=other.stride)
        for block, other in zip(architecture.blocks, stated.blocks, strict=True)
    )
    return dataclasses.replace(
        architecture, blocks=blocks, stem_stride=stated.stem_stride, image_size=stated.image_size
    )


def _sized(architecture: Architecture, modules: Mapping[str, str], checkpoint: Checkpoint) -> Architecture:
    """`architecture` with the file's input channels and classes, where they can be seen."""
    stem = checkpoint.tensors.get(f"{modules['stem.conv']}.weight")
    classifier = checkpoint.tensors.get(f"{modules['classifier']}.weight")
    if stem is not None and stem.ndim == 4 and stem.numel():
        architecture = dataclasses.replace(architecture, in_channels=stem.shape[1])
    if classifier is not None and classifier.ndim == 2 and classifier.numel():
        architecture = dataclasses.replace(architecture, classes=classifier.shape[0])
    return architecture


def _with_dense_weights(checkpoint: Checkpoint, wanted: Mapping[str, Tensor]) -> Checkpoint:
    """The file with dense weights where it has those of 1 × 1 convolutions of a single point: the same numbers."""
    tensors = dict(checkpoint.tensors)
    for name, tensor in wanted.items():
        other = tensors.get(name)
        if other is not None and other.shape == (*tensor.shape, 1, 1):
            tensors[name] = other.flatten(1)
    return dataclasses.replace(checkpoint, tensors=tensors)


def _check(checkpoint: Checkpoint, wanted: Mapping[str, Tensor], beside: tuple[str, ...]) -> None:
    """Refuse a file whose tensors, but for those `beside`, are not the network's in number, shape and kind."""
    path, found = checkpoint.path, checkpoint.tensors
    missing = [name for name in wanted if name not in found and not name.endswith(COUNTER)]
    if missing:
        raise RequestError(f"{path}: {_and_others(missing)} missing; {WAY_OUT}")
    for name, tensor in wanted.items():
        other = found.get(name, tensor)
        if other.shape != tensor.shape:
            raise RequestError(
                f"{path}: {name} is {tuple(other.shape)}, "
                f"and the network asked for takes {tuple(tensor.shape)}; {WAY_OUT}"
            )
        if other.layout != tensor.layout or (tensor.is_floating_point() and not other.is_floating_point()):
            raise RequestError(
                f"{path}: {name} is {other.dtype}, {other.layout}; give a file of plain floating-point weights"
            )
    unknown = [name for name in found if name not in wanted and not name.startswith(beside)]
    if unknown:
        raise RequestError(f"{path}: {_and_others(unknown)} too many for the network asked for; {WAY_OUT}")


def _and_others(names: list[str]) -> str:
    # As Python writes it, because a name out of a file may hold anything.
    return f"{names[0]!r} is" if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more are"
