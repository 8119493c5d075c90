"""Tests of network.py: torch counts what cost.py counts, and the folded weights compute what the network does."""

import math
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import MNASNET_A1, MNASNET_B1, MOBILENET_V2
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.graph.operators import Convolution
from mnasnet.graph.weights import check_weights
from mnasnet.nn.network import Network, fold
from mnasnet.space.hierarchical import SPACES
from mnasnet.space.space import Space
from mnasnet.space.space_contract import options

SMALL = Architecture(
    blocks=(parse_block("mb_k5_s2_e3_c16_n2_se0.25"), parse_block("conv_k3_s1_c24_n1_pool")),
    image_size=32,
    classes=10,
    stem=8,
    head=32,
)


@st.composite
def architectures_of_spaces(draw: st.DrawFn) -> Architecture:
    """Any network of a shipped space, at a width and a size of its use."""
    small = {"image_size": 32, "width": 0.5, "in_channels": 1, "classes": 10}
    space: Space = draw(st.sampled_from(list(SPACES.values())))(**draw(st.sampled_from([{}, small])))
    # One seed in place of a hundred and fifty draws, which hypothesis refuses for the flat space.
    chooser = random.Random(draw(st.integers(0, 2**32)))
    return space.decode(
        {name: chooser.choice(options(choice)) for name, choice in space.distributions.items()}
    )


def randomised(architecture: Architecture, *, seed: int = 0) -> Network:
    """A network for evaluation whose batch normalisations have something to fold."""
    torch.manual_seed(seed)
    network = Network(architecture).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
        network.classifier.bias.normal_()
    return network


def _images(architecture: Architecture, *, count: int = 1) -> Tensor:
    size = architecture.image_size
    return torch.randn(
        count, architecture.in_channels, size, size, generator=torch.Generator().manual_seed(1)
    )


def _assert_torch_counts_the_same(architecture: Architecture) -> None:
    with torch.device("meta"):  # shapes only, which is all that counting takes
        network = Network(architecture).eval()
        images = torch.empty(1, architecture.in_channels, architecture.image_size, architecture.image_size)
    with FlopCounterMode(display=False) as counter:
        network(images)
    assert sum(weight.numel() for weight in network.parameters()) == count_parameters(architecture.lowered())
    # Torch counts a multiplication and an addition each.
    assert counter.get_total_flops() == 2 * count_multiply_adds(architecture.lowered())


@pytest.mark.parametrize(
    "architecture", [MNASNET_A1, MNASNET_B1, MOBILENET_V2], ids=["A1", "B1", "MobileNetV2"]
)
def test_torch_counts_what_the_table_counts_for_the_published_networks(architecture: Architecture) -> None:
    _assert_torch_counts_the_same(architecture)


@settings(max_examples=10)
@given(architectures_of_spaces())
def test_torch_counts_what_the_table_counts_for_networks_of_the_spaces(architecture: Architecture) -> None:
    _assert_torch_counts_the_same(architecture)


@settings(max_examples=20)
@given(architectures())
def test_torch_counts_what_the_table_counts_for_any_network(architecture: Architecture) -> None:
    _assert_torch_counts_the_same(architecture)


def _assert_file_computes_the_same(architecture: Architecture, *, seed: int = 0) -> None:
    network = randomised(architecture, seed=seed)
    images = _images(architecture)
    with torch.no_grad():
        expected = network(images).numpy()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        write_tflite(architecture, fold(network), path)
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        interpreter.set_tensor(
            interpreter.get_input_details()[0]["index"], images.permute(0, 2, 3, 1).numpy()
        )
        interpreter.invoke()
        logits = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


@settings(max_examples=25)
@given(architectures(), st.integers(0, 100))
def test_the_phones_file_of_the_folded_weights_computes_what_the_network_does(
    architecture: Architecture, seed: int
) -> None:
    _assert_file_computes_the_same(architecture, seed=seed)


@pytest.mark.parametrize("architecture", [MNASNET_A1, MNASNET_B1], ids=["A1", "B1"])
def test_the_phones_file_of_a_published_network_computes_what_the_network_does(
    architecture: Architecture,
) -> None:
    _assert_file_computes_the_same(architecture)


@given(architectures())
@settings(max_examples=10)
def test_folded_weights_are_those_of_the_graph(architecture: Architecture) -> None:
    check_weights(architecture.lowered(), fold(Network(architecture)))


def _expected_state(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Shapes of a network's parameters and statistics by torch's names, as its graph has them."""
    graph = architecture.lowered()
    state: dict[str, tuple[int, ...]] = {}
    for name, shape in graph.weighted():
        operator = graph.ops[name].operator
        if isinstance(operator, Convolution) and operator.batch_norm:
            state[f"{name}.conv.weight"] = shape
            leaves = ("weight", "bias", "running_mean", "running_var")
            state |= {f"{name}.bn.{leaf}": shape[:1] for leaf in leaves}
            state[f"{name}.bn.num_batches_tracked"] = ()
        else:
            state |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return state


@given(architectures())
@settings(max_examples=50)
def test_torch_has_the_parameters_of_the_graph_by_name_and_shape(architecture: Architecture) -> None:
    with torch.device("meta"):
        state = Network(architecture).state_dict()
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert found == _expected_state(architecture)


def test_folding_leaves_the_network_as_it_was() -> None:
    network = randomised(SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_fold_is_a_copy_where_training_goes_on() -> None:
    network = randomised(SMALL)
    weights = fold(network)
    before = {name: affine.bias.copy() for name, affine in weights.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    for name, affine in weights.items():
        np.testing.assert_array_equal(affine.bias, before[name])


def test_the_memory_layout_changes_nothing() -> None:
    network = randomised(SMALL)
    images = _images(SMALL, count=2)
    folded = fold(network)
    with torch.no_grad():
        expected = network(images)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        result = network(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected)
    for name, affine in fold(network).items():
        np.testing.assert_array_equal(affine.weight, folded[name].weight)


def test_images_of_a_batch_do_not_see_each_other() -> None:
    network = randomised(SMALL)
    images = _images(SMALL, count=3)
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


def test_the_classifier_starts_uniform_within_one_in_the_root_of_a_thousand() -> None:
    torch.manual_seed(0)
    classifier = Network(SMALL).classifier
    bound = 1 / math.sqrt(1000)
    assert classifier.weight.abs().max() <= bound
    # A uniform deviation is its bound over √3.
    assert classifier.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert classifier.bias.count_nonzero() == 0


def test_an_untrained_network_puts_out_logits_of_the_order_of_one() -> None:
    torch.manual_seed(0)
    network = Network(SMALL)
    with torch.no_grad():
        logits = network.train()(_images(SMALL, count=16))
    assert 0.001 < logits.std() < 1


def test_dropout_is_there_in_training_only() -> None:
    network = Network(SMALL, dropout=0.5)
    images = _images(SMALL, count=4)
    with torch.no_grad():
        network.train()
        assert not torch.equal(network(images), network(images))
        network.eval()
        assert torch.equal(network(images), network(images))
