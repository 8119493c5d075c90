"""Tests of own_space.py: its spaces keep the promises of every space."""

import pytest
from own_space import StackSpace, another_skeleton

from mnasnet.space.space import Space
from mnasnet.space.space_contract import SpaceContract


class TestStackSpace(SpaceContract):
    @pytest.fixture(params=[1.0, 0.5])
    def space(self, request: pytest.FixtureRequest) -> Space:
        return StackSpace(image_size=32, in_channels=1, classes=10, width=request.param)


class TestAnotherSkeleton(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return another_skeleton(image_size=32, in_channels=1, classes=10, width=0.5)


def test_widths_that_round_alike_are_one_network() -> None:
    # At width 0.5 the filters 16, 24, 32, 48 become 8, 16, 16, 24 (12 is rounded to 16).
    size = StackSpace(image_size=32, in_channels=1, classes=10, width=0.5).size()
    assert (size.nominal, size.distinct) == (4 * 3, 3 * 3)
