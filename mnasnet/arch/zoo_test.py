"""Tests of zoo.py: the named architectures are the published ones, layer by layer."""

import pytest

from mnasnet.arch.zoo import MNASNET_A1, MNASNET_B1, MOBILENET_V2, ZOO


def test_a1_is_figure_7() -> None:
    assert MNASNET_A1.to_json() == {
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
    assert all(layer.squeezed is None for _, layer in MNASNET_B1.layers())


def test_mobilenet_v2_has_seventeen_layers_of_expansion_six_but_the_first_and_relu6() -> None:
    # Table 2 of MobileNetV2: 1 + 2 + 3 + 4 + 3 + 3 + 1 layers.
    expansions = [layer.expansion for _, layer in MOBILENET_V2.layers()]
    assert expansions == [1] + [6] * 16
    assert MOBILENET_V2.activation == "relu6"


@pytest.mark.parametrize("name", ZOO)
def test_a_named_architecture_is_canonical_and_ends_at_a_thirty_second_of_the_image(name: str) -> None:
    network = ZOO[name]
    assert network.canonical() == network
    # Five strides of 2, of which the stem's is one.
    assert [network.stem_stride, *(block.stride for block in network.blocks)].count(2) == 5


def test_no_two_names_are_one_network() -> None:
    assert len({network.digest() for network in ZOO.values()}) == len(ZOO)
