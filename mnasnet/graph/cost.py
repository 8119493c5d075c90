"""Cost: parameters and multiply-adds of a network, part by part, without torch."""

from dataclasses import dataclass

from mnasnet.graph.graph import Graph
from mnasnet.graph.operators import Shape


@dataclass(frozen=True, kw_only=True)
class PartCost:
    """What one row of the table costs."""

    name: str
    """`stem`, `block 3.2` (second layer of the third block), `head` or `classifier`."""
    what: str
    """The part in its notation."""
    output: Shape
    """Behind the part: height, width and channels."""
    parameters: int
    """Trainable numbers: weights, BN scales and offsets, biases."""
    multiply_adds: int
    """Of convolutions and dense layers, as the papers count; additions, pools and BN are free."""


def count_costs(graph: Graph) -> list[PartCost]:
    """One row a part."""
    return [
        PartCost(
            name=part.name,
            what=part.notation,
            output=ops[-1].shape if len(ops[-1].shape) == 3 else (1, 1, *ops[-1].shape),
            parameters=sum(op.operator.count_parameters() for op in ops),
            multiply_adds=sum(op.operator.count_multiply_adds(op.shape) for op in ops),
        )
        for part, ops in graph.parts.items()
    ]


def count_parameters(graph: Graph) -> int:
    """Trainable numbers of the whole network."""
    return sum(op.operator.count_parameters() for op in graph.ops.values())


def count_multiply_adds(graph: Graph) -> int:
    """Multiply-adds of one image through the whole network."""
    return sum(op.operator.count_multiply_adds(op.shape) for op in graph.ops.values())
