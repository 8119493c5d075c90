"""Named architectures, as data."""

from mnasnet.arch.architecture import Activation, Architecture, parse_block


def _named(*blocks: str, activation: Activation = "relu") -> Architecture:
    return Architecture(blocks=tuple(map(parse_block, blocks)), activation=activation).canonical()


MNASNET_A1 = _named(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e6_c24_n2",
    "mb_k5_s2_e3_c40_n3_se0.25",
    "mb_k3_s2_e6_c80_n4",
    "mb_k3_s1_e6_c112_n2_se0.25",
    "mb_k5_s2_e6_c160_n3_se0.25",
    "mb_k3_s1_e6_c320_n1",
)
"""MnasNet-A1 (Figure 7a; tensorflow/tpu `mnasnet_models.mnasnet_a1`): 75.2 % top-1, 78 ms on a Pixel 1."""

MNASNET_B1 = _named(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e3_c24_n3",
    "mb_k5_s2_e3_c40_n3",
    "mb_k5_s2_e6_c80_n3",
    "mb_k3_s1_e6_c96_n2",
    "mb_k5_s2_e6_c192_n4",
    "mb_k3_s1_e6_c320_n1_noskip",
)
"""MnasNet-B1, searched without SE (tensorflow/tpu `mnasnet_models.mnasnet_b1`): 74.5 % top-1, 77 ms."""

MOBILENET_V2 = _named(
    "sep_k3_s1_c16_n1_noskip",
    "mb_k3_s2_e6_c24_n2",
    "mb_k3_s2_e6_c32_n3",
    "mb_k3_s2_e6_c64_n4",
    "mb_k3_s1_e6_c96_n3",
    "mb_k3_s2_e6_c160_n3",
    "mb_k3_s1_e6_c320_n1",
    activation="relu6",
)
"""MobileNetV2 (Sandler et al. 2018, Table 2), the paper's ruler: 72.0 % top-1, 75 ms on a Pixel 1."""

ZOO = {"mnasnet-a1": MNASNET_A1, "mnasnet-b1": MNASNET_B1, "mobilenet-v2": MOBILENET_V2}
