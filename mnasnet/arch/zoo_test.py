"""Tests of zoo.py: the named architectures are the published ones, layer by layer."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.networks import MNASNET_A1, MNASNET_B1, MNASNET_SMALL, MOBILENET_V2
from mnasnet.arch.zoo import ARCHITECTURE, ZOO, NamedNetwork, find_architecture
from mnasnet.base.errors import RequestError


def test_a1_is_figure_7() -> None:
    assert MNASNET_A1.to_json() == {
        "kind": "mbconv",
        "version": 2,
        "blocks": [
            "sep_k3_s1_c16_n1_noskip",
            "mb_k3_s2_e6_c24_n2",
            "mb_k5_s2_e3_c40_n3_se0.25",
            "mb_k3_s2_e6_c80_n4",
            "mb_k3_s1_e6_c112_n2_se0.25",
            "mb_k5_s2_e6_c160_n3_se0.25",
            "mb_k3_s1_e6_c320_n1_noskip",
        ],
        "image_size": 224,
        "in_channels": 3,
        "classes": 1000,
        "stem": 32,
        "stem_stride": 2,
        "head": 1280,
        "activation": "relu",
        "padding": "same",
        "bn_epsilon": 1e-3,
    }


def test_b1_has_no_squeeze_and_excitation() -> None:
    assert all(layer.squeezed is None for layer in MNASNET_B1.layers())


def test_mobilenet_v2_has_seventeen_layers_of_expansion_six_but_the_first_and_relu6() -> None:
    # Table 2 of MobileNetV2: 1 + 2 + 3 + 4 + 3 + 3 + 1 layers.
    expansions = [layer.expansion for layer in MOBILENET_V2.layers()]
    assert expansions == [1] + [6] * 16
    assert MOBILENET_V2.activation == "relu6"


@pytest.mark.parametrize("name", ZOO)
def test_a_named_architecture_is_canonical_and_ends_at_a_thirty_second_of_the_image(name: str) -> None:
    network = ZOO[name].architecture
    assert network.canonical() == network
    # Five strides of 2, of which the stem's is one.
    assert [network.stem_stride, *(block.stride for block in network.blocks)].count(2) == 5


def test_no_two_names_are_one_network() -> None:
    assert len({network.architecture.digest() for network in ZOO.values()}) == len(ZOO)


def test_the_small_network_has_no_residual_in_its_first_block() -> None:
    # The official arguments say i16 and o8, so the official code adds none.
    first = next(MNASNET_SMALL.layers())
    assert (first.inputs, first.outputs, first.skip) == (8, 8, "none")


def test_width_one_leaves_widths_that_are_no_multiples_of_eight() -> None:
    # The official depth_multiplier=None; 1.0 would make 40 of D1's 36.
    assert [block.filters for block in find_architecture("mnasnet-d1").blocks][1] == 36
    assert [block.filters for block in find_architecture("mnasnet-d1", width=0.5).blocks][1] == 24


def test_a_lite_network_keeps_its_stem_at_every_width() -> None:
    half = find_architecture("efficientnet-lite0", width=0.5)
    assert (half.stem, half.blocks[0].filters, half.head) == (32, 8, 1280)


def test_a_name_is_had_at_any_size_for_any_classes_and_channels() -> None:
    network = find_architecture("mnasnet-b1", width=0.75, image_size=160, classes=7, in_channels=1)
    assert network == replace(MNASNET_B1.scaled(0.75), image_size=160, classes=7, in_channels=1)


@given(architectures())
def test_a_searched_network_is_found_by_its_folder_and_by_its_file(
    tmp_path_factory: pytest.TempPathFactory, architecture: Architecture
) -> None:
    assume(architecture.image_size >= 2 ** (1 + len(architecture.blocks)))  # large enough for any strides
    folder = tmp_path_factory.mktemp("network")
    (folder / ARCHITECTURE).write_text(json.dumps(architecture.to_json()))
    for name in (folder, folder / ARCHITECTURE):
        assert find_architecture(str(name)) == architecture


def test_a1_is_published_with_the_papers_accuracy_and_latency() -> None:
    # Table 1 of the paper and the official grid say the same of A1.
    (original,) = [p for p in ZOO["mnasnet-a1"].published if (p.width, p.image_size) == (1.0, 224)]
    assert (original.top1, original.top5, original.latency_ms) == (75.2, 92.5, 78)


@pytest.mark.parametrize("network", ZOO.values(), ids=ZOO)
def test_what_was_published_is_said_once_and_a_latency_says_on_what(network: NamedNetwork) -> None:
    points = [(p.width, p.image_size) for p in network.published]
    assert len(set(points)) == len(points)
    assert all((p.latency_ms is None) == (p.on is None) for p in network.published)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("mnasnet-a2", {}, "the nearest is mnasnet-a1"),
        ("resnet", {}, "there are mnasnet-a1, "),
        ("mnasnet-a1", {"width": 0.0}, "^`width` 0.0: give"),
        ("mnasnet-a1", {"width": math.nan}, "^`width` nan: give"),
        ("mnasnet-a1", {"image_size": 31}, "give at least 32"),
        ("mnasnet-a1", {"image_size": -1}, "^`image_size` -1: give"),
        ("mnasnet-a1", {"classes": 0}, "^`classes` 0: give"),
        ("mnasnet-a1", {"in_channels": 0}, "^`in_channels` 0: give"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(name: str, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said) as refused:
        find_architecture(name, **asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"blocks": ["mb"]}', '{"blocks": [], "head": "wide"}'])
def test_a_file_that_describes_no_network_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / ARCHITECTURE).write_text(text)
    with pytest.raises(RequestError, match=ARCHITECTURE):
        find_architecture(str(tmp_path))
