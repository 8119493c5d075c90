"""Tests of named.py: networks by name, and their feature maps."""

import pytest
import torch

from mnasnet.arch.zoo import ZOO
from mnasnet.base.errors import RequestError
from mnasnet.graph.cost import count_parameters
from mnasnet.nn.named import create_network


@pytest.mark.parametrize("name", ZOO)
def test_a_named_network_has_the_parameters_that_the_zoo_says(name: str) -> None:
    network = create_network(name)
    assert sum(p.numel() for p in network.parameters()) == count_parameters(ZOO[name].architecture.lowered())


def test_classes_and_channels_are_as_asked_for() -> None:
    network = create_network("mnasnet-small", num_classes=7, in_channels=1).eval()
    assert network(torch.zeros(2, 1, 96, 96)).shape == (2, 7)


def test_a1_gives_the_maps_that_the_official_detectors_use() -> None:
    # tensorflow/tpu, reduction_2 to reduction_5: 24, 40, 112 and 320 channels at strides 4, 8, 16 and 32.
    backbone = create_network("mnasnet-a1", features_only=True).eval()
    maps = backbone(torch.zeros(1, 3, 128, 128))
    assert {name: tuple(map_.shape[1:]) for name, map_ in maps.items()} == {
        "stride_4": (24, 32, 32),
        "stride_8": (40, 16, 16),
        "stride_16": (112, 8, 8),
        "stride_32": (320, 4, 4),
    }
    assert backbone.channels == {name: map_.shape[1] for name, map_ in maps.items()}


def test_the_last_map_is_what_the_head_sees() -> None:
    network = create_network("mnasnet-b1", width=0.35, num_classes=3).eval()
    backbone = create_network("mnasnet-b1", width=0.35, features_only=True).eval()
    state = {k: v for k, v in network.state_dict().items() if k.startswith(("stem.", "blocks."))}
    backbone.load_state_dict(state)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    head = network.head(backbone(images)["stride_32"])
    assert torch.equal(network.classifier(head.mean((2, 3))), network(images))


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(RequestError, match="the nearest is mobilenet-v2"):
        create_network("mobilenet-v3")


def test_what_cannot_be_made_is_named_as_its_argument_is() -> None:
    with pytest.raises(RequestError, match=r"^`num_classes` 0: give") as refused:
        create_network("mnasnet-a1", num_classes=0)
    assert refused.value.field == "num_classes"
