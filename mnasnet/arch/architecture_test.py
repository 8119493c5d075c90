"""Tests of architecture.py."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.arch.architecture import Architecture, architecture_from_json, fitted_strides
from mnasnet.arch.architecture_strategies import architectures, blocks
from mnasnet.arch.block import Block, parse_block
from mnasnet.arch.networks import MNASNET_A1, MNASNET_B1
from mnasnet.graph.operators import reduce_size


def _network(*notations: str, **fields: Any) -> Architecture:
    return Architecture(blocks=tuple(map(parse_block, notations)), **{"stem": 16, **fields})


def _notations(architecture: Architecture) -> list[str]:
    return [block.notation() for block in architecture.blocks]


@given(blocks())
def test_a_block_comes_back_from_its_notation(block: Block) -> None:
    assert parse_block(block.notation()) == block


def test_the_notation_leaves_out_what_is_usual() -> None:
    se = Block(op="mb", kernel=5, stride=2, filters=40, layers=3, expansion=6, se_ratio=0.25)
    assert se.notation() == "mb_k5_s2_e6_c40_n3_se0.25"
    plain = Block(op="sep", kernel=3, stride=1, filters=16, layers=1, skip="none")
    assert plain.notation() == "sep_k3_s1_c16_n1_noskip"


@pytest.mark.parametrize("text", ["", "mb_k5", "mb_k5_s2_e6_c40_n3_se.2.5", "mb_k5_s2_e6_c40_n3_pool_se0.25"])
def test_what_is_not_in_the_notation_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(
        ValueError, match=f"'{text}' is not a block; one looks like 'mb_k5_s2_e6_c40_n3_se0.25'"
    ):
        parse_block(text)


@given(architectures())
def test_an_architecture_comes_back_from_json(architecture: Architecture) -> None:
    assert architecture_from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


@given(architectures())
def test_the_canonical_form_is_the_same_network_and_its_own_canonical_form(
    architecture: Architecture,
) -> None:
    canonical = architecture.canonical()
    assert list(canonical.layers()) == list(architecture.layers())
    assert canonical.digest() == architecture.digest()
    assert canonical.canonical() == canonical


@given(architectures(), st.data())
def test_it_does_not_matter_how_layers_are_parted_into_blocks(
    architecture: Architecture, data: st.DataObject
) -> None:
    parted: list[Block] = []
    for block in architecture.blocks:
        first = data.draw(st.integers(1, block.layers))
        parted.append(dataclasses.replace(block, layers=first))
        if first < block.layers:
            parted.append(dataclasses.replace(block, layers=block.layers - first, stride=1))
    other = dataclasses.replace(architecture, blocks=tuple(parted))
    assert other.digest() == architecture.digest()
    assert other.canonical() == architecture.canonical()


def test_neighbouring_blocks_of_equal_layers_become_one() -> None:
    assert _notations(_network("mb_k3_s2_e6_c24_n2", "mb_k3_s1_e6_c24_n1").canonical()) == [
        "mb_k3_s2_e6_c24_n3"
    ]


def test_blocks_that_differ_in_anything_stay_apart() -> None:
    first = "mb_k3_s1_e6_c16_n1"
    for other in (
        "mb_k5_s1_e6_c16_n1",
        "mb_k3_s2_e6_c16_n1",
        "mb_k3_s1_e3_c16_n1",
        "mb_k3_s1_e6_c24_n1",
        "mb_k3_s1_e6_c16_n1_se0.25",
        "mb_k3_s1_e6_c16_n1_pool",
        "mb_k3_s1_e6_c16_n1_noskip",
    ):
        assert len(_network(first, other).canonical().blocks) == 2


def test_an_identity_skip_is_none_where_shapes_differ() -> None:
    # The first block changes the size, the second the channels, the third neither.
    network = _network("sep_k3_s2_c16_n1", "sep_k3_s1_c24_n1", "sep_k3_s1_c24_n1")
    assert [layer.skip for layer in network.layers()] == ["none", "none", "identity"]
    # What takes no effect is not written; the last two layers are one block whose first layer cannot skip.
    assert _notations(network.canonical()) == ["sep_k3_s2_c16_n1_noskip", "sep_k3_s1_c24_n2"]


def test_a_pooling_skip_serves_every_shape() -> None:
    network = _network("sep_k3_s2_c24_n2_pool")
    assert [layer.skip for layer in network.layers()] == ["pool", "pool"]


def test_an_mb_block_without_an_expansion_is_a_sep_block() -> None:
    network = _network("mb_k3_s1_e1_c16_n2")
    assert network.digest() == _network("sep_k3_s1_c16_n2").digest()
    assert _notations(network.canonical()) == ["sep_k3_s1_c16_n2"]


@pytest.mark.parametrize(
    "changed",
    [
        {"image_size": 192},
        {"in_channels": 1},
        {"classes": 10},
        {"stem": 24},
        {"stem_stride": 1},
        {"head": 640},
        {"activation": "relu6"},
        {"padding": "symmetric"},
        {"bn_epsilon": 1e-5},
        {"hidden": 64},
        {"gate": "hard-sigmoid"},
    ],
    ids=str,
)
def test_all_around_the_blocks_counts_in_the_digest(changed: dict[str, Any]) -> None:
    assert dataclasses.replace(MNASNET_A1, **changed).digest() != MNASNET_A1.digest()


def test_digests_are_the_same_in_every_version() -> None:
    # They name folders and studies: a change here orphans what people have found.
    assert (MNASNET_A1.digest(), MNASNET_B1.digest()) == ("aa8b02c94074", "d101b0d50eef")


def test_squeeze_and_excitation_squeezes_the_input_of_its_layer() -> None:
    # mnasnet-facts, section 7: A1 squeezes to 6, 10, 10 in block 3, 20, 28 in 5 and 28, 40, 40 in 6.
    squeezed = [layer.squeezed for layer in MNASNET_A1.layers() if layer.squeezed is not None]
    assert squeezed == [6, 10, 10, 20, 28, 28, 40, 40]


def test_layers_are_named_by_block_and_position() -> None:
    parts = _network("sep_k3_s1_c16_n2", "mb_k3_s2_e6_c24_n1").lowered().parts
    names = ["stem", "block 1.1", "block 1.2", "block 2.1", "head", "classifier"]
    assert [part.name for part in parts] == names


@pytest.mark.parametrize(
    ("image_size", "stem_stride", "last_map"),
    [
        (224, 2, 7),
        (96, 2, 3),  # the smallest of Figure 5b
        (64, 2, 2),
        (32, 1, 2),  # with the stem's stride it would be a point
        (28, 1, 2),  # 28, 14, 7, 4, 2
    ],
)
def test_small_images_lose_the_first_strides(image_size: int, stem_stride: int, last_map: int) -> None:
    fitted = MNASNET_A1.fitted(image_size)
    assert (fitted.image_size, fitted.stem_stride) == (image_size, stem_stride)
    assert [block.stride for block in fitted.blocks] == [1, 2, 2, 2, 1, 2, 1]
    size = reduce_size(image_size, stem_stride)
    for layer in fitted.layers():
        size = reduce_size(size, layer.stride)
    assert size == last_map


@given(st.lists(st.sampled_from([1, 2]), min_size=1, max_size=9), st.integers(2, 300))
def test_as_few_strides_as_possible_are_dropped_from_the_front(strides: list[int], image_size: int) -> None:
    def last_map(strides: tuple[int, ...]) -> int:
        size = image_size
        for stride in strides:
            size = reduce_size(size, stride)
        return size

    fitted = fitted_strides(tuple(strides), image_size=image_size)
    dropped = max(
        (i for i, pair in enumerate(zip(strides, fitted, strict=True), 1) if len(set(pair)) > 1), default=0
    )
    assert fitted == (1,) * dropped + tuple(strides[dropped:])
    assert last_map(fitted) >= 2
    assert dropped == 0 or last_map((*fitted[: dropped - 1], 2, *fitted[dropped:])) < 2


def test_an_image_of_one_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="images of 1 px are too small; the smallest are 2 px"):
        MNASNET_A1.fitted(1)


def test_a_scaled_network_keeps_its_head() -> None:
    scaled = MNASNET_A1.scaled(0.35)
    assert (scaled.stem, scaled.head) == (16, 1280)
    assert [block.filters for block in scaled.blocks] == [8, 8, 16, 32, 40, 56, 112]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "dense"}, "unknown op 'dense'.*conv, sep, mb"),
        ({"skip": "add"}, "skip 'add'.*identity, pool, none"),
        ({"kernel": 4}, "odd side of at least 1, not 4"),
        ({"stride": 3}, "a stride is 1 or 2, not 3"),
        ({"filters": 0}, "at least 1, not 0, 1 and 1"),
        ({"layers": 0}, "at least 1, not 8, 0 and 1"),
        ({"expansion": 6}, "only an mb block expands; sep has expansion 6"),
        ({"se_ratio": 1.5}, "an SE ratio lies between 0 and 1, not 1.5"),
        ({"se_base": "outputs"}, "a share of inputs or expanded, not 'outputs'"),
        ({"se_base": "expanded"}, "an SE ratio of 0 is a share of nothing, not of expanded"),
        ({"activation": "swish"}, "an activation is one of relu, relu6, hard-swish, not 'swish'"),
    ],
    ids=str,
)
def test_a_block_that_cannot_be_is_refused_with_the_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Block(**{"op": "sep", "kernel": 3, "stride": 1, "filters": 8, "layers": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"blocks": ()}, "needs at least one block"),
        ({"image_size": 0}, "image_size must be a whole number of at least 1, not 0"),
        ({"classes": "10"}, "classes must be a whole number of at least 1, not '10'"),
        ({"stem_stride": 3}, "stem_stride must be 1 or 2, not 3"),
        ({"activation": "swish"}, "activation must be one of relu, relu6, hard-swish, not 'swish'"),
        ({"gate": "softmax"}, "gate must be one of sigmoid, hard-sigmoid, not 'softmax'"),
        ({"hidden": 0}, "hidden must be a whole number of at least 1, not 0"),
        ({"padding": "valid"}, "padding must be one of same, symmetric, not 'valid'"),
        ({"bn_epsilon": 0.0}, "bn_epsilon must be a positive number, not 0.0"),
        ({"bn_epsilon": float("nan")}, "bn_epsilon must be a positive number, not nan"),
    ],
    ids=str,
)
def test_an_architecture_that_cannot_be_is_refused_with_the_value(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MNASNET_A1, **fields)


@pytest.mark.parametrize(
    "data", [{}, {"blocks": None}, {"blocks": ["sep_k3_s1_c16_n1"], "depth": 3}, {"blocks": [7]}], ids=str
)
def test_json_that_is_no_architecture_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"an architecture has a list of blocks|'7' is not a block"):
        architecture_from_json(data)


def test_json_says_its_kind_and_version_and_the_first_version_said_neither() -> None:
    data = MNASNET_A1.to_json()
    assert (data["kind"], data["version"]) == ("mbconv", 2)
    of_version_1 = {name: value for name, value in data.items() if name not in ("kind", "version")}
    assert architecture_from_json(of_version_1) == MNASNET_A1


@pytest.mark.parametrize("said", [{"kind": "cell"}, {"version": 3}], ids=str)
def test_json_of_a_later_version_is_refused_with_the_way_out(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="knows 'mbconv' up to 2: take a newer mnasnet"):
        architecture_from_json({**MNASNET_A1.to_json(), **said})


def test_what_came_later_is_not_written_where_it_is_as_it_always_was() -> None:
    assert not {"hidden", "gate"} & set(MNASNET_A1.to_json())
    assert dataclasses.replace(MNASNET_A1, hidden=64).to_json()["hidden"] == 64


def test_an_expansion_that_is_no_whole_number_is_rounded_with_its_channels() -> None:
    # MobileNetV3 (Howard et al. 2019, Table 1): 80 channels expand to 200 and to 184; Table 2: 24 to 88.
    network = _network("mb_k3_s1_e2.5_c80_n1", "mb_k3_s1_e2.3_c80_n1", "mb_k3_s1_e3.67_c24_n2", stem=80)
    assert [layer.expanded for layer in network.layers()] == [200, 184, 296, 88]


def test_two_ways_to_write_the_same_expanded_channels_are_one_network() -> None:
    one, other = (_network(f"mb_k3_s1_e{expansion}_c80_n1", stem=80) for expansion in ("2.3", "2.31"))
    assert one.digest() == other.digest()
    assert one.digest() != _network("mb_k3_s1_e2.5_c80_n1", stem=80).digest()


def test_squeeze_and_excitation_may_be_a_share_of_the_expanded_channels() -> None:
    # 16 × 6 = 96 expanded, of which a quarter, 24; of the 16 inputs it would be 4.
    for notation, squeezed in (("mb_k3_s1_e6_c16_n1_xse0.25", 24), ("mb_k3_s1_e6_c16_n1_se0.25", 4)):
        assert [layer.squeezed for layer in _network(notation).layers()] == [squeezed]


def test_an_activation_counts_only_where_it_differs_from_the_architectures() -> None:
    plain, said, other = (_network("mb_k3_s1_e6_c16_n1" + ending) for ending in ("", "_relu", "_hard-swish"))
    assert plain.digest() == said.digest() != other.digest()
    assert said.canonical() == plain
    assert [layer.activation for layer in other.layers()] == ["hard-swish"]
