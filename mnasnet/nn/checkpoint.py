"""Checkpoints: trained weights of ours and of other projects, read into a `Network` that computes as its source.

What a source computes differently comes with its weights: a loaded network has the source's padding and epsilon
of batch normalisation, and so gives the source's numbers.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mnasnet.arch.architecture import Architecture, Block, ConvOp, Padding, architecture_from_json
from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import MNASNET_SMALL
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file
from mnasnet.nn.mindspore import read_mindspore
from mnasnet.nn.network import Network

WRAPPERS = ("state_dict", "model")
"""Names under which training scripts put the state dict, beside their epoch and optimiser."""

PREFIXES = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before all names of the model that they wrap."""

COUNTER = ".num_batches_tracked"
"""The batches that a BN has seen: of no effect on a network, and missing from many files."""

MINDSPORE = b"\x0a"
"""How MindSpore's files begin: field 1 of a protobuf message, which has a length."""

ARCHITECTURE, LEARNED = "mnasnet_architecture", "mnasnet_learned"
"""Entries of our own files' metadata that hold, as JSON, the architecture and what was learned of."""

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel of pixels scaled to 0–1: a network takes (pixel / 255 − mean) / std."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The official code's, torchvision's and timm's."""

WAY_OUT = "ask for the network and width that the file was saved from"
"""How the messages end where file and network do not fit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a file of weights holds."""

    path: Path
    tensors: Mapping[str, Tensor]
    """By name, without what a wrapped model has before all names."""
    architecture: Architecture | None = None
    """The network that they are of, where the file says so: `save_network` writes it."""
    learned: Learned | None = None
    """What the network has learned, where the file says so."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A network out of a file of weights."""

    network: Network
    """For evaluation; its `architecture` says what its source computes differently."""
    source: str
    """Whose file it was, a name of `LAYOUTS`."""
    learned: Learned | None
    """None where the file does not say."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a source names the modules of a network, and what its networks compute differently from ours."""

    mark: str
    """A tensor that all files of this source have; a file is of the first source whose mark it has."""
    ends: Mapping[str, str]
    """Its names of the modules before and behind the layers, under ours."""
    layers: Mapping[ConvOp, Mapping[str, str]]
    """Its names of the modules inside a layer, under ours, for each operator that it knows."""
    prefix: Callable[[int, int, int], str]
    """Its name of a layer by block, position in the block and position in the network, all from 0."""
    padding: Padding | None = None
    """As in `Architecture`; None for what the asked architecture has."""
    bn_epsilon: float | None = None
    """As in `Architecture`; None for what the asked architecture has."""
    bn: Mapping[str, str] = field(default_factory=dict)
    """Its names of a BN's tensors under torch's, where they differ."""
    beside: tuple[str, ...] = ()
    """How the names of what its training keeps beside the weights begin; it is left alone."""
    normalisation: Normalisation = IMAGENET
    """What its networks were trained with."""
    quirk: Callable[[Architecture, Checkpoint], Architecture] | None = None
    """What else makes of an asked architecture this source's network."""

    def modules(self, architecture: Architecture) -> dict[str, str]:
        """Its names of the modules of `architecture` under ours; what it does not know is left out."""
        named = dict(self.ends)
        place = count()
        for block, layers in enumerate(architecture.expanded()):
            for position, layer in enumerate(layers):
                prefix = self.prefix(block, position, next(place))
                for module, name in self.layers.get(layer.op, {}).items():
                    named[f"blocks.{block}.{position}.{module}"] = f"{prefix}.{name}"
        return named

    def adapted(self, architecture: Architecture, checkpoint: Checkpoint) -> Architecture:
        """`architecture` as this source computes it."""
        if self.padding is not None:
            architecture = dataclasses.replace(architecture, padding=self.padding)
        if self.bn_epsilon is not None:
            architecture = dataclasses.replace(architecture, bn_epsilon=self.bn_epsilon)
        return architecture if self.quirk is None else self.quirk(architecture, checkpoint)


