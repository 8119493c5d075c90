"""Layouts: how other projects name the modules of a network, and what their networks compute differently."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import Block
from mnasnet.arch.networks import MNASNET_SMALL
from mnasnet.graph.operators import Padding
from mnasnet.nn.tensor_files import Checkpoint

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel of pixels scaled to 0–1: a network takes (pixel / 255 − mean) / std."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The official code's, torchvision's and timm's."""

MODULE = re.compile(r"blocks\.(\d+)\.(\d+)\.(.+)")
"""Our name of a module within a layer: block and position in it, from 0, and the module there."""


@dataclass(frozen=True, kw_only=True)
class LayerPlace:
    """Where a layer stands, as different projects count; all from 0."""

    block: int
    position: int
    """In the block."""
    index: int
    """In the network."""
    stage: int
    """Timm's stages are our blocks, but those that differ in nothing but expansion and skip are one stage."""
    stage_position: int
    """In the stage."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a source names the modules of a network, and what its networks compute differently from ours."""

    mark: str
    """A tensor that all files of this source have; a file is of the first source whose mark it has."""
    ends: Mapping[str, str]
    """Its names of the modules before and behind the layers, under ours. `{last}` stands for one more than the
    number of layers, `{stages}` for the number of stages."""
    layers: Mapping[str, Mapping[str, str]]
    """Its names of the modules inside a layer, under ours, for each kind of layer that it knows: `sep` and `mb`,
    and `sep+se` and `mb+se` where squeeze-and-excitation moves the names behind it."""
    prefix: Callable[[LayerPlace], str]
    """Its name of a layer."""
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

    def module_names(self, architecture: Architecture) -> dict[str, str]:
        """Its names of the modules of `architecture` under ours; what it does not know is left out."""
        places = _places(architecture)
        counts = {"last": 1 + len(places), "stages": 1 + max(place.stage for place in places.values())}
        named = {ours: theirs.format(**counts) for ours, theirs in self.ends.items()}
        graph = architecture.lowered()
        for name, _ in graph.weighted():
            match, part = MODULE.fullmatch(name), graph.ops[name].part
            if match is None or part is None:
                continue
            block, position, module = int(match[1]), int(match[2]), match[3]
            place = places[block, position]
            squeezes = f"blocks.{block}.{position}.se.squeeze" in graph.ops
            inside = self.layers.get(f"{part.kind}+se" if squeezes else part.kind) or self.layers.get(
                part.kind, {}
            )
            for ours in (module, f"{module}.conv", f"{module}.bn"):
                if ours in inside:
                    named[f"blocks.{block}.{position}.{ours}"] = f"{self.prefix(place)}.{inside[ours]}"
        return named

    def adapted(self, architecture: Architecture, checkpoint: Checkpoint) -> Architecture:
        """`architecture` as this source computes it."""
        if self.padding is not None:
            architecture = dataclasses.replace(architecture, padding=self.padding)
        if self.bn_epsilon is not None:
            architecture = dataclasses.replace(architecture, bn_epsilon=self.bn_epsilon)
        return architecture if self.quirk is None else self.quirk(architecture, checkpoint)


def _places(architecture: Architecture) -> dict[tuple[int, int], LayerPlace]:
    """The place of each layer by block and position."""
    places: dict[tuple[int, int], LayerPlace] = {}
    stage, stage_position = -1, 0
    last: Block | None = None
    for block, description in enumerate(architecture.blocks):
        # Of all that may differ within a stage one value; what follows in it has stride 1.
        alike = dataclasses.replace(description, op="sep", expansion=1, layers=1, skip="none")
        if alike != last:
            stage, stage_position = stage + 1, 0
        last = dataclasses.replace(alike, stride=1)
        for position in range(description.layers):
            places[block, position] = LayerPlace(
                block=block,
                position=position,
                index=len(places),
                stage=stage,
                stage_position=stage_position,
            )
            stage_position += 1
    return places


