"""The paper's factorized hierarchical space: blocks of equal layers, chosen block by block (section 4.1)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from typing import Any, cast

from optuna.distributions import CategoricalDistribution

from mnasnet.arch.architecture import Architecture, fitted_strides
from mnasnet.arch.block import Block, ConvOp, Layer, LayerForm, SkipOp
from mnasnet.arch.rounding import round_filters
from mnasnet.space.automaton import Steps, count_words, read_word
from mnasnet.space.space import Choice, Params, Size, option

CONV_OPS: Mapping[str, tuple[ConvOp, int]] = {
    "conv": ("conv", 1),
    "sep": ("sep", 1),
    "mb3": ("mb", 3),
    "mb6": ("mb", 6),
}
"""ConvOp with its expansion. The paper lists three kinds; 432 choices a block need the mobile inverted
bottleneck twice, and its figures and Table 6 show the expansions 3 and 6."""
KERNELS = (3, 5)
SE_RATIOS = (0.0, 0.25)
SKIPS: tuple[SkipOp, ...] = ("pool", "identity", "none")
RELATIVE_FILTERS = (0.75, 1.0, 1.25)
RELATIVE_LAYERS = (-1, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """What is fixed about one block and what it may become."""

    filters: int
    """Of the block of MobileNetV2 that this one varies, at width 1."""
    layers: int
    """Of the block of MobileNetV2."""
    stride: int
    """Of the block's first layer, for images of 224 px."""
    relative_filters: tuple[float, ...] = RELATIVE_FILTERS
    """Options times `filters`, rounded by `round_filters`; two that round alike stay two options."""
    relative_layers: tuple[int, ...] = RELATIVE_LAYERS
    """Options added to `layers`; a sum of 0, allowed at stride 1 only, leaves the block out."""

    def __post_init__(self) -> None:
        fewest = 0 if self.stride == 1 else 1
        if min(self.layer_options) < fewest:
            raise ValueError(
                f"a block of stride {self.stride} has at least {fewest} layers, not {min(self.layer_options)}: "
                "raise layers or relative_layers"
            )

    @property
    def layer_options(self) -> tuple[int, ...]:
        """Numbers of layers to choose from."""
        return tuple(self.layers + relative for relative in self.relative_layers)

    def scaled(self, relative: float, width: float) -> int:
        """Filters of the option `relative` in a network of `width`."""
        return round_filters(round_filters(self.filters * relative) * width)


MOBILENET_V2_SKELETONS = tuple(
    Skeleton(filters=filters, layers=layers, stride=stride)
    for filters, layers, stride in (
        (16, 1, 1),
        (24, 2, 2),
        (32, 3, 2),
        (64, 4, 2),
        (96, 3, 1),
        (160, 3, 2),
        (320, 1, 1),
    )
)
"""Figure 4's seven blocks: filters, layers and strides of MobileNetV2 (Sandler et al. 2018, Table 2)."""

PUBLISHED_SKELETONS = (
    *MOBILENET_V2_SKELETONS[:4],
    Skeleton(filters=96, layers=3, stride=1, relative_filters=(0.75, 1.0, 7 / 6, 1.25)),
    Skeleton(filters=160, layers=3, stride=2, relative_filters=(0.75, 1.0, 1.2, 1.25)),
    MOBILENET_V2_SKELETONS[6],
)
"""The same with the two widths of the published networks that the paper's rule cannot give: 112 = 7/6 × 96 in
block 5 of A1 and 192 = 1.2 × 160 in block 6 of B1."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a reader of layers stands in a space: behind `layer` layers of `block`."""

    block: int
    layer: int
    channels: int
    """Behind the last layer."""
    chosen: Block | None
    """The last layer, where a next one of its block may follow and must repeat its choices."""


