"""Search a space of your own: `python examples/own_space.py` trains two networks of it in about 15 seconds.

`another_skeleton` is the paper's space around other blocks: numbers are all there is to say. `StackSpace` is
a space from nothing: a name, the choices, and how choices and networks become each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from optuna.distributions import CategoricalDistribution

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import Block
from mnasnet.arch.rounding import round_filters
from mnasnet.search.run import search
from mnasnet.search.settings import DEMONSTRATION
from mnasnet.space.hierarchical import BlockSpace, Skeleton
from mnasnet.space.space import Params, Size, option


def another_skeleton(**settings: Any) -> BlockSpace:
    """Three wide blocks of one to three layers, without regular convolutions and pooling skips."""
    return BlockSpace(
        name="three-wide-blocks",
        skeletons=(
            Skeleton(filters=32, layers=2, stride=2),
            Skeleton(filters=64, layers=2, stride=2),
            Skeleton(filters=128, layers=2, stride=2, relative_filters=(1.0, 1.5, 2.0)),
        ),
        conv_ops=("sep", "mb3", "mb6"),
        skips=("identity", "none"),
        **settings,
    )


@dataclass(frozen=True, kw_only=True)
class StackSpace:
    """One stack of inverted bottlenecks, of which the width and the depth are chosen."""

    image_size: int
    in_channels: int
    classes: int
    width: float
    name: str = "stack"

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        return {
            "filters": CategoricalDistribution((16, 24, 32, 48)),
            "layers": CategoricalDistribution((1, 2, 3)),
        }

    def decode(self, params: Params) -> Architecture:
        filters, layers = (int(option(params, name, self.distributions)) for name in self.distributions)
        stack = Block(
            op="mb",
            kernel=3,
            stride=2,
            expansion=3,
            filters=round_filters(filters * self.width),
            layers=layers,
        )
        return Architecture(
            blocks=(stack,),
            image_size=self.image_size,
            in_channels=self.in_channels,
            classes=self.classes,
            stem=16,
            head=256,
        ).canonical()

    def encode(self, architecture: Architecture) -> Params:
        # Of widths that round alike the first is found, which makes the choices canonical.
        for params in self._every_params():
            if self.decode(params).digest() == architecture.digest():
                return params
        raise ValueError(f"the architecture {architecture.digest()} is not in the space {self.name!r}")

    def canonical(self, params: Params) -> Params:
        return self.encode(self.decode(params))

    def size(self) -> Size:
        every = self._every_params()
        return Size(nominal=len(every), distinct=len({self.decode(params).digest() for params in every}))

    def _every_params(self) -> list[dict[str, Any]]:
        choices = {name: distribution.choices for name, distribution in self.distributions.items()}
        return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


if __name__ == "__main__":
    settings = replace(
        DEMONSTRATION, out=Path("runs/own-space"), trials=2, epochs=1, max_images=200, finalists=0
    )
    result = search(settings, make_space=StackSpace)
    for record in result.findings.front:
        print(f"{record.params}: {record.quality.value:.1%} at {record.latency.median_ms:.3f} ms")
