"""Tests of weights.py."""

import dataclasses
import math

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture, parse_block
from mnasnet.arch.cost import parameters
from mnasnet.arch.weights import Affine, Weights, random_weights, shapes
from mnasnet.arch.zoo import MNASNET_A1, ZOO

SMALL = Architecture(blocks=(parse_block("mb_k5_s2_e3_c16_n1_se0.25"),), classes=10, stem=8, head=32)


def test_the_walk_goes_from_stem_to_classifier_with_squeeze_and_excitation_behind_the_depthwise() -> None:
    # 8 channels expand to 8 × 3 = 24; SE squeezes to 8 × 0.25 = 2.
    assert shapes(SMALL) == {
        "stem": (8, 3, 3, 3),
        "block 1.1 expand": (24, 8, 1, 1),
        "block 1.1 depthwise": (24, 1, 5, 5),
        "block 1.1 squeeze": (2, 24, 1, 1),
        "block 1.1 excite": (24, 2, 1, 1),
        "block 1.1 project": (16, 24, 1, 1),
        "head": (32, 16, 1, 1),
        "classifier": (10, 32),
    }


@pytest.mark.parametrize("name", ZOO)
def test_folding_leaves_one_parameter_less_for_each_output_that_was_normalised(name: str) -> None:
    # BN has a scale and an offset for each output; of both the fold leaves a bias.
    folded = normalised = 0
    for layer, shape in shapes(ZOO[name].architecture).items():
        folded += math.prod(shape) + shape[0]
        normalised += 0 if layer.split()[-1] in ("squeeze", "excite", "classifier") else shape[0]
    assert folded + normalised == parameters(ZOO[name].architecture)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = (random_weights(SMALL, np.random.default_rng(seed)) for seed in (0, 0, 1))
    for a, b, c in zip(first.affines, again.affines, other.affines, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
        assert np.any(a.weight != c.weight)


def test_random_weights_fit_their_architecture() -> None:
    assert list(random_weights(MNASNET_A1, np.random.default_rng(0)).named(MNASNET_A1)) == list(
        shapes(MNASNET_A1)
    )


def test_a_weight_of_the_wrong_shape_is_named() -> None:
    affines = list(random_weights(SMALL, np.random.default_rng(0)).affines)
    affines[2] = Affine(weight=affines[2].weight[:, :, :3, :3], bias=affines[2].bias)
    with pytest.raises(
        ValueError, match=r"block 1\.1 depthwise takes .*\(24, 1, 5, 5\).*not \(24, 1, 3, 3\)"
    ):
        Weights(affines=tuple(affines)).named(SMALL)


def test_a_weight_of_another_type_is_named() -> None:
    affines = list(random_weights(SMALL, np.random.default_rng(0)).affines)
    affines[0] = dataclasses.replace(affines[0], bias=affines[0].bias.astype(np.float64))
    with pytest.raises(ValueError, match=r"stem takes float32 .* float64"):
        Weights(affines=tuple(affines)).named(SMALL)


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the network has 8 layers .* given for \d+"):
        random_weights(MNASNET_A1, np.random.default_rng(0)).named(SMALL)
