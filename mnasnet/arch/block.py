"""Blocks of equal layers in a one-line notation, and each layer with every channel count known."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from mnasnet.arch.rounding import round_filters
from mnasnet.graph.operators import Activation, Convolution, GateFunction, Padding

ConvOp = Literal["conv", "sep", "mb"]
SkipOp = Literal["identity", "pool", "none"]

SqueezeBase = Literal["inputs", "expanded"]
"""What an SE ratio is a share of: a layer's input channels, cut to whole ones, as in MnasNet; or its expanded ones,
rounded to a multiple of 8, as in MobileNetV3."""


@dataclass(frozen=True, kw_only=True)
class LayerForm:
    """What all layers of an architecture share; see the fields of `Architecture`."""

    activation: Activation = "relu"
    padding: Padding = "same"
    gate: GateFunction = "sigmoid"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer with every channel count known: what a torch module and the graph are made of."""

    op: ConvOp
    kernel: int
    stride: int
    expansion: float
    """Channels inside over input channels; a whole number wherever it is one."""
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    squeezed: int | None
    """Channels inside squeeze-and-excitation, or None where there is none."""
    skip: SkipOp
    """The skip that takes effect: `identity` only at stride 1 with as many inputs as outputs."""
    activation: Activation
    form: LayerForm

    @property
    def expanded(self) -> int:
        """Channels inside an `sep` or `mb` layer."""
        return round(self.inputs * self.expansion)

    def convolutions(self) -> tuple[tuple[Convolution, ...], tuple[Convolution, ...]]:
        """The convolutions before and after squeeze-and-excitation, which follows the spatial one.

        `conv` is one regular convolution, activated (Figure 4, block 2). `sep` is depthwise, then 1 × 1
        linear (Figure 7d). `mb` is 1 × 1 expansion, depthwise, then 1 × 1 linear (Figure 7b and c).
        """
        activation, padding = self.activation, self.form.padding
        if self.op == "conv":
            spatial = Convolution(
                kernel=self.kernel,
                stride=self.stride,
                inputs=self.inputs,
                outputs=self.outputs,
                activation=activation,
                padding=padding,
            )
            return (spatial,), ()
        middle = self.expanded
        depthwise = Convolution(
            kernel=self.kernel,
            stride=self.stride,
            inputs=middle,
            outputs=middle,
            depthwise=True,
            activation=activation,
            padding=padding,
        )
        project = Convolution(
            kernel=1, stride=1, inputs=middle, outputs=self.outputs, activation=None, padding=padding
        )
        if middle == self.inputs:
            return (depthwise,), (project,)
        expand = Convolution(
            kernel=1, stride=1, inputs=self.inputs, outputs=middle, activation=activation, padding=padding
        )
        return (expand, depthwise), (project,)

    def notation(self) -> str:
        """One word that says all but channels, such as `mb_k5_s2_e6_se10_identity`."""
        parts = [self.op, f"k{self.kernel}", f"s{self.stride}"]
        parts += [f"e{self.expansion:.3g}"] if self.op == "mb" else []
        parts += [f"se{self.squeezed}"] if self.squeezed is not None else []
        parts += [self.activation] if self.activation != self.form.activation else []
        return "_".join(parts + ([self.skip] if self.skip != "none" else []))


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
    expansion: float = 1
    """Channels inside an `mb` layer over its input channels; 1 for `conv` and `sep`. Where it is no whole number,
    the channels inside are rounded as filters are (MobileNetV3 has 2.5, 2.3 and 3.67)."""
    se_ratio: float = 0.0
    """Channels inside squeeze-and-excitation over those that `se_base` says; 0 for none."""
    skip: SkipOp = "identity"
    se_base: SqueezeBase = "inputs"
    activation: Activation | None = None
    """None for the architecture's."""

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
        if self.se_base not in get_args(SqueezeBase):
            raise ValueError(
                f"an SE ratio is a share of {' or '.join(get_args(SqueezeBase))}, not {self.se_base!r}"
            )
        if self.se_base != "inputs" and not self.se_ratio:
            raise ValueError(f"an SE ratio of 0 is a share of nothing, not of {self.se_base}")
        if self.activation not in (None, *get_args(Activation)):
            raise ValueError(
                f"an activation is one of {', '.join(get_args(Activation))}, not {self.activation!r}"
            )

    def expand(self, inputs: int, form: LayerForm) -> tuple[Layer, ...]:
        """The block's layers behind `inputs` channels, each with the skip that takes effect."""
        layers = []
        for position in range(self.layers):
            stride = self.stride if position == 0 else 1
            same = stride == 1 and inputs == self.filters
            expansion = _effective_expansion(inputs, self.expansion)
            layers.append(
                Layer(
                    # Without an expansion the two are the same network, which has one digest.
                    op="sep" if expansion == 1 and self.op == "mb" else self.op,
                    kernel=self.kernel,
                    stride=stride,
                    expansion=expansion,
                    inputs=inputs,
                    outputs=self.filters,
                    squeezed=self._squeezed(inputs, round(inputs * expansion)) if self.se_ratio else None,
                    skip="none" if self.skip == "identity" and not same else self.skip,
                    activation=self.activation or form.activation,
                    form=form,
                )
            )
            inputs = self.filters
        return tuple(layers)

    def _squeezed(self, inputs: int, expanded: int) -> int:
        """Channels inside squeeze-and-excitation (torchvision's and timm's rounding for MobileNetV3)."""
        if self.se_base == "expanded":
            return round_filters(max(1, int(expanded * self.se_ratio)))
        return max(1, int(inputs * self.se_ratio))

    def notation(self) -> str:
        """One line, such as `mb_k5_s2_e6_c40_n3_se0.25`; `parse_block` is its inverse."""
        parts = [self.op, f"k{self.kernel}", f"s{self.stride}"]
        if self.op == "mb":
            parts.append(f"e{self.expansion}")
        parts += [f"c{self.filters}", f"n{self.layers}"]
        if self.se_ratio:
            parts.append(f"{SE_MARKS[self.se_base]}{self.se_ratio}")
        if self.skip != "identity":
            parts.append({"pool": "pool", "none": "noskip"}[self.skip])
        if self.activation is not None:
            parts.append(self.activation)
        return "_".join(parts)


