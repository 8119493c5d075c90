"""Any `Architecture` as a torch module, and its folding to plain numpy weights."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.weights import Affine, Weights
from mnasnet.nn.layers import ConvolutionBN, Form, LayerModule, SqueezeAndExcitation

CLASSIFIER_RANGE = 1 / math.sqrt(1000)
"""The classifier's weights start uniform within ± this: the official 1/√(classes) for ImageNet's 1,000 classes.

For ten classes that formula gives ten times as much, so logits of several units before anything is learned; on
the digits that cost a dozen points of accuracy after five epochs.
"""


class Network(nn.Module):
    """Stem, blocks, head, mean, dropout, classifier, with the official semantics and initialisation."""

    def __init__(self, architecture: Architecture, *, dropout: float = 0.2) -> None:
        """`dropout` is the probability before the classifier; 0.2 in section 5."""
        super().__init__()
        self.architecture = architecture
        form = Form(
            activation=architecture.activation,
            padding=architecture.padding,
            bn_epsilon=architecture.bn_epsilon,
        )
        self.stem = ConvolutionBN(architecture.stem_convolution, **form)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(*(LayerModule(layer, **form) for layer in block))
                for block in architecture.expanded()
            )
        )
        self.head = ConvolutionBN(architecture.head_convolution, **form)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(architecture.head, architecture.classes)
        nn.init.uniform_(self.classifier.weight, -CLASSIFIER_RANGE, CLASSIFIER_RANGE)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[batch, classes]` of normalised images `[batch, in_channels, size, size]`."""
        features = self.head(self.blocks(self.stem(images)))
        # In this form: ExecuTorch's XNNPACK has no mean that drops the dimensions.
        means = features.mean((2, 3), keepdim=True).flatten(1)
        logits: Tensor = self.classifier(self.dropout(means))
        return logits


@torch.no_grad()
def fold(network: Network) -> Weights:
    """The network's numbers with every BN, as it stands for evaluation, folded into its convolution."""
    return Weights(affines=tuple(_affines(network)))


def _affines(network: Network) -> Iterator[Affine]:
    yield _folded(network.stem)
    # Modules come in the order in which `LayerModule` makes them: before, se, after.
    for module in network.blocks.modules():
        if isinstance(module, ConvolutionBN):
            yield _folded(module)
        elif isinstance(module, SqueezeAndExcitation):
            yield _plain(module.squeeze)
            yield _plain(module.excite)
    yield _folded(network.head)
    yield _plain(network.classifier)


def _folded(module: ConvolutionBN) -> Affine:
    bn = module.bn
    assert bn.running_mean is not None
    assert bn.running_var is not None
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    return Affine(
        weight=_array(module.conv.weight * scale[:, None, None, None]),
        bias=_array(bn.bias - bn.running_mean * scale),
    )


def _plain(module: nn.Conv2d | nn.Linear) -> Affine:
    assert module.bias is not None
    return Affine(weight=_array(module.weight), bias=_array(module.bias))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    # A copy, so that training on does not change it.
    return np.array(tensor.detach().cpu().numpy(), order="C")
