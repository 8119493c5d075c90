"""Tests of cost.py: the counts of the paper, of the official grid and by hand. Numbers are in mnasnet-facts.

That torch counts the same is tested beside the network (`nn/network_test.py`).
"""

from collections import defaultdict

import pytest
from hypothesis import given

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import (
    EFFICIENTNET_LITE0,
    MNASNET_A1,
    MNASNET_B1,
    MNASNET_D1,
    MNASNET_D1_320,
    MNASNET_SMALL,
    MOBILENET_V2,
)
from mnasnet.arch.zoo import find_architecture
from mnasnet.graph.cost import count_costs, count_multiply_adds, count_parameters
from mnasnet.graph.operators import reduce_size


def _millions(count: int, *, digits: int = 1) -> float:
    return round(count / 1e6, digits)


def test_each_row_is_worked_out_by_hand() -> None:
    network = Architecture(
        blocks=(parse_block("mb_k5_s2_e3_c16_n1_se0.25"), parse_block("conv_k3_s1_c16_n1_pool")),
        image_size=32,
        classes=10,
        stem=8,
        head=32,
    )
    rows = count_costs(network.lowered())
    assert [row.name for row in rows] == ["stem", "block 1.1", "block 2.1", "head", "classifier"]
    stem, inverted, regular, head, classifier = rows
    # 32 px become 16; BN has a scale and an offset for each output.
    assert stem.output == (16, 16, 8)
    assert (stem.parameters, stem.multiply_adds) == (3 * 3 * 3 * 8 + 2 * 8, 3 * 3 * 3 * 8 * 16 * 16)
    # 8 channels expand to 24 on the larger map; SE squeezes 24 to 8/4 = 2 and back, on a map of one pixel.
    assert inverted.output == (8, 8, 16)
    assert inverted.what == "mb_k5_s2_e3_se2"
    assert inverted.parameters == sum(
        (8 * 24 + 2 * 24, 5 * 5 * 24 + 2 * 24, 24 * 2 + 2, 2 * 24 + 24, 24 * 16 + 2 * 16)
    )
    assert inverted.multiply_adds == sum(
        (8 * 24 * 16 * 16, 5 * 5 * 24 * 8 * 8, 24 * 2, 2 * 24, 24 * 16 * 8 * 8)
    )
    # A pool is free.
    assert regular.what == "conv_k3_s1_pool"
    assert (regular.parameters, regular.multiply_adds) == (3 * 3 * 16 * 16 + 2 * 16, 3 * 3 * 16 * 16 * 8 * 8)
    assert (head.parameters, head.multiply_adds) == (16 * 32 + 2 * 32, 16 * 32 * 8 * 8)
    assert (classifier.parameters, classifier.multiply_adds) == (32 * 10 + 10, 32 * 10)


def test_a_separable_layer_costs_what_equation_4_says() -> None:
    # Section 3.3, equation 4: H · W · M · (K · K + N), here with M = 32, N = 16, K = 3 on a map of 112.
    row = next(row for row in count_costs(MNASNET_A1.lowered()) if row.name == "block 1.1")
    assert row.multiply_adds == 112 * 112 * 32 * (3 * 3 + 16)


@pytest.mark.parametrize(
    ("network", "count", "millions"),
    [
        (MNASNET_A1, 3_887_038, 311.6),
        (MNASNET_B1, 4_383_312, 314.4),
        (MNASNET_SMALL, 2_030_264, 68.3),
        (MNASNET_D1, 3_638_404, 967.7),
        (MNASNET_D1_320, 6_932_240, 3687.9),
    ],
    ids=["A1", "B1", "small", "D1", "D1-320"],
)
def test_the_published_networks_have_their_published_cost(
    network: Architecture, count: int, millions: float
) -> None:
    assert count_parameters(network.lowered()) == count
    assert _millions(count_multiply_adds(network.lowered())) == millions


def test_mobilenet_v2_has_its_published_cost() -> None:
    # Table 1: 3.4 M parameters and 300 M multiply-adds.
    assert _millions(count_parameters(MOBILENET_V2.lowered())) == 3.5
    assert _millions(count_multiply_adds(MOBILENET_V2.lowered()), digits=2) == 300.77


@pytest.mark.parametrize(
    ("name", "image_size", "count", "millions"),
    [
        # timm's and torchvision's own counts of parameters; multiply-adds as `FlopCounterMode` / 2 counts theirs.
        ("mobilenet-v3-large", 224, 5_483_032, 216.6),
        ("mobilenet-v3-small", 224, 2_542_856, 56.5),
        ("efficientnet-lite1", 240, 5_416_680, 600.2),
        ("efficientnet-lite2", 260, 6_092_072, 859.7),
        # efficientnet/lite/README.md: 280 and 300 px; timm's files of the two are for 300 and 380 px.
        ("efficientnet-lite3", 280, 8_197_096, 1383.3),
        ("efficientnet-lite3", 300, 8_197_096, 1607.6),
        ("efficientnet-lite4", 300, 13_006_568, 2553.0),
        ("efficientnet-lite4", 380, 13_006_568, 3943.6),
    ],
)
def test_mobilenet_v3_and_the_lite_networks_have_their_published_cost(
    name: str, image_size: int, count: int, millions: float
) -> None:
    graph = find_architecture(name, image_size=image_size).lowered()
    assert count_parameters(graph) == count
    assert _millions(count_multiply_adds(graph)) == millions


