"""Tests of hierarchical.py: the paper's space, the published and the flat one, and small ones counted out."""

import dataclasses
import math
import re
from typing import Any

import pytest
from hypothesis import given, settings

from mnasnet.arch.networks import MNASNET_A1, MNASNET_B1, MOBILENET_V2
from mnasnet.space.hierarchical import (
    CONV_OPS,
    KERNELS,
    RELATIVE_FILTERS,
    RELATIVE_LAYERS,
    SE_RATIOS,
    SKIPS,
    SPACES,
    BlockSpace,
    Skeleton,
    flat_space,
    mnasnet_space,
    published_space,
)
from mnasnet.space.space import Params, Space
from mnasnet.space.space_contract import MOST_COUNTED, SpaceContract, every_params, options

SMALL_IMAGES = {"image_size": 32, "in_channels": 1, "classes": 10, "width": 0.5}

ONE_BLOCK = (Skeleton(filters=32, layers=2, stride=2, relative_layers=(-1, 0)),)
MERGING = (
    Skeleton(filters=32, layers=1, stride=1, relative_filters=(0.75, 1.0), relative_layers=(0, 1)),
    Skeleton(filters=24, layers=1, stride=1, relative_filters=(1.0, 1.25), relative_layers=(0, 1)),
)
"""Both may have 24 or 32 filters, so that the layers of one can be those of the other."""
OPTIONAL = (
    Skeleton(filters=16, layers=1, stride=1, relative_filters=(0.75, 1.0), relative_layers=(-1, 0)),
    Skeleton(filters=16, layers=1, stride=2, relative_filters=(1.0, 1.25), relative_layers=(0,)),
    Skeleton(filters=24, layers=1, stride=1, relative_filters=(1.0,), relative_layers=(-1, 0)),
)
FEW: dict[str, Any] = {"conv_ops": ("sep", "mb3"), "kernels": (3,), "se_ratios": (0.25,), "classes": 10}

SMALL_SPACES = (
    BlockSpace(name="one block", skeletons=ONE_BLOCK),
    BlockSpace(name="one block, flat", skeletons=ONE_BLOCK, per_layer=True, **FEW),
    BlockSpace(name="blocks that merge", skeletons=MERGING, **FEW),
    BlockSpace(
        name="blocks that merge, flat", skeletons=MERGING, per_layer=True, **{**FEW, "conv_ops": ("sep",)}
    ),
    BlockSpace(name="blocks left out", skeletons=OPTIONAL, stem=16, **FEW),
    BlockSpace(name="blocks left out, flat", skeletons=OPTIONAL, per_layer=True, stem=16, **FEW),
    BlockSpace(name="strides dropped", skeletons=OPTIONAL, image_size=2, stem=16, **FEW),
    BlockSpace(name="widths that round alike", skeletons=MERGING, width=0.25, **FEW),
    # Eight channels squeeze to two by either ratio.
    BlockSpace(name="ratios alike", skeletons=ONE_BLOCK, stem=8, **{**FEW, "se_ratios": (0.25, 0.3)}),
)


