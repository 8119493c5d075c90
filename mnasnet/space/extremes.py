"""Networks of a space: the cheapest and the dearest by multiply-adds, and random ones."""

import random
from collections.abc import Mapping
from typing import Any

from mnasnet.arch.architecture import Architecture
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.graph.operators import Add
from mnasnet.space.space import Space


def smallest_network(space: Space) -> Architecture:
    """A network of the fewest multiply-adds, and of those one with few skips, found choice by choice.

    Pools and additions are no multiply-adds but take time: at 32 px a pooling skip in every block, a third more.
    """
    return _extreme(space, sign=1)


def largest_network(space: Space) -> Architecture:
    """A network of the most multiply-adds, and of those one with many skips, found choice by choice."""
    return _extreme(space, sign=-1)


def random_network(space: Space, generator: random.Random) -> Architecture:
    """A network of `space`, each choice with equal chances for all its options."""
    params: dict[str, Any] = {
        name: generator.choice(distribution.choices) for name, distribution in space.distributions.items()
    }
    return space.decode(params)


def _extreme(space: Space, *, sign: int) -> Architecture:
    def cost(choices: Mapping[str, Any]) -> tuple[int, int]:
        graph = space.decode(choices).lowered()
        skips = sum(isinstance(op.operator, Add) for op in graph.ops.values())
        return sign * count_multiply_adds(graph), sign * skips

    params: dict[str, Any] = {name: choice.choices[0] for name, choice in space.distributions.items()}
    least, before = cost(params), None
    while before != least:
        before = least
        for name, distribution in space.distributions.items():
            for choice in distribution.choices:
                changed: dict[str, Any] = {**params, name: choice}
                if (lower := cost(changed)) < least:
                    least, params[name] = lower, choice
    return space.decode(params)
