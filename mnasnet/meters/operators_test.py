"""Tests of the operators of a network."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import MNASNET_A1, MOBILENET_V2
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.cost import count_multiply_adds
from mnasnet.graph.weights import draw_weights
from mnasnet.meters.operators import operators

POOLED = Architecture(
    blocks=(
        parse_block("conv_k3_s1_c24_n2_pool"),
        parse_block("sep_k5_s2_c16_n2_se0.25_pool"),
        parse_block("mb_k3_s2_e3_c40_n3_noskip_hard-swish"),
    ),
    image_size=32,
    classes=10,
    stem=16,
    hidden=24,
)
NETWORKS = (POOLED, MNASNET_A1.scaled(0.35).fitted(32), MOBILENET_V2.scaled(0.35).fitted(48))

WRITTEN = {
    "pointwise": "CONV_2D",
    "spatial": "CONV_2D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "pool": "AVERAGE_POOL_2D",
    "squeeze": "CONV_2D",
    "excite": "CONV_2D",
    "classifier": "FULLY_CONNECTED",
    "hidden": "FULLY_CONNECTED",
    "hard-swish": "HARD_SWISH",
    "mean": "MEAN",
    "scale": "MUL",
    "add": "ADD",
    "cut": "SLICE",
    "fill": "PAD",
}
"""What stands in a file for the first word of a kind. A sigmoid, which is next to nothing, counts with its gate."""


@pytest.mark.parametrize("network", NETWORKS)
def test_they_are_those_of_the_file(network: Architecture, tmp_path: Path) -> None:
    path = tmp_path / "network.tflite"
    write_tflite(network, draw_weights(network.lowered(), np.random.default_rng(0)), path)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    written = Counter(codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators)
    del written["LOGISTIC"]
    assert Counter(WRITTEN[one.kind.split()[0]] for one in operators(network)) == written


@pytest.mark.parametrize("network", NETWORKS)
def test_their_multiply_adds_are_the_networks(network: Architecture) -> None:
    multiplying = ("pointwise", "spatial", "depthwise", "dense")
    counted = sum(one.multiply_adds for one in operators(network) if one.sort in multiplying)
    assert counted == count_multiply_adds(network.lowered())


def test_a_convolution_of_stride_2_has_a_smaller_map_behind_it() -> None:
    stem = operators(POOLED)[0]
    assert (stem.kind, stem.inputs, stem.outputs) == ("spatial k3 s2", 3, 16)
    assert (stem.size, stem.out_size) == (32, 16)
    assert stem.multiply_adds == 16 * 16 * 9 * 3 * 16
    assert stem.values == 32 * 32 * 3 + 16 * 16 * 16