def _as_stated(architecture: Architecture, checkpoint: Checkpoint) -> Architecture:
    """What no tensor shows, as the file says it: our files may hold a network that came from elsewhere."""
    stated = checkpoint.architecture
    if stated is None:
        return architecture
    blocks = architecture.blocks
    if len(blocks) == len(stated.blocks):
        blocks = tuple(
            dataclasses.replace(block, skip=other.skip)
            for block, other in zip(blocks, stated.blocks, strict=True)
        )
    return dataclasses.replace(
        architecture,
        blocks=blocks,
        activation=stated.activation,
        padding=stated.padding,
        bn_epsilon=stated.bn_epsilon,
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


def _with_unscaled_stem(architecture: Architecture, checkpoint: Checkpoint) -> Architecture:
    """Torchvision's files of `_version` 1 have a stem of 32 and a first block of 16 filters at every width.

    The shape says so: torch keeps the version beside the tensors, where it is easily lost.
    """
    if checkpoint.tensors["layers.0.weight"].shape[:1] != (32,):
        return architecture
    first, *others = architecture.blocks
    return dataclasses.replace(
        architecture, stem=32, blocks=(dataclasses.replace(first, filters=16), *others)
    )


def _with_first_skip(architecture: Architecture, _: Checkpoint) -> Architecture:
    """Timm's MnasNet-small has a skip in its first layer, whose 8 filters are as many as the stem's."""
    if (architecture.stem, _unstrided(architecture)) != (MNASNET_SMALL.stem, _unstrided(MNASNET_SMALL)):
        return architecture
    first, *others = architecture.blocks
    return dataclasses.replace(architecture, blocks=(dataclasses.replace(first, skip="identity"), *others))


def _unstrided(architecture: Architecture) -> list[Block]:
    # The same network has fewer strides where it was fitted to small images.
    return [dataclasses.replace(block, stride=1) for block in architecture.blocks]


_ENDS = ("stem.conv", "stem.bn", "head.conv", "head.bn", "classifier")
_SEP = ("before.0.conv", "before.0.bn", "se.squeeze", "se.excite", "after.0.conv", "after.0.bn")
_MB = ("before.0.conv", "before.0.bn", "before.1.conv", "before.1.bn", *_SEP[2:])


def _names(ours: tuple[str, ...], theirs: str) -> dict[str, str]:
    """`theirs` under `ours`; - stands for what they have not."""
    return {our: their for our, their in zip(ours, theirs.split(), strict=True) if their != "-"}


_TIMM = Layout(
    mark="conv_stem.weight",
    ends=_names(_ENDS, "conv_stem bn1 conv_head bn2 classifier"),
    layers={
        "sep": _names(_SEP, "conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2"),
        "mb": _names(_MB, "conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3"),
    },
    prefix=lambda block, position, _: f"blocks.{block}.{position}",
    padding="symmetric",
    bn_epsilon=1e-5,
    quirk=_with_first_skip,
)

LAYOUTS = {
    "mnasnet": Layout(
        mark="stem.conv.weight",
        ends={name: name for name in _ENDS},
        layers={op: {name: name for name in _MB} for op in get_args(ConvOp)},
        prefix=lambda block, position, _: f"blocks.{block}.{position}",
        quirk=_as_stated,
    ),
    "torchvision": Layout(
        mark="layers.0.weight",
        ends=_names(_ENDS, "layers.0 layers.1 layers.14 layers.15 classifier.1"),
        layers={"sep": _names(_SEP, "3 4 - - 6 7"), "mb": _names(_MB, "0 1 3 4 - - 6 7")},
        # The first block's modules lie flat among the stem's.
        prefix=lambda block, position, _: f"layers.{7 + block}.{position}.layers" if block else "layers",
        padding="symmetric",
        bn_epsilon=1e-5,
        quirk=_with_unscaled_stem,
    ),
    "mindcv": Layout(
        mark="features.1.moving_mean",
        ends=_names(_ENDS, "features.0 features.1 features.24 features.25 classifier"),
        layers={"sep": _names(_SEP, "3 4 - - 6 7"), "mb": _names(_MB, "0 1 3 4 - - 6 7")},
        # The first block's modules lie flat among the stem's, and the other layers one behind the other.
        prefix=lambda block, _, place: f"features.{7 + place}.layers" if block else "features",
        padding="symmetric",
        bn_epsilon=1e-3,
        bn={
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "moving_mean",
            "running_var": "moving_variance",
        },
        # Its trainer saves the optimizer and the averages too.
        beside=("moment.", "mean_square.", "ema.", "global_step", "learning_rate", "scale_sense", "updates"),
    ),
    "timm": _TIMM,
    "timm-tf": dataclasses.replace(_TIMM, padding="same", bn_epsilon=1e-3),
    "efficientnet-lite": Layout(
        mark="_conv_stem.weight",
        ends=_names(_ENDS, "_conv_stem _bn0 _conv_head _bn1 _fc"),
        layers={
            "sep": _names(_SEP, "_depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2"),
            "mb": _names(
                _MB, "_expand_conv _bn0 _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2"
            ),
        },
        prefix=lambda _block, _position, place: f"_blocks.{place}",
        padding="same",
        bn_epsilon=1e-3,
        # tensorflow/tpu `efficientnet_lite_builder`: pixels of 0 to 255 less 127, over 128.
        normalisation=((127 / 255,) * 3, (128 / 255,) * 3),
    ),
}
"""Whose files are read: ours, torchvision's and MindCV's MnasNet, timm's `mnasnet_*`, `semnasnet_*` and what else
it builds of these layers, and the package efficientnet_lite_pytorch's, which pads for the one image size that a
model is made for: at that size as we do. Timm's `tf_*`, trained in TensorFlow, look like its others and compute
differently, so they have to be named.
"""


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
        source: whose file it is, a name of `LAYOUTS`; None to tell by the names of its tensors, which does not
            tell timm's `tf_*` networks from its others.
        refit: whether strides and image size stay those of `architecture` where our own file says others, so that a
            network can be trained on for smaller images. Otherwise it is the network that was saved.

    Raises:
        RequestError: the file is not one of weights, or not of this network.
    """
    checkpoint = read_checkpoint(path)
    source = _source(checkpoint, asked=source)
    layout = LAYOUTS[source]
    modules = layout.modules(architecture)
    adapted = layout.adapted(architecture, checkpoint)
    if checkpoint.architecture is not None and not refit:
        adapted = _strided(adapted, checkpoint.architecture)
    network = Network(_sized(adapted, modules, checkpoint)).eval()
    names = {}
    for ours in network.state_dict():
        module, _, leaf = ours.rpartition(".")
        if module not in modules:
            raise RequestError(
                f"{path}: {source}'s networks have no {module}, and the one asked for has; {WAY_OUT}"
            )
        names[ours] = f"{modules[module]}.{layout.bn.get(leaf, leaf) if module.endswith('.bn') else leaf}"
    _check(checkpoint, {names[ours]: tensor for ours, tensor in network.state_dict().items()}, layout.beside)
    given = {ours: checkpoint.tensors[name] for ours, name in names.items() if name in checkpoint.tensors}
    network.load_state_dict(given, strict=False)  # a counter may be missing, and stays 0
    return Loaded(network=network, source=source, learned=checkpoint.learned)


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


def read_checkpoint(path: Path) -> Checkpoint:
    """The tensors of a file in safetensors or `torch.save`'s format; nothing in the file is executed.

    Raises:
        RequestError: there is no such file, or it is not one of tensors by name.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:] == b"{":  # behind the length of the header, 8 bytes, which is JSON
            return _read_safetensors(path)
        return _read_mindspore(path) if start[:1] == MINDSPORE else _read_torch(path)
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or _line(error)}; give a file of weights") from error


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
            stated = file.metadata() or {}
        architecture = (
            architecture_from_json(json.loads(stated[ARCHITECTURE])) if ARCHITECTURE in stated else None
        )
        learned = _learned(json.loads(stated[LEARNED])) if LEARNED in stated else None
    except (SafetensorError, ValueError, TypeError) as error:
        raise RequestError(f"{path} is a damaged safetensors file: {_line(error)}; get it again") from error
    return Checkpoint(path=path, tensors=_unprefixed(tensors), architecture=architecture, learned=learned)


