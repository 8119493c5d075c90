"""Tests of weights.py."""

import dataclasses
import math

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import MNASNET_A1
from mnasnet.arch.zoo import ZOO
from mnasnet.graph.cost import count_parameters
from mnasnet.graph.operators import Convolution
from mnasnet.graph.weights import Affine, Weights, check_weights, draw_weights

SMALL = Architecture(
    blocks=(parse_block("mb_k5_s2_e3_c16_n1_se0.25"),), classes=10, stem=8, head=32
).lowered()


def test_weights_have_the_names_of_their_operators_and_torchs_shapes() -> None:
    # 8 channels expand to 8 × 3 = 24; SE squeezes to 8 × 0.25 = 2.
    assert dict(SMALL.weighted()) == {
        "stem": (8, 3, 3, 3),
        "blocks.0.0.before.0": (24, 8, 1, 1),
        "blocks.0.0.before.1": (24, 1, 5, 5),
        "blocks.0.0.se.squeeze": (2, 24, 1, 1),
        "blocks.0.0.se.excite": (24, 2, 1, 1),
        "blocks.0.0.after.0": (16, 24, 1, 1),
        "head": (32, 16, 1, 1),
        "classifier": (10, 32),
    }


@pytest.mark.parametrize("name", ZOO)
def test_folding_leaves_one_parameter_less_for_each_output_that_was_normalised(name: str) -> None:
    # BN has a scale and an offset for each output; of both the fold leaves a bias.
    graph = ZOO[name].architecture.lowered()
    folded = normalised = 0
    for operator, shape in graph.weighted():
        folded += math.prod(shape) + shape[0]
        convolution = graph.ops[operator].operator
        normalised += shape[0] if isinstance(convolution, Convolution) and convolution.batch_norm else 0
    assert folded + normalised == count_parameters(graph)


def _drawn(seed: int = 0) -> dict[str, Affine]:
    return dict(draw_weights(SMALL, np.random.default_rng(seed)))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = (_drawn(seed) for seed in (0, 0, 1))
    for name in first:
        np.testing.assert_array_equal(first[name].weight, again[name].weight)
        assert np.any(first[name].weight != other[name].weight)


def test_drawn_weights_are_those_of_the_network() -> None:
    graph = MNASNET_A1.lowered()
    check_weights(graph, draw_weights(graph, np.random.default_rng(0)))


def test_drawn_numbers_are_what_version_0_1_drew() -> None:
    # The walk of that version was stem, before, squeeze, excite, after, head, classifier.
    generator = np.random.default_rng(0)
    weights = _drawn()
    for name, shape in SMALL.weighted():
        linear = name.rpartition(".")[2] in ("excite", "classifier") or ".after." in name
        scale = np.float32(math.sqrt((1 if linear else 2) / math.prod(shape[1:])))
        expected = generator.standard_normal(shape, dtype=np.float32) * scale
        np.testing.assert_array_equal(weights[name].weight, expected)
        bias = generator.standard_normal(shape[0], dtype=np.float32) * np.float32(0.1)
        np.testing.assert_array_equal(weights[name].bias, bias + np.float32(2 * name.endswith("excite")))


def _refusal(weights: Weights) -> str:
    with pytest.raises(ValueError) as caught:
        check_weights(SMALL, weights)
    return str(caught.value)


def test_a_weight_of_the_wrong_shape_is_named() -> None:
    weights = _drawn()
    depthwise = weights["blocks.0.0.before.1"]
    weights["blocks.0.0.before.1"] = Affine(weight=depthwise.weight[:, :, :3, :3], bias=depthwise.bias)
    assert _refusal(weights).startswith("blocks.0.0.before.1 takes weights of (24, 1, 5, 5)")
    assert "not (24, 1, 3, 3) and (24,)" in _refusal(weights)


def test_a_weight_of_another_type_is_named() -> None:
    weights = _drawn()
    weights["stem"] = dataclasses.replace(weights["stem"], bias=weights["stem"].bias.astype(np.float64))
    assert _refusal(weights) == "stem takes float32 weights and bias, not float32 and float64"


def test_weights_of_another_network_are_refused() -> None:
    weights = _drawn()
    more = {**weights, "hidden": weights["classifier"]}
    assert _refusal(more).startswith("the network has no hidden, of which there are weights")
    del weights["head"]
    assert _refusal(weights).startswith("the network's head has no weights here")