@dataclass(frozen=True, kw_only=True)
class BlockSpace:
    """Blocks of layers around a skeleton, chosen once a block (the paper's) or once a layer (the flat space).

    Decided here, since the paper leaves it open: `round_filters` rounds relative filters, then the width; a
    block of stride 1 may have no layers, as MobileNetV2's one-layer blocks less one; an identity skip where
    shapes differ is no skip; strides that would shrink a small image to a point are dropped from the input's
    end (`fitted_strides`); what a pooling skip is stands at `mnasnet.nn.layers.PooledSkip`.
    """

    name: str
    per_layer: bool = False
    """Whether every layer is chosen on its own: the flat space that section 4.1 compares with."""
    image_size: int = 224
    in_channels: int = 3
    classes: int = 1000
    width: float = 1.0
    """Multiplies stem and filters, as the official `depth_multiplier`."""
    skeletons: tuple[Skeleton, ...] = MOBILENET_V2_SKELETONS
    stem: int = 32
    """Filters of the stem at width 1."""
    conv_ops: tuple[str, ...] = tuple(CONV_OPS)
    kernels: tuple[int, ...] = KERNELS
    se_ratios: tuple[float, ...] = SE_RATIOS
    skips: tuple[SkipOp, ...] = SKIPS

    def __post_init__(self) -> None:
        if unknown := [op for op in self.conv_ops if op not in CONV_OPS]:
            raise ValueError(f"unknown conv_ops {unknown}: there are {', '.join(CONV_OPS)}")
        if all(0 in skeleton.layer_options for skeleton in self.skeletons):
            raise ValueError("a network needs a layer: one skeleton must not have the option of 0 layers")

    @cached_property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """The choices in the order of Figure 4's list: 432 combinations a block of the paper's space."""
        choices: dict[str, CategoricalDistribution] = {}
        for block, skeleton in enumerate(self.skeletons):
            for prefix in dict.fromkeys(self._prefix(block, n) for n in range(max(skeleton.layer_options))):
                choices |= {
                    f"{prefix}.{name}": CategoricalDistribution(options)
                    for name, options in self._layer_options(skeleton).items()
                }
            choices[f"block{block + 1}.layers"] = CategoricalDistribution(skeleton.layer_options)
        return choices

    def decode(self, params: Params) -> Architecture:
        """The architecture of `params`; see `Space.decode`."""
        blocks = []
        for index, skeleton in enumerate(self.skeletons):
            layers = int(option(params, f"block{index + 1}.layers", self.distributions))
            for layer in range(layers):
                prefix = self._prefix(index, layer)
                settled = {f"{prefix}.filters": skeleton.relative_filters[0]}
                given = params if self._filters_matter(skeleton) else {**settled, **params}
                chosen = {
                    name: option(given, f"{prefix}.{name}", self.distributions)
                    for name in self._layer_options(skeleton)
                }
                blocks.append(self._block(index, chosen, first=layer == 0))
        return self._network(tuple(blocks)).canonical()

    def encode(self, architecture: Architecture) -> Params:
        """The canonical choices of `architecture`; see `Space.encode`."""
        nothing = {
            f"block{index + 1}.layers": 0
            for index, skeleton in enumerate(self.skeletons)
            if 0 in skeleton.layer_options
        }
        word = list(architecture.layers())
        choices = read_word(self._start, self._steps, self._accepts, word)
        # The layers are then equal, and the rest must be too.
        if choices is None or self._network(architecture.blocks) != architecture:
            raise ValueError(f"the architecture {architecture.digest()} is not in the space {self.name!r}")
        return {**nothing, **choices}

    def canonical(self, params: Params) -> Params:
        """The choices of `params` that matter, the same for every way to choose the same network."""
        return self.encode(self.decode(params))

    def size(self) -> Size:
        """Nominal and distinct size; the distinct networks are counted exactly, in less than a second."""
        return Size(
            nominal=math.prod(len(choice.choices) for choice in self.distributions.values()),
            distinct=count_words(self._start, self._steps, self._accepts),
        )

    def _network(self, blocks: tuple[Block, ...]) -> Architecture:
        return Architecture(
            blocks=blocks,
            image_size=self.image_size,
            in_channels=self.in_channels,
            classes=self.classes,
            stem=self._stem,
            stem_stride=self._strides[0],
        )

    @cached_property
    def _strides(self) -> tuple[int, ...]:
        wanted = (2, *(skeleton.stride for skeleton in self.skeletons))
        return fitted_strides(wanted, image_size=self.image_size)

    @cached_property
    def _stem(self) -> int:
        return round_filters(self.stem * self.width)

    def _prefix(self, block: int, layer: int) -> str:
        return f"block{block + 1}.layer{layer + 1}" if self.per_layer else f"block{block + 1}"

    def _layer_options(self, skeleton: Skeleton) -> dict[str, tuple[Choice, ...]]:
        return {
            "op": self.conv_ops,
            "kernel": self.kernels,
            "se": self.se_ratios,
            "skip": self.skips,
            "filters": skeleton.relative_filters,
        }

    def _filters_matter(self, skeleton: Skeleton) -> bool:
        return len({skeleton.scaled(relative, self.width) for relative in skeleton.relative_filters}) > 1

    def _block(self, index: int, chosen: Mapping[str, Choice], *, first: bool) -> Block:
        """One layer of the block of `index`, as a block."""
        op, expansion = CONV_OPS[str(chosen["op"])]
        return Block(
            op=op,
            kernel=int(chosen["kernel"]),
            stride=self._strides[index + 1] if first else 1,
            expansion=expansion,
            filters=self.skeletons[index].scaled(float(chosen["filters"]), self.width),
            layers=1,
            se_ratio=float(chosen["se"]),
            skip=cast(SkipOp, chosen["skip"]),
        )

    @cached_property
    def _alternatives(self) -> Mapping[tuple[int, bool], Sequence[tuple[Block, Mapping[str, Choice]]]]:
        """For each block, and its first layer or a later one: the different layers, each with its choices.

        Of options that round alike the first stands for all, and `none` comes before `identity`, so that an
        identity skip is read only where it takes effect.
        """
        found = {}
        for index, first in product(range(len(self.skeletons)), (True, False)):
            skeleton = self.skeletons[index]
            options = self._layer_options(skeleton)
            options["skip"] = tuple(sorted(self.skips, key=("none", "pool", "identity").index))
            blocks: dict[Block, Mapping[str, Choice]] = {}
            for values in product(*options.values()):
                chosen = dict(zip(options, values, strict=True))
                block = self._block(index, chosen, first=first)
                if not self._filters_matter(skeleton):
                    del chosen["filters"]
                blocks.setdefault(block, chosen)
            found[index, first] = tuple(blocks.items())
        return found

    @property
    def _start(self) -> State:
        return State(block=-1, layer=0, channels=self._stem, chosen=None)

    def _accepts(self, state: State) -> bool:
        done = state.block < 0 or state.layer in self.skeletons[state.block].layer_options
        return done and all(0 in skeleton.layer_options for skeleton in self.skeletons[state.block + 1 :])

    @cached_property
    def _steps(self) -> Steps[State, Layer]:
        return cache(lambda state: tuple(self._next(state)))

    def _next(self, state: State) -> Iterator[tuple[Layer, State, Mapping[str, Choice]]]:
        """Every layer that may follow `state`: one more of its block, or the first of a later block."""
        if state.block >= 0:
            layer_options = self.skeletons[state.block].layer_options
            if state.layer < max(layer_options):
                yield from self._layers(state, state.block)
                if state.layer in layer_options:
                    yield from self._steps(replace(state, layer=max(layer_options), chosen=None))
                return
        for block in range(state.block + 1, len(self.skeletons)):
            yield from self._layers(state, block)
            if 0 not in self.skeletons[block].layer_options:
                break

    def _layers(self, state: State, index: int) -> Iterator[tuple[Layer, State, Mapping[str, Choice]]]:
        """Every next layer of the block of `index`."""
        first = index != state.block
        layer = 1 if first else state.layer + 1
        most = max(self.skeletons[index].layer_options)
        prefix = self._prefix(index, layer - 1)
        alternatives = self._alternatives[index, first]
        if state.chosen is not None and not first:
            alternatives = ((replace(state.chosen, stride=1), {}),)
        for block, chosen in alternatives:
            yield (
                block.expand(state.channels, LayerForm())[0],
                State(
                    block=index,
                    layer=layer,
                    channels=block.filters,
                    chosen=None if self.per_layer or layer == most else block,
                ),
                {f"{prefix}.{name}": value for name, value in chosen.items()}
                | {f"block{index + 1}.layers": layer},
            )


def mnasnet_space(**settings: Any) -> BlockSpace:
    """The paper's space, exactly: 432 combinations in each of seven blocks."""
    return BlockSpace(name="mnasnet", **settings)


def published_space(**settings: Any) -> BlockSpace:
    """The paper's space widened by two filter options, so that MnasNet-A1 and -B1 are points of it."""
    return BlockSpace(name="mnasnet-published", skeletons=PUBLISHED_SKELETONS, **settings)


def flat_space(**settings: Any) -> BlockSpace:
    """The flat per-layer space that section 4.1 compares with: every layer chosen on its own."""
    return BlockSpace(name="flat", per_layer=True, **settings)


SPACES = {"mnasnet": mnasnet_space, "mnasnet-published": published_space, "flat": flat_space}
