"""Tests of the cheapest and the dearest network."""

from typing import Any

from mnasnet.graph.cost import count_multiply_adds
from mnasnet.space.extremes import largest_network, smallest_network
from mnasnet.space.hierarchical import mnasnet_space

SPACE = mnasnet_space(image_size=16, in_channels=1, classes=10, width=0.35)


def test_no_one_choice_goes_beyond_the_smallest_and_the_largest_network() -> None:
    first: dict[str, Any] = {name: options.choices[0] for name, options in SPACE.distributions.items()}
    for extreme, sign in ((smallest_network(SPACE), 1), (largest_network(SPACE), -1)):
        params = {**first, **dict(SPACE.encode(extreme))}
        for name, options in SPACE.distributions.items():
            for choice in options.choices:
                changed: dict[str, Any] = {**params, name: choice}
                assert sign * count_multiply_adds(
                    SPACE.decode(changed).lowered()
                ) >= sign * count_multiply_adds(extreme.lowered())
