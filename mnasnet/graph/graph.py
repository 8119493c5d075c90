"""Graph: a network as named operators, each with its inputs and the shape of its result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from mnasnet.graph.operators import Image, Operator, Shape

IMAGE = "image"
"""Name of the input of every network."""

LOGITS = "logits"
"""Name of a classifier's output."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a network as people look at it: a row of a table, one of equal sheets of a box in a drawing."""

    name: str
    """Of the row, such as `block 3.2`; no two parts of a graph share it."""
    group: str
    """Of the box, such as `block 3`: neighbouring parts of a group are drawn as one."""
    kind: Literal["conv", "sep", "mb", "plain"]
    """Which colour it has."""
    title: str
    """Such as `MBConv6 5×5`."""
    details: str
    """Such as `stride 2 · SE`."""
    notation: str
    """In one word, such as `mb_k5_s2_e6_se10`."""
    skip: str | None = None
    """Such as `identity`, or `none`; None where nobody would expect one."""


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operator in its place."""

    name: str
    """Of the torch module that computes it, where there is one, such as `blocks.2.1.before.0`."""
    operator: Operator
    inputs: tuple[str, ...]
    """Names of the operators whose results it takes."""
    shape: Shape
    """Of its result."""
    part: Part | None
    """The piece that it belongs to; None of the image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A whole network. Walks go by name: an operator stands behind its inputs, and no more is promised of order."""

    ops: Mapping[str, Op]
    """By name."""
    outputs: Mapping[str, str]
    """The operator that gives each output, by the output's name: `logits` of a classifier."""

    @property
    def image(self) -> Image:
        """The input."""
        operator = self.ops[IMAGE].operator
        assert isinstance(operator, Image)
        return operator

    @cached_property
    def parts(self) -> Mapping[Part, tuple[Op, ...]]:
        """The operators of each part."""
        parts: dict[Part, list[Op]] = {}
        for op in self.ops.values():
            if op.part is not None:
                parts.setdefault(op.part, []).append(op)
        return {part: tuple(ops) for part, ops in parts.items()}

    def weighted(self) -> Iterator[tuple[str, Shape]]:
        """Name and weight's shape of each operator that has weights."""
        for op in self.ops.values():
            if (shape := op.operator.weight_shape()) is not None:
                yield op.name, shape

    def input_shapes(self, op: Op) -> tuple[Shape, ...]:
        """Shapes of what `op` takes."""
        return tuple(self.ops[name].shape for name in op.inputs)


class Lowerable(Protocol):
    """A description of a network, of whatever kind, that says what it is operator by operator."""

    def lowered(self) -> Graph:
        """The network as a graph."""
        ...

    def digest(self) -> str:
        """Twelve hexadecimal digits that two descriptions share when they are the same network."""
        ...


class GraphBuilder:
    """A graph while it grows; every operator is checked against what it takes."""

    def __init__(self, image: Image) -> None:
        """Begins with the image, which is called `IMAGE`."""
        self._ops: dict[str, Op] = {}
        self._add(IMAGE, image, (), part=None)

    def add(self, name: str, operator: Operator, *inputs: str, part: Part) -> str:
        """Put `operator` behind the operators called `inputs`; its `name`.

        Raises:
            ValueError: the name is taken, an input is not there, or has a shape that does not fit.
        """
        return self._add(name, operator, inputs, part=part)

    def channels(self, name: str) -> int:
        """How many channels or features an operator gives."""
        return self._ops[name].shape[-1]

    def build(self, outputs: Mapping[str, str]) -> Graph:
        """The graph; `outputs` names the operator of each output.

        Raises:
            ValueError: there is no output, or an operator that is none.
        """
        unknown = [name for name in outputs.values() if name not in self._ops]
        if unknown or not outputs:
            raise ValueError(f"a graph's outputs are among its operators, and {unknown or 'none'} are not")
        return Graph(ops=self._ops, outputs=dict(outputs))

    def _add(self, name: str, operator: Operator, inputs: tuple[str, ...], *, part: Part | None) -> str:
        if name in self._ops:
            raise ValueError(f"two operators are called {name}")
        for source in inputs:
            if source not in self._ops:
                raise ValueError(f"{name} takes {source}, which is not there yet")
        try:
            shape = operator.output_shape(*(self._ops[source].shape for source in inputs))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        self._ops[name] = Op(name=name, operator=operator, inputs=inputs, shape=shape, part=part)
        return name
