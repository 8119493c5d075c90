"""Limits: what a network must not cost, or it is not trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from mnasnet.base.words import decimals
from mnasnet.measures.quantity import Quantity


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The most that a network may cost of one quantity."""

    name: str
    """Of the quantity."""
    unit: str
    most: float

    def excess(self, cost: Quantity) -> float:
        """By which share of the limit the cost is beyond it; not above 0 where it keeps to it.

        Raises:
            ValueError: the cost is another quantity.
        """
        if (cost.name, cost.unit) != (self.name, self.unit):
            raise ValueError(f"a limit on {self.name} in {self.unit} is none on {cost.name} in {cost.unit}")
        return cost.value / self.most - 1

    def describe_excess(self, cost: Quantity) -> str:
        """Such as `12.3 ms, above the limit of 10 ms`."""
        return f"{cost.value:.3g} {self.unit}, above the limit of {self.most:.3g} {self.unit}"

    def describe(self) -> str:
        """Such as `latency of at most 10.0 ms`."""
        return f"{self.name} of at most {self.most:.{decimals(self.most)}f} {self.unit}"


LATENCY, FILE_SIZE = "latency", "file size"
"""Names of the quantities that can be limited."""

UNITS: Mapping[str, str] = {LATENCY: "ms", FILE_SIZE: "MB"}
"""The unit of each; a MB is 1,000,000 bytes."""


def limit_on(name: str, most: float) -> Limit:
    """The limit of `most` on the quantity called `name`, in its unit."""
    return Limit(name=name, unit=UNITS[name], most=most)
