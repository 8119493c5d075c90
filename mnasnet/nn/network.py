"""Any `Architecture` as a torch module, and its folding to plain numpy weights."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mnasnet.arch.architecture import Architecture
from mnasnet.graph.weights import Affine, Weights
from mnasnet.nn.layers import ACTIVATIONS, ConvolutionBN, LayerModule

CLASSIFIER_RANGE = 1 / math.sqrt(1000)
"""The classifier's weights start uniform within ± this: the official 1/√(classes) for ImageNet's 1,000 classes.

For ten classes that formula gives ten times as much, so logits of several units before anything is learned; on
the digits that cost a dozen points of accuracy (`benchmarks/evidence.jsonl`, classifier-range).
"""

HIDDEN_STD = 0.01
"""Standard deviation of a hidden layer's first weights (torchvision `models/mobilenetv3.py`)."""


class Network(nn.Module):
    """Stem, blocks, head, mean, hidden layer where there is one, dropout, classifier.

    Semantics and initialisation are the official ones. Its modules bear the names of the graph's operators.
    """

    def __init__(self, architecture: Architecture, *, dropout: float = 0.2) -> None:
        """`dropout` is the probability before the classifier; 0.2 in section 5."""
        super().__init__()
        self.architecture = architecture
        epsilon = architecture.bn_epsilon
        self.stem = ConvolutionBN(architecture.stem_convolution, bn_epsilon=epsilon)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(*(LayerModule(layer, bn_epsilon=epsilon) for layer in block))
                for block in architecture.expanded()
            )
        )
        self.head = ConvolutionBN(architecture.head_convolution, bn_epsilon=epsilon)
        self.hidden: nn.Linear | None = None
        if architecture.hidden is not None:
            self.hidden = nn.Linear(architecture.head, architecture.hidden)
            nn.init.normal_(self.hidden.weight, std=HIDDEN_STD)
            nn.init.zeros_(self.hidden.bias)
            self.hidden_activation = ACTIVATIONS[architecture.activation](inplace=True)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(architecture.hidden or architecture.head, architecture.classes)
        nn.init.uniform_(self.classifier.weight, -CLASSIFIER_RANGE, CLASSIFIER_RANGE)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[batch, classes]` of normalised images `[batch, in_channels, size, size]`."""
        features = self.head(self.blocks(self.stem(images)))
        # In this form: ExecuTorch's XNNPACK has no mean that drops the dimensions.
        means = features.mean((2, 3), keepdim=True).flatten(1)
        if self.hidden is not None:
            means = self.hidden_activation(self.hidden(means))
        logits: Tensor = self.classifier(self.dropout(means))
        return logits


@torch.no_grad()
def fold(network: Network) -> Weights:
    """The network's numbers with every BN, as it stands for evaluation, folded into its convolution."""
    graph = network.architecture.lowered()
    return {name: _fold_module(network.get_submodule(name)) for name, _ in graph.weighted()}


def _fold_module(module: nn.Module) -> Affine:
    if isinstance(module, ConvolutionBN):
        return _folded(module)
    assert isinstance(module, nn.Conv2d | nn.Linear)
    return _plain(module)


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
