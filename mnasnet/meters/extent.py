"""What the networks of a table have between them: nothing beyond it is predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mnasnet.arch.architecture import Architecture
from mnasnet.meters.operators import operators

FIXED = ("image_size", "in_channels", "classes", "stem", "stem_stride", "head", "activation", "padding")
"""What all networks of a table have in common."""
FLAGS = {
    "image_size": "--image-size",
    "in_channels": "--in-channels",
    "classes": "--classes",
    "stem": "--width",
    "stem_stride": "--image-size",
}
"""With which of them a table is calibrated for another value."""

NEAR = 2.0
"""An operator is told from one of its kind with at most so many times its channels, or as much fewer."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """From where to where measured networks go: predictions are for what lies between them."""

    fixed: Mapping[str, Any]
    """Of `FIXED`, what they all have."""
    channels: Mapping[tuple[str, int], Sequence[tuple[int, int]]]
    """Of each kind of operator on each size of map, the different inputs and outputs."""

    @staticmethod
    def from_architectures(architectures: Sequence[Architecture]) -> "Extent":
        """That of `architectures`, of which there is at least one."""
        channels: dict[tuple[str, int], set[tuple[int, int]]] = {}
        for architecture in architectures:
            for one in operators(architecture):
                channels.setdefault((one.kind, one.size), set()).add((one.inputs, one.outputs))
        return Extent(
            fixed={name: getattr(architectures[0], name) for name in FIXED},
            channels={key: sorted(pairs) for key, pairs in channels.items()},
        )

    @cached_property
    def ends(self) -> Mapping[tuple[str, int], Sequence[tuple[int, int]]]:
        """Of each kind of operator on each size of map, the fewest and the most inputs, and outputs."""
        return {
            key: [(min(sides), max(sides)) for sides in zip(*pairs, strict=True)]
            for key, pairs in self.channels.items()
        }

    def outside(self, architecture: Architecture) -> str | None:
        """What of the network lies beyond, in words; None where all of it lies between."""
        for name, value in self.fixed.items():
            own = getattr(architecture, name)
            if own != value:
                hint = f" (another {FLAGS[name]})" if name in FLAGS else ""
                return f"the network's {name.replace('_', ' ')} is {own}{hint}, and the table's is {value}"
        for operator in operators(architecture):
            key, own = (operator.kind, operator.size), (operator.inputs, operator.outputs)
            where = f"{operator.kind} on maps of {operator.size} px"
            if key not in self.channels:
                return f"the table has no {where}, which the network has"
            for what, side, (low, high) in zip(("from", "to"), own, self.ends[key], strict=True):
                if not low <= side <= high:
                    return f"{where} {what} {side} channels is outside of the table's {low} to {high}"
            if not any(_near(own, other) for other in self.channels[key]):
                return f"{where} from {own[0]} to {own[1]} channels is unlike all that the table has"
        return None

    def corners(self, architecture: Architecture) -> set[tuple[str, int, str, int]]:
        """At which of the ends the network has an operator."""
        return {
            (one.kind, one.size, what, side)
            for one in operators(architecture)
            for what, side, ends in zip(
                ("from", "to"), (one.inputs, one.outputs), self.ends[one.kind, one.size], strict=True
            )
            if side in ends
        }


def _near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(1 / NEAR <= a / b <= NEAR for a, b in zip(one, other, strict=True))
