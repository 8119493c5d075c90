"""Tests of layers.py: padding, skips, squeeze-and-excitation and initialisation, worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mnasnet.arch.block import Layer, LayerForm, parse_block
from mnasnet.graph.operators import Convolution, GateFunction, Padding, reduce_size
from mnasnet.nn.layers import ConvolutionBN, LayerModule, PooledSkip, SqueezeAndExcitation


def _layer(notation: str, *, inputs: int, form: LayerForm | None = None) -> Layer:
    (layer,) = parse_block(notation).expand(inputs, form or LayerForm())
    return layer


def _convolution(
    *, kernel: int, stride: int, padding: Padding = "same", channels: int = 1, depthwise: bool = True
) -> ConvolutionBN:
    convolution = Convolution(
        kernel=kernel,
        stride=stride,
        inputs=channels,
        outputs=channels,
        depthwise=depthwise,
        activation=None,
        padding=padding,
    )
    return ConvolutionBN(convolution, bn_epsilon=1e-3)


def _under_a_kernel_of_ones(line: list[float], *, kernel: int, stride: int, padding: Padding) -> list[float]:
    """The middle row that a kernel whose middle row is ones makes of an image whose middle row is `line`."""
    module = _convolution(kernel=kernel, stride=stride, padding=padding).conv
    with torch.no_grad():
        module.weight.zero_()
        module.weight[0, 0, :, :] = 1
        image = torch.zeros(1, 1, len(line), len(line))
        image[0, 0, 0] = torch.tensor(line)
        # The first row of the result has seen the first row of the image, whatever the padding.
        result: list[float] = module(image)[0, 0, 0].tolist()
    return result


@pytest.mark.parametrize(
    ("line", "kernel", "padding", "expected"),
    [
        # 1 2 3 4 with (0, 1): 1+2+3, 3+4+0. Symmetric, with (1, 1): 0+1+2, 2+3+4.
        ([1, 2, 3, 4], 3, "same", [6, 7]),
        ([1, 2, 3, 4], 3, "symmetric", [3, 9]),
        # With (1, 2): 0+1+2+3+4, 2+3+4+0+0. Symmetric, with (2, 2): 0+0+1+2+3, 1+2+3+4+0.
        ([1, 2, 3, 4], 5, "same", [10, 9]),
        ([1, 2, 3, 4], 5, "symmetric", [6, 10]),
        # An odd size lacks an even number of pixels, so that both are the same: (1, 1) and (2, 2).
        ([1, 2, 3, 4, 5], 3, "same", [3, 9, 9]),
        ([1, 2, 3, 4, 5], 3, "symmetric", [3, 9, 9]),
        ([1, 2, 3, 4, 5], 5, "same", [6, 15, 12]),
        ([1, 2, 3, 4, 5], 5, "symmetric", [6, 15, 12]),
    ],
)
def test_stride_2_pads_as_tensorflow_does(
    line: list[float], kernel: int, padding: Padding, expected: list[float]
) -> None:
    assert _under_a_kernel_of_ones(line, kernel=kernel, stride=2, padding=padding) == expected


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("line", [[1, 2, 3, 4], [1, 2, 3]])
def test_stride_1_pads_evenly_and_keeps_the_size(line: list[float], padding: Padding) -> None:
    expected = [sum(line[max(0, i - 1) : i + 2]) for i in range(len(line))]
    assert _under_a_kernel_of_ones(line, kernel=3, stride=1, padding=padding) == expected


@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.sampled_from([1, 3, 5, 7]),
    stride=st.sampled_from([1, 2]),
    padding=st.sampled_from(["same", "symmetric"]),
)
def test_either_padding_leaves_a_map_of_the_same_size(
    size: tuple[int, int], kernel: int, stride: int, padding: Padding
) -> None:
    expected = tuple(reduce_size(side, stride) for side in size)
    image = torch.zeros(1, 1, *size)
    assert _convolution(kernel=kernel, stride=stride, padding=padding).conv(image).shape[2:] == expected
    assert PooledSkip(stride=stride, outputs=1)(image).shape[2:] == expected


def test_batch_normalisation_is_the_official_one() -> None:
    # Section 5: momentum 0.99 in TensorFlow's sense; the official code adds 1e-3 to the variance.
    bn = _convolution(kernel=3, stride=1).bn
    assert bn.momentum == pytest.approx(1 - 0.99)
    assert bn.eps == 1e-3


def test_a_convolution_has_no_bias_beside_its_batch_normalisation() -> None:
    assert _convolution(kernel=3, stride=2).conv.bias is None


@pytest.mark.parametrize(
    ("kernel", "depthwise", "std"),
    [(1, False, math.sqrt(2 / 128)), (3, False, math.sqrt(2 / (9 * 128))), (5, True, math.sqrt(2 / 25))],
    ids=["1 × 1", "3 × 3", "depthwise 5 × 5"],
)
def test_weights_start_as_the_official_ones(kernel: int, depthwise: bool, std: float) -> None:
    # Normal with √(2 / (k² · outputs)), a depthwise kernel having one output.
    torch.manual_seed(0)
    weight = _convolution(kernel=kernel, stride=1, channels=128, depthwise=depthwise).conv.weight
    # Of n numbers the deviation is known within 1/√(2n), here ten times for four deviations and more.
    assert weight.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * weight.numel()))
    assert weight.mean().item() == pytest.approx(0, abs=4 * std / math.sqrt(weight.numel()))


def test_squeeze_and_excitation_multiplies_each_channel_by_its_gate() -> None:
    module = SqueezeAndExcitation(channels=2, squeezed=1)
    with torch.no_grad():
        module.squeeze.weight[:] = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)
        module.excite.weight[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        features = torch.tensor([[[1.0, 3.0]], [[0.0, -1.0]]]).reshape(1, 2, 1, 2)
        result = module(features)
    # The means are 2 and −0.5; squeezed to 1 · 2 − 2 · 0.5 = 1; the gates are σ(1) and σ(−1).
    open_, shut = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))
    expected = torch.tensor([[open_, 3 * open_], [0.0, -shut]]).reshape(1, 2, 1, 2)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [("sigmoid", [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(4))]), ("hard-sigmoid", [5 / 6, 0.0])],
)
def test_a_gate_is_a_sigmoid_or_a_hard_one(gate: GateFunction, expected: list[float]) -> None:
    module = SqueezeAndExcitation(channels=2, squeezed=1, gate=gate)
    assert module.excite.bias is not None
    with torch.no_grad():
        module.excite.weight.zero_()
        module.excite.bias.copy_(torch.tensor([2.0, -4.0]))  # relu6(2 + 3) / 6 and relu6(-4 + 3) / 6
        result = module(torch.ones(1, 2, 1, 1))
    torch.testing.assert_close(result.flatten(), torch.tensor(expected))


def test_squeeze_and_excitation_starts_with_open_halves() -> None:
    # Biases start at zero, as the official ones; so features of nothing pass half, as σ(0).
    module = SqueezeAndExcitation(channels=8, squeezed=2)
    for conv in (module.squeeze, module.excite):
        assert conv.bias is not None
        assert conv.bias.count_nonzero() == 0


def test_squeeze_and_excitation_squeezes_the_layers_input_and_stands_behind_the_depthwise() -> None:
    module = LayerModule(_layer("mb_k3_s1_e6_c24_n1_se0.25", inputs=16), bn_epsilon=1e-3)
    assert module.se is not None
    # 16 · 0.25 = 4, not 16 · 6 · 0.25 = 24.
    assert module.se.squeeze.weight.shape == (4, 96, 1, 1)
    assert len(module.before) == 2
    assert len(module.after) == 1


def test_a_pooling_skip_averages_real_pixels_only() -> None:
    image = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    #  1  2  3  4    Stride 2 pads one pixel behind: windows of 9, 6, 6 and 4 real pixels.
    #  5  6  7  8
    #  9 10 11 12
    # 13 14 15 16
    expected = torch.tensor([[6.0, (3 + 4 + 7 + 8 + 11 + 12) / 6], [(9 + 10 + 11 + 13 + 14 + 15) / 6, 13.5]])
    torch.testing.assert_close(PooledSkip(stride=2, outputs=1)(image)[0, 0], expected)


def test_a_pooling_skip_of_stride_1_has_corners_of_four_pixels() -> None:
    image = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    # 1 2 3    The corners are (1+2+4+5)/4 = 3 and so on, the edges (1+2+3+4+5+6)/6 = 3.5 and so on.
    # 4 5 6
    # 7 8 9
    expected = torch.tensor([[3.0, 3.5, 4.0], [4.5, 5.0, 5.5], [6.0, 6.5, 7.0]])
    torch.testing.assert_close(PooledSkip(stride=1, outputs=1)(image)[0, 0], expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_pooling_skip_leaves_an_even_image_even(stride: int) -> None:
    # Zeros of the padding would darken the edges.
    assert (PooledSkip(stride=stride, outputs=3)(torch.ones(1, 3, 7, 6)) == 1).all()


@pytest.mark.parametrize(("outputs", "expected"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 0, 0])])
def test_a_pooling_skip_cuts_channels_or_fills_them_up_with_zeros(outputs: int, expected: list[int]) -> None:
    image = torch.stack([torch.full((2, 2), value) for value in (1.0, 2.0)])[None]
    result: Tensor = PooledSkip(stride=2, outputs=outputs)(image)
    assert result.flatten().tolist() == expected


@pytest.mark.parametrize("notation", ["conv_k3_s1_c8_n1", "sep_k3_s1_c8_n1", "mb_k3_s1_e3_c8_n1_se0.25"])
def test_the_skip_is_added_behind_all_else(notation: str) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 8, 5, 5)
    results = {}
    for skip in ("", "_pool", "_noskip"):
        torch.manual_seed(1)
        layer = _layer(notation + skip, inputs=8)
        results[skip] = LayerModule(layer, bn_epsilon=1e-3).eval()(features)
    torch.testing.assert_close(results[""], results["_noskip"] + features)
    torch.testing.assert_close(
        results["_pool"], results["_noskip"] + PooledSkip(stride=1, outputs=8)(features)
    )


@pytest.mark.parametrize(
    ("notation", "activated"),
    [
        ("conv_k3_s1_c8_n1", [True]),
        ("sep_k3_s1_c8_n1", [True, False]),
        ("mb_k3_s1_e3_c8_n1", [True, True, False]),
    ],
)
def test_the_last_convolution_is_linear_but_a_regular_one(notation: str, activated: list[bool]) -> None:
    layer = _layer(notation, inputs=8, form=LayerForm(activation="relu6"))
    modules = LayerModule(layer, bn_epsilon=1e-3).modules()
    found = [module for module in modules if isinstance(module, ConvolutionBN)]
    assert [isinstance(module[-1], nn.ReLU6) for module in found] == activated