class TestPapersSpace(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return mnasnet_space()


class TestPapersSpaceForSmallImages(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return mnasnet_space(**SMALL_IMAGES)


class TestPublishedSpace(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return published_space()


class TestFlatSpace(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return flat_space()


class TestFlatSpaceForSmallImages(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return flat_space(**SMALL_IMAGES)


class TestSmallSpaces(SpaceContract):
    """Spaces whose distinct size the contract counts out."""

    @pytest.fixture(params=SMALL_SPACES, ids=lambda space: space.name)
    def space(self, request: pytest.FixtureRequest) -> Space:
        space: Space = request.param
        return space


def test_the_small_spaces_are_small_enough_to_be_counted_out() -> None:
    assert max(space.size().nominal for space in SMALL_SPACES) <= MOST_COUNTED


def test_a_block_has_432_combinations() -> None:
    # Section 4.1, with the inverted bottleneck at expansions 3 and 6.
    options = (CONV_OPS, KERNELS, SE_RATIOS, SKIPS, RELATIVE_FILTERS, RELATIVE_LAYERS)
    assert [len(option) for option in options] == [4, 2, 2, 3, 3, 3]
    assert math.prod(map(len, options)) == 432
    assert mnasnet_space().size().nominal == 432**7


def test_the_papers_arithmetic() -> None:
    # Section 4.1: with S = 432, B = 5 blocks and N = 3 layers, S^B is about 10^13 and S^(B·N) about 10^39.
    assert round(math.log10(432**5)) == 13
    assert math.floor(math.log10(432 ** (5 * 3))) == 39


def test_a_block_of_one_layer_has_two_numbers_of_layers_to_leave_out_or_double_it() -> None:
    choices = mnasnet_space().distributions
    assert choices["block1.layers"].choices == (0, 1, 2)
    assert choices["block4.layers"].choices == (3, 4, 5)


@pytest.mark.parametrize(
    ("space", "distinct"),
    [
        (mnasnet_space(), 345_953_613_492_781_056),
        (mnasnet_space(**SMALL_IMAGES), 126_647_602_199_396_352),
        (published_space(), 615_028_646_209_388_544),
    ],
    ids=["paper", "paper at 32 px", "published"],
)
def test_the_distinct_size_is_known_exactly(space: BlockSpace, distinct: int) -> None:
    assert space.size().distinct == distinct


def test_the_flat_space_is_far_larger() -> None:
    # At most 2 + 3 + 4 + 5 + 4 + 4 + 2 = 24 layers of 144 options, and 3 numbers of layers in 7 blocks.
    assert flat_space().size().nominal == 144**24 * 3**7


def test_the_order_of_choices_is_the_papers() -> None:
    # Section 4.1 lists ConvOp, KernelSize, SERatio, SkipOp, filters and layers.
    names = list(mnasnet_space().distributions)
    assert names[:6] == [f"block1.{name}" for name in ("op", "kernel", "se", "skip", "filters", "layers")]
    assert len(names) == 6 * 7


@pytest.mark.parametrize(
    "architecture", [MNASNET_A1, MNASNET_B1, MOBILENET_V2], ids=["A1", "B1", "MobileNetV2"]
)
def test_the_published_networks_are_points_of_the_published_space(architecture: Any) -> None:
    space = published_space()
    # The space has ReLU throughout.
    architecture = dataclasses.replace(architecture, activation="relu")
    assert space.decode(space.encode(architecture)) == architecture


@pytest.mark.parametrize("architecture", [MNASNET_A1, MNASNET_B1], ids=["A1", "B1"])
def test_the_papers_own_rule_cannot_give_the_published_networks(architecture: Any) -> None:
    # A1 has 112 filters in block 5 and B1 192 in block 6; the rule gives 72, 96, 120 and 120, 160, 200.
    expected = re.escape(f"the architecture {architecture.digest()} is not in the space 'mnasnet'")
    with pytest.raises(ValueError, match=expected):
        mnasnet_space().encode(architecture)


def test_a1_is_these_choices() -> None:
    params = published_space().encode(MNASNET_A1)
    assert {name: value for name, value in params.items() if name.startswith("block5")} == {
        "block5.op": "mb6",
        "block5.kernel": 3,
        "block5.se": 0.25,
        "block5.skip": "identity",
        "block5.filters": 7 / 6,
        "block5.layers": 2,
    }


def test_a_block_of_no_layers_is_left_out_and_its_other_choices_do_not_matter() -> None:
    space = mnasnet_space()
    params = {**space.encode(space.decode(_params(space, 0))), "block7.layers": 0}
    canonical = space.canonical(params)
    assert len(space.decode(params).blocks) == 6 - 1  # block 1 has no layers either
    assert {name for name in canonical if name.startswith(("block1", "block7"))} == {
        "block1.layers",
        "block7.layers",
    }


def test_filters_that_all_round_alike_may_be_missing() -> None:
    # At width 0.35 all of 0.75, 1 and 1.25 times 16 become 8: 16, 16 and 24 · 0.35 = 5.6, 5.6 and 8.4.
    space = mnasnet_space(width=0.35)
    params = dict(_params(space, 1))
    assert "block1.filters" not in space.canonical(params)
    del params["block1.filters"]
    assert space.decode(params).blocks[0].filters == 8


def test_strides_of_small_images_are_dropped_from_the_front() -> None:
    network = mnasnet_space(image_size=32).decode(_params(mnasnet_space(), 1))
    assert network.stem_stride == 1
    assert network.image_size == 32
    assert math.prod(block.stride for block in network.blocks) == 16


@settings(max_examples=8)
@given(every_params(mnasnet_space()))
def test_every_network_of_the_paper_is_one_of_the_flat_space_and_of_the_published(params: Params) -> None:
    network = mnasnet_space().decode(params)
    for space in (flat_space(), published_space()):
        assert space.decode(space.encode(network)) == network


@pytest.mark.parametrize("name", SPACES)
def test_a_space_is_named_as_it_is_asked_for(name: str) -> None:
    assert SPACES[name]().name == name


@pytest.mark.parametrize(("stride", "fewest"), [(2, 0), (1, -1)])
def test_a_block_of_too_few_layers_is_refused(stride: int, fewest: int) -> None:
    with pytest.raises(ValueError, match=f"stride {stride} has at least {stride - 1} layers, not {fewest}"):
        Skeleton(filters=16, layers=1, stride=stride, relative_layers=(fewest - 1, 0))


def test_a_space_of_the_empty_network_is_refused() -> None:
    with pytest.raises(ValueError, match="a network needs a layer"):
        BlockSpace(name="nothing", skeletons=(Skeleton(filters=16, layers=1, stride=1),))


def test_an_unknown_operator_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\['mb4'\]: there are conv, sep, mb3, mb6"):
        mnasnet_space(conv_ops=("sep", "mb4"))


def _params(space: BlockSpace, option: int) -> Params:
    """The same option, by its place, of every choice."""
    return {name: options(choice)[option] for name, choice in space.distributions.items()}
