"""Weights: a network's numbers as numpy arrays, batch normalisation folded in, in the order of the walk.

The walk is: stem; in each layer the convolutions before squeeze-and-excitation, its two 1 × 1 convolutions
(`squeeze`, `excite`) where it has them, the convolutions behind it; head; classifier.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnasnet.arch.architecture import Architecture, Convolution, Layer

BIAS_SCALE = 0.1
"""Standard deviation of random biases: enough to matter in a comparison, too little to drown the signal."""

OPEN_GATE = 2.0
"""Mean of the random biases that open squeeze-and-excitation: a gate is then near 0.9 and not near 0.5, which
over the layers of a deep network would let the signal fade."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """One convolution or fully connected layer with its bias."""

    weight: NDArray[np.float32]
    """`[outputs, inputs / groups, kernel, kernel]` of a convolution, `[outputs, inputs]` of the classifier:
    torch's layout."""
    bias: NDArray[np.float32]
    """`[outputs]`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """All numbers of one network."""

    affines: tuple[Affine, ...]
    """In the order of the walk; `shapes` names them."""

    def named(self, architecture: Architecture) -> dict[str, Affine]:
        """The entries under the names of `shapes`, in the order of the walk.

        Raises:
            ValueError: these are not weights of `architecture`; it names the first layer that differs.
        """
        expected = shapes(architecture)
        if len(self.affines) != len(expected):
            raise ValueError(
                f"the network has {len(expected)} layers with weights, and weights are given for "
                f"{len(self.affines)}; were they made for another architecture?"
            )
        named = dict(zip(expected, self.affines, strict=True))
        for name, affine in named.items():
            found = (affine.weight.shape, affine.bias.shape)
            if found != (expected[name], expected[name][:1]):
                raise ValueError(
                    f"{name} takes weights of {expected[name]} and a bias of {expected[name][:1]}, "
                    f"not {found[0]} and {found[1]}"
                )
            if affine.weight.dtype != np.float32 or affine.bias.dtype != np.float32:
                raise ValueError(
                    f"{name} takes float32 weights and bias, "
                    f"not {affine.weight.dtype} and {affine.bias.dtype}"
                )
        return named


def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shape of each weight under its name, such as `block 3.2 depthwise`, in the order of the walk."""
    named = {"stem": _shape(architecture.stem_convolution)}
    for layer_name, layer in architecture.named_layers():
        for name, shape in _layer_shapes(layer).items():
            named[f"{layer_name} {name}"] = shape
    head = architecture.head_convolution
    return named | {"head": _shape(head), "classifier": (architecture.classes, head.outputs)}


def random_weights(architecture: Architecture, generator: np.random.Generator) -> Weights:
    """Weights with which an untrained network can be timed: its activations are of the order of 1.

    Normal, scaled by the inputs of each output (He et al. 2015, equation 10): doubled in variance where an
    activation follows and halves it. So no value becomes infinite, or so small that a processor slows down.
    """
    linear = ("project", "excite", "classifier")
    affines = []
    for name, shape in shapes(architecture).items():
        kind = name.split()[-1]
        scale = math.sqrt((1 if kind in linear else 2) / math.prod(shape[1:]))
        weight = generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        bias = generator.standard_normal(shape[0], dtype=np.float32) * np.float32(BIAS_SCALE)
        if kind == "excite":
            bias += np.float32(OPEN_GATE)
        affines.append(Affine(weight=weight, bias=bias))
    return Weights(affines=tuple(affines))


def _layer_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    (*expansion, spatial), after = layer.convolutions()
    named = {}
    if expansion:
        named["expand"] = _shape(expansion[0])
    named["depthwise" if spatial.depthwise else "conv"] = _shape(spatial)
    if layer.squeezed is not None:
        named["squeeze"] = (layer.squeezed, spatial.outputs, 1, 1)
        named["excite"] = (spatial.outputs, layer.squeezed, 1, 1)
    if after:
        named["project"] = _shape(after[0])
    return named


def _shape(convolution: Convolution) -> tuple[int, ...]:
    inputs = 1 if convolution.depthwise else convolution.inputs
    return (convolution.outputs, inputs, convolution.kernel, convolution.kernel)
