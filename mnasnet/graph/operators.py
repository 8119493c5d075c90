"""Operators: what a network computes step by step, and what each step means for shapes and counts.

A new operator is a class here, and an entry where its meaning is needed: `nn` computes it in torch, `export.tflite`
writes it, `meters.operators` times it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
"""Of one image's values: `(height, width, channels)` of a map, `(features,)` of a vector."""

Activation = Literal["relu", "relu6", "hard-swish"]
"""`hard-swish` is x · relu6(x + 3) / 6 (MobileNetV3, Howard et al. 2019, section 5.2)."""

FUSED_ACTIVATIONS: tuple[Activation, ...] = ("relu", "relu6")
"""Those that every runtime computes within the operator before them; others are an operator of their own there."""

GateFunction = Literal["sigmoid", "hard-sigmoid"]
"""`hard-sigmoid` is relu6(x + 3) / 6 (MobileNetV3, section 5.2)."""

Padding = Literal["same", "symmetric"]
"""`same` as TensorFlow pads (asymmetric at stride 2), `symmetric` as torchvision does."""


class Operator(ABC):
    """What one step computes. Members are frozen records: equal ones compute the same."""

    @abstractmethod
    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the result for inputs of these shapes.

        Raises:
            ValueError: it takes no such inputs.
        """

    def weight_shape(self) -> Shape | None:
        """Of its weight in torch's layout, whose first side is the bias's only one; None where it has neither."""
        return None

    def count_parameters(self) -> int:
        """Trainable numbers: the weight, and a bias or the scale and offset of batch normalisation."""
        return 0

    def count_multiply_adds(self, output: Shape) -> int:
        """For a result of shape `output`; as the papers count, of convolutions and dense layers alone."""
        return 0


@dataclass(frozen=True, kw_only=True)
class Image(Operator):
    """The input: a square image."""

    size: int
    """Side in pixels."""
    channels: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(size, size, channels)`."""
        _check_count(inputs, 0, "an image")
        return (self.size, self.size, self.channels)


@dataclass(frozen=True, kw_only=True)
class Convolution(Operator):
    """A square convolution, with batch normalisation or a bias, and the activation behind it."""

    kernel: int
    """Side of the kernel, odd."""
    stride: int
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    depthwise: bool = False
    """Whether each channel is convolved by itself; then there are as many outputs as inputs."""
    activation: Activation | None
    """None where it is linear."""
    padding: Padding = "same"
    batch_norm: bool = True
    """Whether batch normalisation stands in for the bias; folded, the two are the same."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(⌈height / stride⌉, ⌈width / stride⌉, outputs)`, for either padding."""
        height, width, channels = _only_map(inputs, "a convolution")
        if channels != self.inputs:
            raise ValueError(f"the convolution takes {self.inputs} channels, not {channels}")
        return (reduce_size(height, self.stride), reduce_size(width, self.stride), self.outputs)

    def weight_shape(self) -> Shape:
        """`(outputs, inputs / groups, kernel, kernel)`."""
        return (self.outputs, 1 if self.depthwise else self.inputs, self.kernel, self.kernel)

    def count_parameters(self) -> int:
        """The weight, and one or two numbers an output."""
        return math.prod(self.weight_shape()) + (2 if self.batch_norm else 1) * self.outputs

    def count_multiply_adds(self, output: Shape) -> int:
        """One a weight at every place of the result."""
        height, width, _ = output
        return math.prod(self.weight_shape()) * height * width


@dataclass(frozen=True, kw_only=True)
class Dense(Operator):
    """A fully connected layer with a bias, and the activation behind it."""

    inputs: int
    outputs: int
    activation: Activation | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(outputs,)`."""
        (features,) = _check_count(inputs, 1, "a dense layer")
        if math.prod(features) != self.inputs:
            raise ValueError(f"the dense layer takes {self.inputs} features, not {features}")
        return (self.outputs,)

    def weight_shape(self) -> Shape:
        """`(outputs, inputs)`."""
        return (self.outputs, self.inputs)

    def count_parameters(self) -> int:
        """The weight and the bias."""
        return self.outputs * (self.inputs + 1)

    def count_multiply_adds(self, output: Shape) -> int:
        """One a weight."""
        return self.outputs * self.inputs


@dataclass(frozen=True, kw_only=True)
class Mean(Operator):
    """The mean of each channel over the whole map."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(1, 1, channels)`."""
        return (1, 1, _only_map(inputs, "a mean")[2])


@dataclass(frozen=True, kw_only=True)
class Gate(Operator):
    """A factor between 0 and 1 for each value."""

    function: GateFunction

    def output_shape(self, *inputs: Shape) -> Shape:
        """As of the input."""
        (shape,) = _check_count(inputs, 1, "a gate")
        return shape


@dataclass(frozen=True, kw_only=True)
class Scale(Operator):
    """A map whose channels are multiplied by one factor each, the second input."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """As of the map."""
        shape, factors = _check_count(inputs, 2, "a scale")
        if factors != (1, 1, shape[-1]):
            raise ValueError(f"a map of {shape} is scaled by (1, 1, {shape[-1]}) factors, not {factors}")
        return shape


@dataclass(frozen=True, kw_only=True)
class Add(Operator):
    """The sum of two maps."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """As of either."""
        one, other = _check_count(inputs, 2, "a sum")
        if one != other:
            raise ValueError(f"only maps of one shape are added, not {one} and {other}")
        return one


@dataclass(frozen=True, kw_only=True)
class AveragePool(Operator):
    """The average over a square window, SAME, of those values that lie inside the map."""

    kernel: int
    """Side of the window."""
    stride: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(⌈height / stride⌉, ⌈width / stride⌉, channels)`."""
        height, width, channels = _only_map(inputs, "a pool")
        return (reduce_size(height, self.stride), reduce_size(width, self.stride), channels)


@dataclass(frozen=True, kw_only=True)
class FitChannels(Operator):
    """The first `outputs` channels of a map; where it has fewer, zeros fill it up."""

    outputs: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """`(height, width, outputs)`."""
        height, width, _ = _only_map(inputs, "a fit of channels")
        return (height, width, self.outputs)


def reduce_size(size: int, stride: int) -> int:
    """Side of the map that a convolution or pool of `stride` makes of one of `size`, for either padding."""
    return -(-size // stride)


def _check_count(inputs: tuple[Shape, ...], count: int, what: str) -> tuple[Shape, ...]:
    if len(inputs) != count:
        raise ValueError(f"{what} has {count} inputs, not {len(inputs)}")
    return inputs


def _only_map(inputs: tuple[Shape, ...], what: str) -> tuple[int, int, int]:
    (shape,) = _check_count(inputs, 1, what)
    if len(shape) != 3:
        raise ValueError(f"{what} takes a map of (height, width, channels), not {shape}")
    height, width, channels = shape
    return height, width, channels
