"""Networks by name, as torch modules: to classify with, or for the maps that detection and segmentation take."""

from typing import Literal, overload

import torch
from torch import Tensor, nn

from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.nn.network import Network


class FeatureMaps(nn.Module):
    """The stem and blocks of a network, which give the last map of each stride from 4 on.

    These are the official code's `reduction_2` to `reduction_5`. Its state is that of the `Network`, without head
    and classifier.
    """

    channels: dict[str, int]
    """Of each map, by its name: 24, 40, 112 and 320 for `stride_4` to `stride_32` of MnasNet-A1."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.stem, self.blocks = network.stem, network.blocks
        architecture = network.architecture
        stride, last = architecture.stem_stride, {}
        for index, block in enumerate(architecture.blocks):
            stride *= block.stride
            last[stride] = index
        self._named = {index: f"stride_{stride}" for stride, index in last.items() if stride >= 4}
        self.channels = {name: architecture.blocks[index].filters for index, name in self._named.items()}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`[batch, in_channels, size, size]` to `[batch, channels, size/stride, size/stride]`, the finest first."""
        maps = {}
        features = self.stem(images)
        for index, block in enumerate(self.blocks):
            features = block(features)
            if index in self._named:
                maps[self._named[index]] = features
        return maps


@overload
def create_network(
    name: str,
    *,
    width: float = ...,
    image_size: int | None = ...,
    num_classes: int | None = ...,
    in_channels: int | None = ...,
    dropout: float = ...,
    features_only: Literal[False] = ...,
) -> Network: ...
@overload
def create_network(
    name: str,
    *,
    width: float = ...,
    image_size: int | None = ...,
    num_classes: int | None = ...,
    in_channels: int | None = ...,
    dropout: float = ...,
    features_only: Literal[True],
) -> FeatureMaps: ...
def create_network(
    name: str,
    *,
    width: float = 1.0,
    image_size: int | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    dropout: float = 0.2,
    features_only: bool = False,
) -> Network | FeatureMaps:
    """A network by its name, with the official initialisation and in training mode.

    Args:
        name: a name of `mnasnet zoo`, or the folder of a finalist.
        width: multiplier of the widths.
        image_size: side of the images in pixels; the module takes any size, and its cost and its exports are for
            this one.
        num_classes: outputs of the classifier.
        in_channels: 3 for colour, 1 for grey.
        dropout: probability before the classifier.
        features_only: whether to leave out head and classifier and give the maps at strides 4, 8, 16 and 32.

    Raises:
        RequestError: there is no such network; the message says what there is.
    """
    if num_classes is not None and num_classes < 1:
        raise RequestError("give a whole number of at least 1", field="num_classes", value=num_classes)
    architecture = find_architecture(
        name, width=width, image_size=image_size, classes=num_classes, in_channels=in_channels
    )
    network = Network(architecture, dropout=dropout)
    # Up to 1.9 times as fast on a CPU (`benchmarks/evidence.jsonl`, channels-last); it takes either layout.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's
    return FeatureMaps(network) if features_only else network
