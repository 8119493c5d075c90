"""Countable: a float network and its ranges changed so little that nothing is lost, and so that int8 can count it.

Trained networks have layers that are dead or nearly so: a squeeze that is never active, a channel of which nothing
is left but its bias. Quantized as they are, XNNPACK refuses the file or a bias overflows and becomes some other
number.
"""

import math
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

STEPS, WEIGHT_STEPS = 255, 127
"""In the range of an int8 activation, and from 0 to the largest weight of a channel."""

MOST_BIAS_STEPS = 2.0**30
"""A bias is counted in the product of the input's step and the weights', and added in 32 bits."""

FINEST_STEP, COARSEST_STEP = 2.0**-7, 2.0**31
"""Of an output, in products of the steps of its factors. XNNPACK refuses 2⁻⁸, and there is nothing to count below
half a product; it refuses 2³² too."""

LEAST_SHARE = 2.0**-9
"""Of a summand's range in the sum's. XNNPACK leaves out 2⁻¹⁰, and one step of the sum is more: 2⁻⁸."""

LEAST_RANGE = 1e-6
"""Of any tensor, also of one that is always 0."""

GATE = 1.0
"""Range of LOGISTIC's output in an int8 file, whatever it takes."""

FACTORS = {"MEAN": 1, "MUL": 2, "CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2}
"""How many inputs of an operator multiply to its output."""

OUTPUT_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Axis of the weights along which each output has a scale of its own."""

SAME_SCALE = ("AVERAGE_POOL_2D", "PAD", "SLICE")
"""Operators that keep the scale of their input."""


def make_countable(model: Any, ranges: dict[str, Any]) -> None:
    """Change weights of `model`, a `schema.ModelT` of float32, and widen `ranges`, by name of a tensor, in place.

    The weight of a channel that hardly looks at its input grows until its bias can be counted: it then adds at most
    3e-5 of the bias, or 2e-5 of a step of the output. A range that is too narrow beside its neighbours' grows until
    XNNPACK takes it: its steps stay below those of what is made of it.
    """
    (graph,) = model.subgraphs
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    operators = [(names[model.operatorCodes[node.opcodeIndex].builtinCode], node) for node in graph.operators]
    found = _Ranges(model, ranges)
    # From the end: what a sum needs reaches back to where its summands were made.
    for operator, node in reversed(operators):
        (output,) = node.outputs
        found.widen(output, LEAST_RANGE)
        if operator == "LOGISTIC":
            found.widen(output, GATE)
        elif operator == "ADD":
            for summand in filter(found.is_computed, node.inputs):
                found.widen(summand, LEAST_SHARE * found.width(output))
        elif operator in SAME_SCALE:
            found.widen(node.inputs[0], found.width(output))
    for operator, node in operators:
        if operator in FACTORS:
            product = math.prod(map(found.step, node.inputs[: FACTORS[operator]]))
            found.widen(node.outputs[0], STEPS * FINEST_STEP * product)
        if operator in OUTPUT_AXES:
            found.hold_biases(*node.inputs, *node.outputs, axis=OUTPUT_AXES[operator])


class _Ranges:
    """The ranges and constants of a model, by the index of a tensor."""

    def __init__(self, model: Any, ranges: dict[str, Any]) -> None:
        self._model, self._tensors, self._ranges = model, model.subgraphs[0].tensors, ranges

    def is_computed(self, tensor: int) -> bool:
        """Whether it has a range, and does not stand in the file."""
        return self._model.buffers[self._tensors[tensor].buffer].data is None

    def width(self, tensor: int) -> float:
        """Of the range that a computed tensor takes, 0 included."""
        found = self._ranges[self._tensors[tensor].name.decode()]
        return max(0.0, float(found["max"].item())) - min(0.0, float(found["min"].item()))

    def widen(self, tensor: int, least: float) -> None:
        """See to it that its range is at least so wide."""
        lacking = least - self.width(tensor)
        if lacking > 0:
            found = self._ranges[self._tensors[tensor].name.decode()]
            found["max"] = np.maximum(found["max"], 0) + np.float32(lacking)

    def step(self, tensor: int) -> float:
        """What int8 counts it in; the largest of its channels' if it is constant."""
        if self.is_computed(tensor):
            return self.width(tensor) / STEPS
        return float(np.abs(self._constant(tensor)).max()) / WEIGHT_STEPS

    def hold_biases(self, source: int, weight: int, bias: int, output: int, *, axis: int) -> None:
        """Raise the largest weight of each channel to what its bias, and the output's steps, can be counted in."""
        biases = np.abs(self._constant(bias)) / MOST_BIAS_STEPS
        self.widen(output, STEPS * FINEST_STEP * float(biases.max()))
        product = np.maximum(biases, self.step(output) / COARSEST_STEP)
        least = product / self.step(source) * WEIGHT_STEPS
        weights = np.moveaxis(self._constant(weight).copy(), axis, 0)
        flat = weights.reshape(len(weights), -1)
        rows, largest = np.arange(len(flat)), np.abs(flat).argmax(1)
        faint = np.abs(flat[rows, largest]) < least
        flat[rows[faint], largest[faint]] = least[faint]
        whole = np.moveaxis(flat.reshape(weights.shape), 0, axis)
        self._model.buffers[self._tensors[weight].buffer].data = (
            np.ascontiguousarray(whole).reshape(-1).view(np.uint8)
        )

    def _constant(self, tensor: int) -> NDArray[np.float32]:
        data = self._model.buffers[self._tensors[tensor].buffer].data
        return np.frombuffer(bytes(data), "<f4").reshape(self._tensors[tensor].shape)
