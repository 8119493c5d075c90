"""Weights: a network's numbers as numpy arrays, batch normalisation folded in, by the names of its operators."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnasnet.graph.graph import Graph
from mnasnet.graph.operators import Convolution, Dense, Gate

BIAS_SCALE = 0.1
"""Standard deviation of random biases: enough to matter in a comparison, too little to drown the signal."""

OPEN_GATE_BIAS = 2.0
"""Mean of the random biases before a gate: it is then near 0.9 and not near 0.5, which over the layers of a deep
network would let the signal fade."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """Weight and bias of one convolution or dense layer."""

    weight: NDArray[np.float32]
    """`[outputs, inputs / groups, kernel, kernel]` of a convolution, `[outputs, inputs]` of a dense layer: torch's
    layout."""
    bias: NDArray[np.float32]
    """`[outputs]`."""


Weights = Mapping[str, Affine]
"""Those of one network, by the name of the operator."""


def check_weights(graph: Graph, weights: Weights) -> None:
    """Nothing, where these are weights of `graph`.

    Raises:
        ValueError: they are not; it names the first operator that differs.
    """
    expected = dict(graph.weighted())
    if lacking := [name for name in expected if name not in weights]:
        raise ValueError(
            f"the network's {lacking[0]} has no weights here; were they made for another architecture?"
        )
    if unknown := [name for name in weights if name not in expected]:
        raise ValueError(
            f"the network has no {unknown[0]}, of which there are weights; were they made for another architecture?"
        )
    for name, shape in expected.items():
        affine = weights[name]
        found = (affine.weight.shape, affine.bias.shape)
        if found != (shape, shape[:1]):
            raise ValueError(
                f"{name} takes weights of {shape} and a bias of {shape[:1]}, not {found[0]} and {found[1]}"
            )
        if affine.weight.dtype != np.float32 or affine.bias.dtype != np.float32:
            raise ValueError(
                f"{name} takes float32 weights and bias, not {affine.weight.dtype} and {affine.bias.dtype}"
            )


def draw_weights(graph: Graph, generator: np.random.Generator) -> Weights:
    """Random weights with which an untrained network can be timed: its activations are of the order of 1.

    Normal, scaled by the inputs of each output (He et al. 2015, equation 10): doubled in variance where an
    activation follows and halves it. So no value becomes infinite, or so small that a processor slows down.
    """
    before_gates = {name for op in graph.ops.values() if isinstance(op.operator, Gate) for name in op.inputs}
    weights = {}
    for name, shape in graph.weighted():
        operator = graph.ops[name].operator
        activated = isinstance(operator, Convolution | Dense) and operator.activation is not None
        scale = math.sqrt((2 if activated else 1) / math.prod(shape[1:]))
        weight = generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        bias = generator.standard_normal(shape[0], dtype=np.float32) * np.float32(BIAS_SCALE)
        if name in before_gates:
            bias += np.float32(OPEN_GATE_BIAS)
        weights[name] = Affine(weight=weight, bias=bias)
    return weights
