"""The operators that a runtime runs for a network, one by one, with the sizes that decide how long each takes."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mnasnet.arch.architecture import Architecture
from mnasnet.graph.graph import Graph, Op
from mnasnet.graph.operators import (
    FUSED_ACTIVATIONS,
    Add,
    AveragePool,
    Convolution,
    Dense,
    FitChannels,
    Gate,
    Image,
    Mean,
    Scale,
    Shape,
)
from mnasnet.graph.operators import Operator as GraphOperator

Sort = Literal["pointwise", "spatial", "depthwise", "pool", "dense", "elementwise"]
"""Operators that one kind of kernel computes. `dense` are fully connected layers and the gates of squeeze-and-
excitation, `spatial` are regular convolutions wider than a point."""


@dataclass(frozen=True, kw_only=True, order=True)
class Operator:
    """One operator of a network, as a runtime sees it."""

    sort: Sort
    kind: str
    """What it does, with kernel and stride, such as `depthwise k5 s2`: only operators of a kind are alike."""
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    size: int
    """Side of the larger of its maps, in pixels."""
    out_size: int
    """Side of the output's."""
    multiply_adds: int
    """Or additions and comparisons, where it multiplies nothing."""
    weights: int
    """Numbers that it reads beside its input."""

    @property
    def values(self) -> int:
        """Numbers of its input and output maps."""
        return self.inputs * self.size**2 + self.outputs * self.out_size**2


# A calibration asks for those of a thousand networks again and again.
@lru_cache(maxsize=4096)
def operators(architecture: Architecture) -> tuple[Operator, ...]:
    """What `mnasnet.export.tflite` writes for the network, but for what hardly takes time."""
    graph = architecture.lowered()
    return tuple(found for op in graph.ops.values() for found in _time(graph, op))


def _time(graph: Graph, op: Op) -> Iterator[Operator]:
    """What a runtime runs for one operator of the graph: itself, and an activation that it does not compute."""
    yield from TIMED[type(op.operator)](op, *graph.input_shapes(op))
    activation = op.operator.activation if isinstance(op.operator, Convolution | Dense) else None
    if activation is not None and activation not in FUSED_ACTIVATIONS:
        yield _elementwise(activation, op.shape, op.shape)


def _convolution(op: Op, source: Shape) -> Iterator[Operator]:
    convolution = op.operator
    assert isinstance(convolution, Convolution)
    if not convolution.batch_norm:  # one inside squeeze-and-excitation, which sees a single point
        yield _dense(op.name.rpartition(".")[2], convolution.inputs, convolution.outputs)
        return
    kernel, stride, depthwise = convolution.kernel, convolution.stride, convolution.depthwise
    sort: Sort = "depthwise" if depthwise else "pointwise" if kernel == 1 else "spatial"
    yield Operator(
        sort=sort,
        kind=f"{sort} k{kernel} s{stride}",
        inputs=convolution.inputs,
        outputs=convolution.outputs,
        size=source[0],
        out_size=op.shape[0],
        multiply_adds=convolution.count_multiply_adds(op.shape),
        weights=math.prod(convolution.weight_shape()),
    )


def _pool(op: Op, source: Shape) -> Iterator[Operator]:
    pool = op.operator
    assert isinstance(pool, AveragePool)
    size, _, channels = op.shape
    yield Operator(
        sort="pool",
        kind=f"pool s{pool.stride}",
        inputs=channels,
        outputs=channels,
        size=source[0],
        out_size=size,
        multiply_adds=pool.kernel**2 * channels * size**2,
        weights=0,
    )


def _fit_channels(op: Op, source: Shape) -> Iterator[Operator]:
    yield _elementwise("cut" if source[2] > op.shape[2] else "fill", source, op.shape)


def _mean(op: Op, source: Shape) -> Iterator[Operator]:
    yield _elementwise("mean", source, op.shape)


def _scale(op: Op, source: Shape, factors: Shape) -> Iterator[Operator]:
    yield _elementwise("scale", source, op.shape)


def _add(op: Op, source: Shape, other: Shape) -> Iterator[Operator]:
    yield _elementwise("add", source, op.shape)


def _fully_connected(op: Op, source: Shape) -> Iterator[Operator]:
    yield _dense(op.name, math.prod(source), op.shape[0])


def _nothing(op: Op, *sources: Shape) -> Iterator[Operator]:
    return iter(())


TIMED: Mapping[type[GraphOperator], Callable[..., Iterator[Operator]]] = {
    Image: _nothing,
    Convolution: _convolution,
    Dense: _fully_connected,
    Mean: _mean,
    Gate: _nothing,  # of one point
    Scale: _scale,
    Add: _add,
    AveragePool: _pool,
    FitChannels: _fit_channels,
}
"""What each kind of operator is to a runtime, from its place in the graph and the shapes that it takes."""


def _dense(kind: str, inputs: int, outputs: int) -> Operator:
    return Operator(
        sort="dense",
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        size=1,
        out_size=1,
        multiply_adds=inputs * outputs,
        weights=inputs * outputs,
    )


def _elementwise(kind: str, source: Shape, result: Shape) -> Operator:
    size, out_size = (shape[0] if len(shape) == 3 else 1 for shape in (source, result))
    return Operator(
        sort="elementwise",
        kind=kind,
        inputs=source[-1],
        outputs=result[-1],
        size=size,
        out_size=out_size,
        multiply_adds=max(source[-1] * size**2, result[-1] * out_size**2),
        weights=0,
    )
