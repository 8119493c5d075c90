"""What a network is: blocks of equal layers between a stem and a head, as frozen data with a digest."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from mnasnet.arch.rounding import round_filters

ConvOp = Literal["conv", "sep", "mb"]
SkipOp = Literal["identity", "pool", "none"]
Activation = Literal["relu", "relu6"]
Padding = Literal["same", "symmetric"]

SMALLEST_MAP = 2
"""Fewest pixels a side that the last feature map keeps when strides are fitted to a small image.

The paper's smallest image, 96 px, leaves a map of 3 (Figure 5b). At 2 a 64 px image keeps every stride
and a 32 px image loses only the stem's: trials stay cheap, and a 3 × 3 kernel still sees more than a point.
"""

POOL_KERNEL = 3
"""Side of the average pool of a pooling skip. The paper leaves it open; 3 is the smaller of its kernels."""


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """One convolution with batch normalisation behind it."""

    kernel: int
    stride: int
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    depthwise: bool
    activated: bool
    """Whether the activation follows; the last convolution of a `sep` or `mb` layer is linear."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer with every channel count known: what the torch network, exporters and the cost walk."""

    op: ConvOp
    kernel: int
    stride: int
    expansion: int
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    squeezed: int | None
    """Channels inside squeeze-and-excitation, or None where there is none."""
    skip: SkipOp
    """The skip that takes effect: `identity` only at stride 1 with as many inputs as outputs."""

    def convolutions(self) -> tuple[tuple[Convolution, ...], tuple[Convolution, ...]]:
        """The convolutions before and after squeeze-and-excitation, which follows the spatial one.

        `conv` is one regular convolution, activated (Figure 4, block 2). `sep` is depthwise, then 1 × 1
        linear (Figure 7d). `mb` is 1 × 1 expansion, depthwise, then 1 × 1 linear (Figure 7b and c).
        """
        if self.op == "conv":
            spatial = Convolution(
                kernel=self.kernel,
                stride=self.stride,
                inputs=self.inputs,
                outputs=self.outputs,
                depthwise=False,
                activated=True,
            )
            return (spatial,), ()
        middle = self.inputs * self.expansion
        depthwise = Convolution(
            kernel=self.kernel,
            stride=self.stride,
            inputs=middle,
            outputs=middle,
            depthwise=True,
            activated=True,
        )
        project = Convolution(
            kernel=1, stride=1, inputs=middle, outputs=self.outputs, depthwise=False, activated=False
        )
        if self.expansion == 1:
            return (depthwise,), (project,)
        expand = Convolution(
            kernel=1, stride=1, inputs=self.inputs, outputs=middle, depthwise=False, activated=True
        )
        return (expand, depthwise), (project,)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Equal layers, the first of which may have stride 2 (section 4.1)."""

    op: ConvOp
    kernel: int
    """Side of the spatial kernel."""
    stride: int
    """Stride of the first layer; the others have stride 1."""
    filters: int
    """Output channels of every layer."""
    layers: int
    """At least 1: a block of no layers is left out of an architecture."""
    expansion: int = 1
    """Channels inside an `mb` layer over its input channels; 1 for `conv` and `sep`."""
    se_ratio: float = 0.0
    """Channels inside squeeze-and-excitation over the layer's input channels; 0 for none."""
    skip: SkipOp = "identity"

    def __post_init__(self) -> None:
        if self.op not in get_args(ConvOp) or self.skip not in get_args(SkipOp):
            raise ValueError(
                f"unknown op {self.op!r} or skip {self.skip!r}: the ops are {', '.join(get_args(ConvOp))}, "
                f"the skips {', '.join(get_args(SkipOp))}"
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ValueError(f"a kernel has an odd side of at least 1, not {self.kernel}")
        if self.stride not in (1, 2):
            raise ValueError(f"a stride is 1 or 2, not {self.stride}")
        if self.filters < 1 or self.layers < 1 or self.expansion < 1:
            raise ValueError(
                f"filters, layers and expansion are at least 1, not {self.filters}, {self.layers} "
                f"and {self.expansion}"
            )
        if self.op != "mb" and self.expansion != 1:
            raise ValueError(f"only an mb block expands; {self.op} has expansion {self.expansion}")
        if not 0 <= self.se_ratio <= 1:
            raise ValueError(f"an SE ratio lies between 0 and 1, not {self.se_ratio}")

    def expand(self, inputs: int) -> tuple[Layer, ...]:
        """The block's layers behind `inputs` channels, each with the skip that takes effect."""
        layers = []
        for position in range(self.layers):
            stride = self.stride if position == 0 else 1
            same = stride == 1 and inputs == self.filters
            layers.append(
                Layer(
                    # Without an expansion the two are the same network, which has one digest.
                    op="sep" if self.expansion == 1 and self.op == "mb" else self.op,
                    kernel=self.kernel,
                    stride=stride,
                    expansion=self.expansion,
                    inputs=inputs,
                    outputs=self.filters,
                    squeezed=max(1, int(inputs * self.se_ratio)) if self.se_ratio else None,
                    skip="none" if self.skip == "identity" and not same else self.skip,
                )
            )
            inputs = self.filters
        return tuple(layers)

    def notation(self) -> str:
        """One line, such as `mb_k5_s2_e6_c40_n3_se0.25`; `parse_block` is its inverse."""
        parts = [self.op, f"k{self.kernel}", f"s{self.stride}"]
        if self.op == "mb":
            parts.append(f"e{self.expansion}")
        parts += [f"c{self.filters}", f"n{self.layers}"]
        if self.se_ratio:
            parts.append(f"se{self.se_ratio}")
        if self.skip != "identity":
            parts.append({"pool": "pool", "none": "noskip"}[self.skip])
        return "_".join(parts)


_NOTATION = re.compile(
    r"(?P<op>conv|sep|mb)_k(?P<kernel>\d+)_s(?P<stride>\d+)(?:_e(?P<expansion>\d+))?"
    r"_c(?P<filters>\d+)_n(?P<layers>\d+)(?:_se(?P<se>\d+(?:\.\d+)?(?:e-\d+)?))?(?:_(?P<skip>pool|noskip))?"
)


def parse_block(notation: str) -> Block:
    """The block that `notation` names, as in `sep_k3_s1_c16_n1_noskip`.

    Raises:
        ValueError: the text is not in the notation, or names a block that cannot be.
    """
    match = _NOTATION.fullmatch(notation)
    if match is None:
        raise ValueError(f"{notation!r} is not a block; one looks like 'mb_k5_s2_e6_c40_n3_se0.25'")
    skips: dict[str | None, SkipOp] = {None: "identity", "pool": "pool", "noskip": "none"}
    ops: dict[str, ConvOp] = {"conv": "conv", "sep": "sep", "mb": "mb"}
    return Block(
        op=ops[match["op"]],
        kernel=int(match["kernel"]),
        stride=int(match["stride"]),
        expansion=int(match["expansion"] or 1),
        filters=int(match["filters"]),
        layers=int(match["layers"]),
        se_ratio=float(match["se"] or 0),
        skip=skips[match["skip"]],
    )


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

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("an architecture needs at least one block")
        for name in ("image_size", "in_channels", "classes", "stem", "head"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, not {self.stem_stride!r}")
        if self.activation not in get_args(Activation):
            raise ValueError(
                f"activation must be one of {', '.join(get_args(Activation))}, not {self.activation!r}"
            )
        if self.padding not in get_args(Padding):
            raise ValueError(f"padding must be one of {', '.join(get_args(Padding))}, not {self.padding!r}")
        if not (math.isfinite(self.bn_epsilon) and self.bn_epsilon > 0):
            raise ValueError(f"bn_epsilon must be a positive number, not {self.bn_epsilon!r}")

    def expanded(self) -> Iterator[tuple[Layer, ...]]:
        """The layers of each block in order."""
        inputs = self.stem
        for block in self.blocks:
            yield block.expand(inputs)
            inputs = block.filters

    def layers(self) -> Iterator[tuple[int, Layer]]:
        """Each layer in order with the index of its block."""
        return ((index, layer) for index, block in enumerate(self.expanded()) for layer in block)

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Each layer in order with its name: `block 3.2` is the second layer of the third block."""
        for number, block in enumerate(self.expanded(), start=1):
            for position, layer in enumerate(block, start=1):
                yield f"block {number}.{position}", layer

    @property
    def stem_convolution(self) -> Convolution:
        """The 3 × 3 convolution in front."""
        return Convolution(
            kernel=3,
            stride=self.stem_stride,
            inputs=self.in_channels,
            outputs=self.stem,
            depthwise=False,
            activated=True,
        )

    @property
    def head_convolution(self) -> Convolution:
        """The 1 × 1 convolution behind the blocks."""
        return Convolution(
            kernel=1,
            stride=1,
            inputs=self.blocks[-1].filters,
            outputs=self.head,
            depthwise=False,
            activated=True,
        )

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
                one = dataclasses.replace(block, op=layer.op, stride=layer.stride, layers=1, skip=layer.skip)
                merged = _merged(blocks[-1], one, last_inputs) if blocks else None
                if merged is None:
                    blocks.append(one)
                    last_inputs = layer.inputs
                else:
                    blocks[-1] = merged
        return dataclasses.replace(self, blocks=tuple(blocks))

    def digest(self) -> str:
        """Twelve hexadecimal digits that two architectures share when they are the same network.

        It is taken over the layers, so that it does not matter how they are parted into blocks.
        """
        whole = {name: value for name, value in self.to_json().items() if name != "blocks"}
        whole["layers"] = [dataclasses.astuple(layer) for _, layer in self.layers()]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]

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
        """Plain data for `json.dump`, with each block in its one-line notation."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return fields | {"blocks": [block.notation() for block in self.blocks]}


def _merged(last: Block, one: Block, last_inputs: int) -> Block | None:
    """`last`, behind `last_inputs` channels, with the layer `one` added; None where that differs."""
    skip = one.skip if last.layers == 1 and last.skip == "none" else last.skip
    longer = dataclasses.replace(last, layers=last.layers + 1, skip=skip)
    same = longer.expand(last_inputs) == last.expand(last_inputs) + one.expand(last.filters)
    return longer if same and one.se_ratio == last.se_ratio else None


def architecture_from_json(data: Mapping[str, Any]) -> Architecture:
    """The inverse of `Architecture.to_json`.

    Raises:
        ValueError: a field is missing, unknown or of no meaning.
    """
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
            size = map_size(size, stride)
        if size >= SMALLEST_MAP:
            break
    return fitted


def map_size(size: int, stride: int) -> int:
    """Side of the map that a convolution or pool of `stride` makes of one of `size`, for either padding."""
    return -(-size // stride)
