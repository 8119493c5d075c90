"""The published networks as data, each at width 1 and its own image size."""

import dataclasses
import math

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.rounding import round_filters
from mnasnet.graph.operators import Activation


def _blocks(
    *blocks: str, stem: int = 32, image_size: int = 224, activation: Activation = "relu"
) -> Architecture:
    return Architecture(
        blocks=tuple(map(parse_block, blocks)), stem=stem, image_size=image_size, activation=activation
    ).canonical()


MNASNET_A1 = _blocks(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e6_c24_n2",
    "mb_k5_s2_e3_c40_n3_se0.25",
    "mb_k3_s2_e6_c80_n4",
    "mb_k3_s1_e6_c112_n2_se0.25",
    "mb_k5_s2_e6_c160_n3_se0.25",
    "mb_k3_s1_e6_c320_n1",
)
"""MnasNet-A1 (Figure 7a; tensorflow/tpu `mnasnet_models.mnasnet_a1`)."""

MNASNET_B1 = _blocks(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e3_c24_n3",
    "mb_k5_s2_e3_c40_n3",
    "mb_k5_s2_e6_c80_n3",
    "mb_k3_s1_e6_c96_n2",
    "mb_k5_s2_e6_c192_n4",
    "mb_k3_s1_e6_c320_n1_noskip",
)
"""MnasNet-B1, searched without SE (tensorflow/tpu `mnasnet_models.mnasnet_b1`)."""

MNASNET_SMALL = _blocks(
    # The official arguments say 16 inputs where the stem gives 8, so its code adds no residual; timm's does.
    "sep_k3_s1_c8_n1_noskip",
    "mb_k3_s2_e3_c16_n1",
    "mb_k3_s2_e6_c16_n2",
    "mb_k5_s2_e6_c32_n4_se0.25",
    "mb_k3_s1_e6_c32_n3_se0.25",
    "mb_k5_s2_e6_c88_n3_se0.25",
    "mb_k3_s1_e6_c144_n1",
    stem=8,
)
"""MnasNet-small (tensorflow/tpu `mnasnet_models.mnasnet_small`), the second search for 22 ms of Table 4."""

MNASNET_D1 = _blocks(
    "mb_k3_s1_e9_c24_n1",
    "mb_k3_s2_e9_c36_n3",
    "mb_k3_s2_e9_c48_n5",
    "mb_k5_s2_e9_c96_n4",
    "mb_k7_s1_e3_c96_n5",
    "mb_k3_s2_e9_c80_n3",
    "mb_k7_s1_e6_c320_n1_noskip",
)
"""MnasNet-D1, a backbone searched together with MnasFPN (tensorflow/tpu `mnasnet_models.mnasnet_d1`)."""

MNASNET_D1_320 = _blocks(
    "mb_k5_s1_e6_c24_n3",
    "mb_k7_s2_e9_c36_n4",
    "mb_k5_s2_e9_c48_n5",
    "mb_k7_s2_e6_c96_n5",
    "mb_k3_s1_e9_c144_n5",
    "mb_k5_s2_e6_c160_n5",
    "mb_k7_s1_e9_c320_n1",
    image_size=320,
)
"""The same for images of 320 px (tensorflow/tpu `mnasnet_models.mnasnet_d1_320`)."""

MOBILENET_V2 = _blocks(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e6_c24_n2",
    "mb_k3_s2_e6_c32_n3",
    "mb_k3_s2_e6_c64_n4",
    "mb_k3_s1_e6_c96_n3",
    "mb_k3_s2_e6_c160_n3",
    "mb_k3_s1_e6_c320_n1",
    activation="relu6",
)
"""MobileNetV2 (Sandler et al. 2018, Table 2), the paper's ruler."""

EFFICIENTNET_LITE0 = _blocks(
    "sep_k3_s1_c16_n1",
    "mb_k3_s2_e6_c24_n2",
    "mb_k5_s2_e6_c40_n2",
    "mb_k3_s2_e6_c80_n3",
    "mb_k5_s1_e6_c112_n3",
    "mb_k5_s2_e6_c192_n4",
    "mb_k3_s1_e6_c320_n1",
    activation="relu6",
)
"""EfficientNet-lite0 (tensorflow/tpu `efficientnet/lite`): EfficientNet-B0 without SE and with ReLU6."""


def _scale_lite(width: float, depth: float, image_size: int) -> Architecture:
    """EfficientNet-lite of these coefficients: stem, head and the depth of the outer blocks stay as they are.

    tensorflow/tpu `efficientnet/lite/efficientnet_lite_builder.py`: `fix_head_stem`, and depths rounded up.
    """
    blocks = EFFICIENTNET_LITE0.blocks
    scaled = tuple(
        dataclasses.replace(
            block,
            filters=round_filters(block.filters * width),
            layers=block.layers if block in (blocks[0], blocks[-1]) else math.ceil(depth * block.layers),
        )
        for block in blocks
    )
    return dataclasses.replace(EFFICIENTNET_LITE0, blocks=scaled, image_size=image_size).canonical()


# tensorflow/tpu `efficientnet/lite/README.md`: width and depth coefficients and image sizes.
EFFICIENTNET_LITE1 = _scale_lite(1.0, 1.1, 240)
EFFICIENTNET_LITE2 = _scale_lite(1.1, 1.2, 260)
EFFICIENTNET_LITE3 = _scale_lite(1.2, 1.4, 280)
EFFICIENTNET_LITE4 = _scale_lite(1.4, 1.8, 300)


def _mobilenet_v3(*blocks: str, head: int, hidden: int) -> Architecture:
    network = _blocks(*blocks, stem=16, activation="hard-swish")
    return dataclasses.replace(network, head=head, hidden=hidden, gate="hard-sigmoid").canonical()


MOBILENET_V3_LARGE = _mobilenet_v3(
    "sep_k3_s1_c16_n1_relu",
    "mb_k3_s2_e4_c24_n1_relu",
    "mb_k3_s1_e3_c24_n1_relu",
    "mb_k5_s2_e3_c40_n3_xse0.25_relu",
    "mb_k3_s2_e6_c80_n1",
    "mb_k3_s1_e2.5_c80_n1",
    "mb_k3_s1_e2.3_c80_n2",
    "mb_k3_s1_e6_c112_n2_xse0.25",
    "mb_k5_s2_e6_c160_n3_xse0.25",
    head=960,
    hidden=1280,
)
"""MobileNetV3-Large (Howard et al. 2019, Table 1)."""

MOBILENET_V3_SMALL = _mobilenet_v3(
    "sep_k3_s2_c16_n1_xse0.25_relu",
    "mb_k3_s2_e4.5_c24_n1_relu",
    "mb_k3_s1_e3.67_c24_n1_relu",
    "mb_k5_s2_e4_c40_n1_xse0.25",
    "mb_k5_s1_e6_c40_n2_xse0.25",
    "mb_k5_s1_e3_c48_n2_xse0.25",
    "mb_k5_s2_e6_c96_n3_xse0.25",
    head=576,
    hidden=1024,
)
"""MobileNetV3-Small (Howard et al. 2019, Table 2)."""