def test_mobilenet_v2_widens_its_head_too() -> None:
    # tensorflow/models `slim/nets/mobilenet/README.md`: 582 M and 6.06 M for 1.4 (Table 1 here says 585 M and
    # 6.9 M, as MobileNetV2's own Table 4), 59 M and 1.66 M for 0.35.
    wide, narrow = (find_architecture("mobilenet-v2", width=width) for width in (1.4, 0.35))
    assert (wide.head, narrow.head) == (1792, 1280)
    assert [_millions(count_multiply_adds(network.lowered()), digits=0) for network in (wide, narrow)] == [
        582,
        59,
    ]


def test_efficientnet_lite0_has_its_published_parameters() -> None:
    # efficientnet/lite/README.md: 4.7 M parameters. Its 407 M multiply-adds count more than convolutions.
    assert _millions(count_parameters(EFFICIENTNET_LITE0.lowered())) == 4.7


@pytest.mark.parametrize(
    ("network", "width", "count"),
    [
        (MNASNET_A1, 0.35, 1_747_018),
        (MNASNET_A1, 0.5, 2_082_006),
        (MNASNET_A1, 0.75, 2_912_278),
        (MNASNET_A1, 1.3, 5_468_486),
        (MNASNET_A1, 1.4, 6_105_992),
        (MNASNET_B1, 0.35, 1_788_232),
        (MNASNET_B1, 0.5, 2_218_512),
        (MNASNET_B1, 0.75, 3_170_208),
        (MNASNET_B1, 1.3, 6_282_256),
        (MNASNET_B1, 1.4, 7_115_728),
    ],
)
def test_other_widths_have_the_parameters_of_the_official_code(
    network: Architecture, width: float, count: int
) -> None:
    assert count_parameters(network.scaled(width).lowered()) == count


@pytest.mark.parametrize(
    ("width", "millions"),
    [
        (1.4, [586.3, 431.2, 300.0, 192.7, 109.1]),
        (1.0, [311.6, 229.3, 159.7, 102.8, 58.5]),
        (0.75, [223.4, 164.5, 114.7, 73.9, 42.2]),
        (0.5, [103.2, 76.1, 53.3, 34.6, 20.0]),
        (0.35, [61.7, 45.7, 32.1, 21.0, 12.4]),
    ],
)
def test_other_widths_and_sizes_have_the_multiply_adds_of_the_official_grid(
    width: float, millions: list[float]
) -> None:
    scaled = MNASNET_A1.scaled(width)
    grid = [
        _millions(count_multiply_adds(scaled.fitted(size).lowered())) for size in (224, 192, 160, 128, 96)
    ]
    assert grid == millions


@pytest.mark.parametrize(
    ("network", "stages", "se"),
    [
        (MNASNET_A1, [10.0, 54.9, 28.8, 59.4, 49.6, 53.3, 23.0], 0.25),
        (MNASNET_B1, [10.0, 40.3, 28.8, 47.3, 40.1, 86.2, 29.4], 0.0),
    ],
    ids=["A1", "B1"],
)
def test_each_stage_costs_what_it_should(network: Architecture, stages: list[float], se: float) -> None:
    rows = {row.name: row.multiply_adds for row in count_costs(network.lowered())}
    gates: dict[str, int] = defaultdict(int)
    for op in network.lowered().ops.values():
        if op.part is not None and ".se." in op.name:
            gates[op.part.name] += op.operator.count_multiply_adds(op.shape)
    # The stages are counted without SE, which is counted apart.
    blocks: dict[str, int] = defaultdict(int)
    for name in rows:
        if name.startswith("block"):
            blocks[name.split(".")[0]] += rows[name] - gates.get(name, 0)
    assert [_millions(adds) for adds in blocks.values()] == stages
    assert _millions(sum(gates.values()), digits=2) == se
    assert _millions(rows["stem"]) == 10.8
    assert _millions(rows["head"]) == 20.1
    assert _millions(rows["classifier"], digits=2) == 1.28


@given(architectures())
def test_the_map_behind_each_layer_is_the_one_that_the_next_starts_from(architecture: Architecture) -> None:
    stem, *rows = count_costs(architecture.lowered())
    size = reduce_size(architecture.image_size, architecture.stem_stride)
    assert stem.output == (size, size, architecture.stem)
    layers = list(architecture.layers())
    for row, layer in zip(rows, layers, strict=False):
        size = reduce_size(size, layer.stride)
        assert row.output == (size, size, layer.outputs)
    head = rows[len(layers)]
    assert (head.name, head.output) == ("head", (size, size, architecture.head))


@given(architectures())
def test_the_parting_into_blocks_costs_nothing(architecture: Architecture) -> None:
    canonical = architecture.canonical()
    assert count_parameters(canonical.lowered()) == count_parameters(architecture.lowered())
    assert count_multiply_adds(canonical.lowered()) == count_multiply_adds(architecture.lowered())