def _as_stated(architecture: Architecture, checkpoint: Checkpoint) -> Architecture:
    """What no tensor shows, as the file says it: our files may hold a network that came from elsewhere."""
    stated = checkpoint.architecture
    if stated is None:
        return architecture
    blocks = architecture.blocks
    if len(blocks) == len(stated.blocks):
        blocks = tuple(
            dataclasses.replace(block, skip=other.skip, activation=other.activation)
            for block, other in zip(blocks, stated.blocks, strict=True)
        )
    return dataclasses.replace(
        architecture,
        blocks=blocks,
        activation=stated.activation,
        gate=stated.gate,
        padding=stated.padding,
        bn_epsilon=stated.bn_epsilon,
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


_ENDS = ("stem.conv", "stem.bn", "head.conv", "head.bn", "hidden", "classifier")
_SEP = ("before.0.conv", "before.0.bn", "se.squeeze", "se.excite", "after.0.conv", "after.0.bn")
_MB = ("before.0.conv", "before.0.bn", "before.1.conv", "before.1.bn", *_SEP[2:])


def _names(ours: tuple[str, ...], theirs: str) -> dict[str, str]:
    """`theirs` under `ours`; - stands for what they have not."""
    return {our: their for our, their in zip(ours, theirs.split(), strict=True) if their != "-"}


_TIMM = Layout(
    mark="conv_stem.weight",
    ends=_names(_ENDS, "conv_stem bn1 conv_head bn2 - classifier"),
    layers={
        "sep": _names(_SEP, "conv_dw bn1 se.conv_reduce se.conv_expand conv_pw bn2"),
        "mb": _names(_MB, "conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3"),
    },
    prefix=lambda place: f"blocks.{place.stage}.{place.stage_position}",
    padding="symmetric",
    bn_epsilon=1e-5,
    quirk=_with_first_skip,
)

_TIMM_MOBILENET_V3 = dataclasses.replace(
    _TIMM,
    mark="conv_head.bias",  # behind the mean, where the others' convolution has a BN in place of a bias
    ends=_names(_ENDS, "conv_stem bn1 blocks.{stages}.0.conv blocks.{stages}.0.bn1 conv_head classifier"),
    quirk=None,
)

LAYOUTS = {
    "mnasnet": Layout(
        mark="stem.conv.weight",
        ends={name: name for name in _ENDS},
        layers={kind: {name: name for name in _MB} for kind in ("conv", "sep", "mb")},
        prefix=lambda place: f"blocks.{place.block}.{place.position}",
        quirk=_as_stated,
    ),
    "torchvision": Layout(
        mark="layers.0.weight",
        ends=_names(_ENDS, "layers.0 layers.1 layers.14 layers.15 - classifier.1"),
        layers={"sep": _names(_SEP, "3 4 - - 6 7"), "mb": _names(_MB, "0 1 3 4 - - 6 7")},
        # The first block's modules lie flat among the stem's.
        prefix=lambda place: f"layers.{7 + place.block}.{place.position}.layers" if place.block else "layers",
        padding="symmetric",
        bn_epsilon=1e-5,
        quirk=_with_unscaled_stem,
    ),
    "torchvision/mobilenet-v2": Layout(
        mark="features.1.conv.0.0.weight",
        ends=_names(_ENDS, "features.0.0 features.0.1 features.18.0 features.18.1 - classifier.1"),
        layers={"sep": _names(_SEP, "0.0 0.1 - - 1 2"), "mb": _names(_MB, "0.0 0.1 1.0 1.1 - - 2 3")},
        prefix=lambda place: f"features.{1 + place.index}.conv",
        padding="symmetric",
        bn_epsilon=1e-5,
    ),
    "torchvision/mobilenet-v3": Layout(
        mark="features.1.block.0.0.weight",
        ends=_names(
            _ENDS, "features.0.0 features.0.1 features.{last}.0 features.{last}.1 classifier.0 classifier.3"
        ),
        layers={
            "sep": _names(_SEP, "0.0 0.1 - - 1.0 1.1"),
            "sep+se": _names(_SEP, "0.0 0.1 1.fc1 1.fc2 2.0 2.1"),
            "mb": _names(_MB, "0.0 0.1 1.0 1.1 - - 2.0 2.1"),
            "mb+se": _names(_MB, "0.0 0.1 1.0 1.1 2.fc1 2.fc2 3.0 3.1"),
        },
        prefix=lambda place: f"features.{1 + place.index}.block",
        padding="symmetric",
        bn_epsilon=1e-3,
    ),
    "mindcv": Layout(
        mark="features.1.moving_mean",
        ends=_names(_ENDS, "features.0 features.1 features.24 features.25 - classifier"),
        layers={"sep": _names(_SEP, "3 4 - - 6 7"), "mb": _names(_MB, "0 1 3 4 - - 6 7")},
        # The first block's modules lie flat among the stem's, and the other layers one behind the other.
        prefix=lambda place: f"features.{7 + place.index}.layers" if place.block else "features",
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
    "timm/mobilenet-v3": _TIMM_MOBILENET_V3,
    "timm": _TIMM,
    "timm-tf/mobilenet-v3": dataclasses.replace(_TIMM_MOBILENET_V3, padding="same", bn_epsilon=1e-3),
    "timm-tf": dataclasses.replace(_TIMM, padding="same", bn_epsilon=1e-3),
    "efficientnet-lite": Layout(
        mark="_conv_stem.weight",
        ends=_names(_ENDS, "_conv_stem _bn0 _conv_head _bn1 - _fc"),
        layers={
            "sep": _names(_SEP, "_depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2"),
            "mb": _names(
                _MB, "_expand_conv _bn0 _depthwise_conv _bn1 _se_reduce _se_expand _project_conv _bn2"
            ),
        },
        prefix=lambda place: f"_blocks.{place.index}",
        padding="same",
        bn_epsilon=1e-3,
        # tensorflow/tpu `efficientnet_lite_builder`: pixels of 0 to 255 less 127, over 128.
        normalisation=((127 / 255,) * 3, (128 / 255,) * 3),
    ),
}
"""Whose files are read, and of which family where a source names the families differently: ours, torchvision's and
MindCV's MnasNet, torchvision's MobileNetV2 and V3, timm's `mnasnet_*`, `semnasnet_*`, `mobilenetv3_*` and what else
it builds of these layers, and the package efficientnet_lite_pytorch's, which pads for the one image size that a
model is made for: at that size as we do. Timm's `tf_*`, trained in TensorFlow, look like its others and compute
differently, so they have to be named.
"""

SOURCES = tuple(dict.fromkeys(name.partition("/")[0] for name in LAYOUTS))
"""Whose files: what may be asked for."""


def find_layout(checkpoint: Checkpoint, *, source: str | None) -> str | None:
    """The name of the layout whose mark the file has, of `source` or of any; None where it has none."""
    return next((name for name, mark in marks(source).items() if mark in checkpoint.tensors), None)


def marks(source: str | None) -> dict[str, str]:
    """The mark of each layout of `source`, or of all where that is None."""
    return {name: layout.mark for name, layout in LAYOUTS.items() if source in (None, name.partition("/")[0])}