SE_MARKS: dict[SqueezeBase, str] = {"inputs": "se", "expanded": "xse"}
"""How the notation begins an SE ratio."""

_NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"
_NOTATION = re.compile(
    r"(?P<op>conv|sep|mb)_k(?P<kernel>\d+)_s(?P<stride>\d+)(?:_e(?P<expansion>\d+(?:\.\d+)?))?"
    rf"_c(?P<filters>\d+)_n(?P<layers>\d+)(?:_(?P<base>x?se)(?P<se>{_NUMBER}))?"
    rf"(?:_(?P<skip>pool|noskip))?(?:_(?P<activation>{'|'.join(get_args(Activation))}))?"
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
    ops: dict[str, ConvOp] = {op: op for op in get_args(ConvOp)}
    bases = {mark: base for base, mark in SE_MARKS.items()}
    activations: dict[str | None, Activation | None] = {
        None: None,
        **{name: name for name in get_args(Activation)},
    }
    expansion = match["expansion"] or "1"
    return Block(
        op=ops[match["op"]],
        kernel=int(match["kernel"]),
        stride=int(match["stride"]),
        expansion=float(expansion) if "." in expansion else int(expansion),
        filters=int(match["filters"]),
        layers=int(match["layers"]),
        se_ratio=float(match["se"] or 0),
        skip=skips[match["skip"]],
        se_base=bases[match["base"] or "se"],
        activation=activations[match["activation"]],
    )


def _effective_expansion(inputs: int, expansion: float) -> float:
    """The expansion that the channels inside have: a whole number stays, another is rounded with them."""
    if expansion == int(expansion):
        return int(expansion)
    expanded = round_filters(inputs * expansion)
    return expanded // inputs if expanded % inputs == 0 else expanded / inputs
