"""What a network is: blocks of equal layers between a stem and a head, as frozen data with a digest."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from mnasnet.arch.block import Block, Layer, LayerForm, parse_block
from mnasnet.arch.lowering import describe_layer, lower_layer
from mnasnet.arch.rounding import round_filters
from mnasnet.graph.graph import IMAGE, LOGITS, Graph, GraphBuilder, Part
from mnasnet.graph.operators import (
    Activation,
    Convolution,
    Dense,
    GateFunction,
    Image,
    Mean,
    Padding,
    reduce_size,
)

SMALLEST_MAP = 2
"""Fewest pixels a side that the last feature map keeps when strides are fitted to a small image.

The paper's smallest image, 96 px, leaves a map of 3 (Figure 5b). At 2 a 64 px image keeps every stride
and a 32 px image loses only the stem's: trials stay cheap, and a 3 × 3 kernel still sees more than a point.
"""

KIND, VERSION = "mbconv", 2
"""What `Architecture.to_json` says of its form. Version 1, of before the graph, said neither."""

HASHED_LAYER_FIELDS = ("op", "kernel", "stride", "expansion", "inputs", "outputs", "squeezed", "skip")
"""Of a `Layer`, in the order in which a digest has them."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A whole network for images of one size: stem, blocks, head, classifier."""

    blocks: tuple[Block, ...]
    image_size: int = 224
    """Side of the square input in pixels."""
    in_channels: int = 3
    classes: int = 1000
    stem: int = 32
    """Filters of the 3 × 3 convolution in front."""
    stem_stride: int = 2
    head: int = 1280
    """Filters of the 1 × 1 convolution behind the blocks; never scaled down by the width."""
    activation: Activation = "relu"
    padding: Padding = "same"
    """`same` as TensorFlow pads (asymmetric at stride 2), `symmetric` as torchvision does."""
    bn_epsilon: float = 1e-3
    """Added to the variance in batch normalisation; 1e-3 in the official code."""
    hidden: int | None = None
    """Features of an activated dense layer between mean and classifier; None where there is none."""
    gate: GateFunction = "sigmoid"
    """Of squeeze-and-excitation."""

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("an architecture needs at least one block")
        for name in ("image_size", "in_channels", "classes", "stem", "head"):
            _check_whole_number(name, getattr(self, name))
        if self.hidden is not None:
            _check_whole_number("hidden", self.hidden)
        if self.stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, not {self.stem_stride!r}")
        for name, choices in (
            ("activation", get_args(Activation)),
            ("padding", get_args(Padding)),
            ("gate", get_args(GateFunction)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not (math.isfinite(self.bn_epsilon) and self.bn_epsilon > 0):
            raise ValueError(f"bn_epsilon must be a positive number, not {self.bn_epsilon!r}")

    @property
    def form(self) -> LayerForm:
        """What all layers share."""
        return LayerForm(activation=self.activation, padding=self.padding, gate=self.gate)

    def expanded(self) -> Iterator[tuple[Layer, ...]]:
        """The layers of each block in order."""
        inputs, form = self.stem, self.form
        for block in self.blocks:
            yield block.expand(inputs, form)
            inputs = block.filters

    def layers(self) -> Iterator[Layer]:
        """Each layer in order."""
        return (layer for block in self.expanded() for layer in block)

    @property
    def stem_convolution(self) -> Convolution:
        """The 3 × 3 convolution in front."""
        return Convolution(
            kernel=3,
            stride=self.stem_stride,
            inputs=self.in_channels,
            outputs=self.stem,
            activation=self.activation,
            padding=self.padding,
        )

    @property
    def head_convolution(self) -> Convolution:
        """The 1 × 1 convolution behind the blocks."""
        return Convolution(
            kernel=1,
            stride=1,
            inputs=self.blocks[-1].filters,
            outputs=self.head,
            activation=self.activation,
            padding=self.padding,
        )

    def lowered(self) -> Graph:
        """The network as a graph, its operators by the names of the torch modules that compute them."""
        builder = GraphBuilder(Image(size=self.image_size, channels=self.in_channels))
        stride = self.stem_stride
        features = builder.add("stem", self.stem_convolution, IMAGE, part=_describe_stem(stride))
        for block, layers in enumerate(self.expanded()):
            for position, layer in enumerate(layers):
                part = describe_layer(layer, block=block + 1, position=position + 1)
                features = lower_layer(builder, layer, features, name=f"blocks.{block}.{position}", part=part)
        features = builder.add("head", self.head_convolution, features, part=HEAD)
        if self.hidden is None:
            features = builder.add("mean", Mean(), features, part=CLASSIFIER)
            logits = Dense(inputs=self.head, outputs=self.classes)
        else:
            features = builder.add("mean", Mean(), features, part=HIDDEN)
            hidden = Dense(inputs=self.head, outputs=self.hidden, activation=self.activation)
            features = builder.add("hidden", hidden, features, part=HIDDEN)
            logits = Dense(inputs=self.hidden, outputs=self.classes)
        part = CLASSIFIER if self.hidden is None else CLASSIFIER_BEHIND_HIDDEN
        return builder.build({LOGITS: builder.add("classifier", logits, features, part=part)})

    def canonical(self) -> "Architecture":
        """The same network in its one canonical parting into blocks.

        Neighbouring blocks of equal layers become one; a skip that takes effect nowhere is written `none`; an
        `mb` block without an expansion is written `sep`. Ratios of SE stay as they are, also where two squeeze
        to equally many channels: whether two architectures are the same network, `digest` says.
        """
        last_inputs = self.stem
        blocks: list[Block] = []
        for block, layers in zip(self.blocks, self.expanded(), strict=True):
            for layer in layers:
                own = None if layer.activation == self.activation else layer.activation
                one = dataclasses.replace(
                    block, op=layer.op, stride=layer.stride, layers=1, skip=layer.skip, activation=own
                )
                if layer.op == "sep":
                    one = dataclasses.replace(one, expansion=1)
                merged = _merge(blocks[-1], one, last_inputs, self.form) if blocks else None
                if merged is None:
                    blocks.append(one)
                    last_inputs = layer.inputs
                else:
                    blocks[-1] = merged
        return dataclasses.replace(self, blocks=tuple(blocks))

    def digest(self) -> str:
        """Twelve hexadecimal digits that two architectures share when they are the same network.

        It is taken over the layers, so that it does not matter how they are parted into blocks. What came later
        than version 0.1 counts only where it is not as it always was before, so that digests stay what they are.
        """
        whole = {name: value for name, value in self._fields().items() if name != "blocks"}
        whole["layers"] = [self._hashed(layer) for layer in self.layers()]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]

    def _hashed(self, layer: Layer) -> list[Any]:
        own = [] if layer.activation == self.activation else [layer.activation]
        return [*(getattr(layer, name) for name in HASHED_LAYER_FIELDS), *own]

    def scaled(self, width: float) -> "Architecture":
        """The network with stem and blocks `width` times as wide, rounded as the official code does.

        The head grows with widths above 1 only in MobileNetV2; here, as in the official MnasNet code, never.
        """
        blocks = tuple(
            dataclasses.replace(block, filters=round_filters(block.filters * width)) for block in self.blocks
        )
        return dataclasses.replace(self, stem=round_filters(self.stem * width), blocks=blocks).canonical()

    def sized(self, *, image_size: int, in_channels: int, classes: int, width: float) -> "Architecture":
        """The network `width` times as wide for such images, without strides that would shrink them to a point."""
        fitted = self.scaled(width).fitted(image_size)
        return dataclasses.replace(fitted, in_channels=in_channels, classes=classes)

    def fitted(self, image_size: int) -> "Architecture":
        """The network for images of `image_size`, without the strides that would shrink them to a point.

        Strides are dropped from the input's end, stem first, until the last map has `SMALLEST_MAP` pixels
        a side.
        """
        stem_stride, *strides = fitted_strides(
            (self.stem_stride, *(block.stride for block in self.blocks)), image_size=image_size
        )
        blocks = tuple(
            dataclasses.replace(block, stride=stride)
            for block, stride in zip(self.blocks, strides, strict=True)
        )
        return dataclasses.replace(
            self, image_size=image_size, stem_stride=stem_stride, blocks=blocks
        ).canonical()

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`, with its kind and version, and each block in its one-line notation."""
        blocks = [block.notation() for block in self.blocks]
        return {"kind": KIND, "version": VERSION, **self._fields(), "blocks": blocks}

    def _fields(self) -> dict[str, Any]:
        """Every field, but for later ones that are as they always were before there was such a field."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if LATER_FIELDS.get(name, ...) != value}


LATER_FIELDS = {"hidden": None, "gate": "sigmoid"}
"""Fields that came after version 0.1, with what every network had before."""

HEAD = Part(name="head", group="head", kind="conv", title="Conv 1×1", details="head", notation="conv_k1_s1")
CLASSIFIER = Part(
    name="classifier",
    group="classifier",
    kind="plain",
    title="Mean, fully connected",
    details="classifier",
    notation="mean, fully connected",
)
HIDDEN = dataclasses.replace(CLASSIFIER, name="hidden", group="hidden", details="hidden layer")
CLASSIFIER_BEHIND_HIDDEN = dataclasses.replace(
    CLASSIFIER, title="Fully connected", notation="fully connected"
)
"""Parts behind the blocks: the classifier takes the mean, where no hidden layer did."""


def _describe_stem(stride: int) -> Part:
    return Part(
        name="stem",
        group="stem",
        kind="conv",
        title="Conv 3×3",
        details=f"stem, stride {stride}",
        notation=f"conv_k3_s{stride}",
    )


def _merge(last: Block, one: Block, last_inputs: int, form: LayerForm) -> Block | None:
    """`last`, behind `last_inputs` channels, with the layer `one` added; None where that differs."""
    skip = one.skip if last.layers == 1 and last.skip == "none" else last.skip
    longer = dataclasses.replace(last, layers=last.layers + 1, skip=skip)
    layers = last.expand(last_inputs, form) + one.expand(last.filters, form)
    same = longer.expand(last_inputs, form) == layers
    return longer if same and (one.se_ratio, one.se_base) == (last.se_ratio, last.se_base) else None


def _check_whole_number(name: str, value: object) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")


def architecture_from_json(data: Mapping[str, Any]) -> Architecture:
    """The inverse of `Architecture.to_json`, also of version 1, which said neither kind nor version.

    Raises:
        ValueError: a field is missing, unknown or of no meaning, or a later version wrote it.
    """
    if isinstance(data, Mapping):
        kind, version = data.get("kind", KIND), data.get("version", 1)
        if kind != KIND or version not in range(1, VERSION + 1):
            raise ValueError(
                f"it describes a network of the kind {kind!r} in version {version!r}, and this version of mnasnet "
                f"knows {KIND!r} up to {VERSION}: take a newer mnasnet"
            )
        data = {name: value for name, value in data.items() if name not in ("kind", "version")}
    known = {field.name for field in dataclasses.fields(Architecture)}
    if not isinstance(data, Mapping) or not isinstance(data.get("blocks"), list) or set(data) - known:
        raise ValueError(
            f"an architecture has a list of blocks and the fields {', '.join(sorted(known))}, not {data!r}"
        )
    return Architecture(**{**data, "blocks": tuple(parse_block(str(block)) for block in data["blocks"])})


def fitted_strides(strides: tuple[int, ...], *, image_size: int) -> tuple[int, ...]:
    """`strides` from stem to last block, the first ones set to 1 until the last map has `SMALLEST_MAP` px.

    Raises:
        ValueError: `image_size` is smaller than `SMALLEST_MAP`.
    """
    if image_size < SMALLEST_MAP:
        raise ValueError(f"images of {image_size} px are too small; the smallest are {SMALLEST_MAP} px")
    for dropped in range(len(strides) + 1):
        fitted = (1,) * dropped + strides[dropped:]
        size = image_size
        for stride in fitted:
            size = reduce_size(size, stride)
        if size >= SMALLEST_MAP:
            break
    return fitted