def _learned(data: Mapping[str, Sequence[Any]]) -> Learned:
    return Learned(**{name: tuple(values) for name, values in data.items()})


def _read_torch(path: Path) -> Checkpoint:
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except OSError:  # the disk's, which says itself what it is
        raise
    except Exception as error:  # a file that is none of torch's fails in as many ways as there are files
        raise RequestError(
            f"{path} is neither safetensors nor a file of torch.save with nothing but weights; from one that you "
            "trust and that holds more, save the weights alone: torch.save(model.state_dict(), path)"
        ) from error
    if isinstance(found, dict):
        found = next((found[name] for name in WRAPPERS if isinstance(found.get(name), dict)), found)
    if not isinstance(found, dict) or not found:
        raise RequestError(
            f"{path} holds a {type(found).__name__}, not tensors by name; give a file of a state dict"
        )
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise RequestError(
                f"{path}: {name!r} is of type {type(tensor).__name__}, not a tensor; give a file of a state dict"
            )
    return Checkpoint(path=path, tensors=_unprefixed(found))


def _read_mindspore(path: Path) -> Checkpoint:
    try:
        tensors = read_mindspore(path.read_bytes())
    except ValueError as error:
        raise RequestError(
            f"{path} is no file of weights that is known: {_line(error)}; give one of safetensors, of torch.save "
            "or of MindSpore"
        ) from error
    return Checkpoint(path=path, tensors={name: torch.tensor(array) for name, array in tensors.items()})


def _unprefixed(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _source(checkpoint: Checkpoint, *, asked: str | None) -> str:
    if asked is not None and asked not in LAYOUTS:
        raise RequestError(f"give one of {', '.join(LAYOUTS)}", field="source", value=asked)
    marks = {source: layout.mark for source, layout in LAYOUTS.items() if asked in (None, source)}
    for source, mark in marks.items():
        if mark in checkpoint.tensors:
            return source
    known = ", ".join(f"{mark} ({source})" for source, mark in marks.items())
    raise RequestError(
        f"{checkpoint.path} holds no tensor that tells whose weights they are: {known}; give a file of one of these"
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


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
