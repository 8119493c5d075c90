"""The modules that networks are made of: convolution with BN, squeeze-and-excitation, skips, one layer."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnasnet.arch.block import Layer
from mnasnet.arch.lowering import POOL_KERNEL
from mnasnet.graph.operators import Activation, Convolution, GateFunction, reduce_size

BN_MOMENTUM = 0.01
"""In torch's sense; the official 0.99 in TensorFlow's (section 5)."""

ACTIVATIONS: dict[Activation, type[nn.ReLU | nn.ReLU6 | nn.Hardswish]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard-swish": nn.Hardswish,
}

GATES: dict[GateFunction, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "hard-sigmoid": F.hardsigmoid,
}


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: an odd pixel goes behind, so stride 2 pads unevenly."""

    def forward(self, image: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (_same_padding(size, kernel, stride) for size in image.shape[2:])
        if rows[0] == rows[1] and columns[0] == columns[1]:
            return F.conv2d(image, self.weight, None, self.stride, (rows[0], columns[0]), groups=self.groups)
        return F.conv2d(F.pad(image, columns + rows), self.weight, None, self.stride, groups=self.groups)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    lacking = max(0, (reduce_size(size, stride) - 1) * stride + kernel - size)
    return lacking // 2, lacking - lacking // 2


class ConvolutionBN(nn.Sequential):
    """`conv`, `bn` and, where the convolution has one, `activation`."""

    conv: nn.Conv2d
    bn: nn.BatchNorm2d

    def __init__(self, convolution: Convolution, *, bn_epsilon: float) -> None:
        groups = convolution.inputs if convolution.depthwise else 1
        # SAME is symmetric at stride 1, and torch's own convolution saves the arithmetic.
        same = convolution.padding == "same" and convolution.stride > 1
        conv = (SameConv2d if same else nn.Conv2d)(
            convolution.inputs,
            convolution.outputs,
            convolution.kernel,
            convolution.stride,
            padding=0 if same else convolution.kernel // 2,
            groups=groups,
            bias=False,
        )
        # The official initialisation: fan-out without the groups, so a depthwise kernel counts one output.
        fan_out = convolution.kernel**2 * (1 if convolution.depthwise else convolution.outputs)
        nn.init.normal_(conv.weight, std=math.sqrt(2 / fan_out))
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(convolution.outputs, eps=bn_epsilon, momentum=BN_MOMENTUM)
        if convolution.activation is not None:
            self.activation = ACTIVATIONS[convolution.activation](inplace=True)


class SqueezeAndExcitation(nn.Module):
    """Each channel scaled by a gate between 0 and 1 that the means of all channels decide (Figure 7a).

    Mean, 1 × 1 convolution, ReLU, 1 × 1 convolution, gate; always ReLU, as the official `se_reduce`.
    """

    def __init__(self, *, channels: int, squeezed: int, gate: GateFunction = "sigmoid") -> None:
        super().__init__()
        self.gate = GATES[gate]
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)
        for conv in (self.squeeze, self.excite):
            nn.init.normal_(conv.weight, std=math.sqrt(2 / conv.out_channels))
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)

    def forward(self, features: Tensor) -> Tensor:
        """`features` and the result are `[batch, channels, height, width]`."""
        means = features.mean((2, 3), keepdim=True)
        return features * self.gate(self.excite(F.relu(self.squeeze(means))))


class PooledSkip(nn.Module):
    """The pooling skip: a 3 × 3 average pool with SAME padding, fitted to the layer's stride and outputs.

    The paper names the skip and leaves its form open. Here: the pool has the layer's stride and averages the
    real pixels under it; of more channels than the layer puts out the first are taken, fewer are filled up with
    zeros. Unlike an identity it serves layers that change the shape, and it has no parameters.
    """

    def __init__(self, *, stride: int, outputs: int) -> None:
        super().__init__()
        self.stride = stride
        self.outputs = outputs

    def forward(self, features: Tensor) -> Tensor:
        """`[batch, channels, height, width]` to `[batch, outputs, ceil(height/stride), ceil(width/stride)]`."""
        # An uneven SAME pads only behind, which is what `ceil_mode` does; neither counts the padding.
        front = [_same_padding(size, POOL_KERNEL, self.stride)[0] for size in features.shape[2:]]
        pooled = F.avg_pool2d(
            features, POOL_KERNEL, self.stride, front, ceil_mode=True, count_include_pad=False
        )
        return F.pad(pooled[:, : self.outputs], (0, 0, 0, 0, 0, max(0, self.outputs - features.shape[1])))


class LayerModule(nn.Module):
    """One layer: convolutions, squeeze-and-excitation behind the spatial one, and the skip added last."""

    def __init__(self, layer: Layer, *, bn_epsilon: float) -> None:
        super().__init__()
        parts = layer.convolutions()
        before, after = (
            nn.Sequential(*(ConvolutionBN(one, bn_epsilon=bn_epsilon) for one in part)) for part in parts
        )
        self.before = before
        self.se = (
            None
            if layer.squeezed is None
            else SqueezeAndExcitation(
                channels=parts[0][-1].outputs, squeezed=layer.squeezed, gate=layer.form.gate
            )
        )
        self.after = after
        skips = {
            "none": None,
            "identity": nn.Identity(),
            "pool": PooledSkip(stride=layer.stride, outputs=layer.outputs),
        }
        self.skip = skips[layer.skip]

    def forward(self, features: Tensor) -> Tensor:
        """`[batch, inputs, height, width]` to `[batch, outputs, ceil(height/stride), ceil(width/stride)]`."""
        result: Tensor = self.before(features)
        if self.se is not None:
            result = self.se(result)
        result = self.after(result)
        return result if self.skip is None else result + self.skip(features)
