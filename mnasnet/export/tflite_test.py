"""Tests of tflite.py: the file computes what torch computes from the same weights, all of it on XNNPACK."""

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given
from torch import Tensor

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.block import parse_block
from mnasnet.arch.zoo import ZOO
from mnasnet.export.conftest import runs_wholly_on_xnnpack
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.graph import IMAGE, Graph, GraphBuilder, Part
from mnasnet.graph.operators import (
    Activation,
    Add,
    AveragePool,
    Convolution,
    Dense,
    FitChannels,
    Gate,
    Image,
    Mean,
    Operator,
    Scale,
)
from mnasnet.graph.weights import Affine, Weights, draw_weights


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@given(architectures())
def test_the_file_computes_what_torch_computes_from_the_same_weights(architecture: Architecture) -> None:
    _assert_equal_and_delegated(architecture)


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("filters", [8, 16, 24], ids=["cut", "kept", "filled"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pooling_skip_of_any_width_is_the_average_of_real_pixels(
    padding: str, size: int, filters: int, stride: int
) -> None:
    architecture = Architecture(
        blocks=(parse_block(f"mb_k3_s{stride}_e3_c{filters}_n1_pool"),),
        image_size=size,
        classes=5,
        stem=16,
        stem_stride=1,
        head=16,
        padding="same" if padding == "same" else "symmetric",
    )
    _assert_equal_and_delegated(architecture)


@pytest.mark.parametrize("name", ZOO)
def test_the_named_networks_compute_what_torch_computes(name: str) -> None:
    _assert_equal_and_delegated(ZOO[name].architecture)


def test_without_the_delegate_the_file_computes_the_same(tmp_path: Path) -> None:
    architecture = _small()
    path = _written(architecture, tmp_path)
    plain = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    image = _image(architecture)
    expected = _run(Interpreter(str(path)), image)
    assert not runs_wholly_on_xnnpack(plain)
    assert np.abs(_run(plain, image) - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_network_is_found_by_its_signature(tmp_path: Path) -> None:
    architecture = _small()
    interpreter = Interpreter(str(_written(architecture, tmp_path)))
    assert interpreter.get_signature_list() == {
        "serving_default": {"inputs": ["image"], "outputs": ["logits"]}
    }
    image = _image(architecture)
    by_name = interpreter.get_signature_runner("serving_default")(image=image)["logits"]
    assert by_name.shape == (1, architecture.classes)
    np.testing.assert_array_equal(by_name, _run(interpreter, image))


def test_tensor_names_are_unique_and_buffers_lie_on_16_bytes(tmp_path: Path) -> None:
    content = _written(_small(), tmp_path).read_bytes()
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    names = [graph.Tensors(index).Name() for index in range(graph.TensorsLength())]
    assert len(set(names)) == len(names)
    start = np.frombuffer(content, np.uint8).ctypes.data
    for index in range(1, model.BuffersLength()):
        assert (model.Buffers(index).DataAsNumpy().ctypes.data - start) % 16 == 0


def test_the_record_says_what_was_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    architecture = _small()
    path = tmp_path / "network.tflite"
    path.write_text("an older file")
    artifact = write_tflite(architecture, _weights(architecture), path)
    assert (artifact.path, artifact.format, artifact.digest) == (path, "tflite", architecture.digest())
    assert artifact.size_bytes == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    in_the_way = tmp_path / "network.tflite"
    in_the_way.mkdir()
    with pytest.raises(OSError) as raised:
        write_tflite(_small(), _weights(_small()), in_the_way)
    assert raised.value.errno in (errno.EISDIR, errno.EACCES)
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert _written(_small(), first).read_bytes() == _written(_small(), second).read_bytes()


class _TwoMaps:
    """A network of two outputs, as detectors are: a map of stride 2 and one of stride 4."""

    def lowered(self) -> Graph:
        builder = GraphBuilder(Image(size=16, channels=3))
        part = Part(name="maps", group="maps", kind="conv", title="Maps", details="", notation="maps")
        source = IMAGE
        for name, inputs, outputs in (("fine", 3, 8), ("coarse", 8, 12)):
            convolution = Convolution(
                kernel=3, stride=2, inputs=inputs, outputs=outputs, activation="hard-swish"
            )
            source = builder.add(name, convolution, source, part=part)
        return builder.build({"stride_2": "fine", "stride_4": "coarse"})

    def digest(self) -> str:
        return "0123456789ab"


def test_a_graph_of_two_outputs_has_both_in_its_file_by_name(tmp_path: Path) -> None:
    network = _TwoMaps()
    weights = draw_weights(network.lowered(), np.random.default_rng(1))
    artifact = write_tflite(network, weights, tmp_path / "maps.tflite")
    assert artifact.digest == "0123456789ab"
    interpreter = Interpreter(str(artifact.path))
    image = np.random.default_rng(2).standard_normal((1, 16, 16, 3), dtype=np.float32)
    found = interpreter.get_signature_runner("serving_default")(image=image)
    with torch.inference_mode():
        expected = _forward(network.lowered(), weights, torch.from_numpy(image).permute(0, 3, 1, 2))
    assert set(found) == set(expected) == {"stride_2", "stride_4"}
    assert {name: value.shape for name, value in found.items()} == {
        "stride_2": (1, 8, 8, 8),
        "stride_4": (1, 4, 4, 12),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    assert runs_wholly_on_xnnpack(interpreter)


def _small() -> Architecture:
    """Every operator that the writer knows, in three layers."""
    notations = (
        "mb_k3_s2_e3_c16_n1_se0.25_pool_hard-swish",
        "sep_k5_s1_c16_n1",
        "conv_k3_s1_c8_n1_pool",
    )
    blocks = tuple(parse_block(notation) for notation in notations)
    return Architecture(
        blocks=blocks, image_size=32, classes=10, stem=8, head=32, padding="symmetric", hidden=16
    )


def _weights(architecture: Architecture) -> Weights:
    return draw_weights(architecture.lowered(), np.random.default_rng(1))


def _image(architecture: Architecture) -> Any:
    size = architecture.image_size
    shape = (1, size, size, architecture.in_channels)
    return np.random.default_rng(2).standard_normal(shape, dtype=np.float32)


def _written(architecture: Architecture, folder: Path) -> Path:
    return write_tflite(architecture, _weights(architecture), folder / "network.tflite").path


def _run(interpreter: Any, image: Any) -> Any:
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def _assert_equal_and_delegated(architecture: Architecture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        interpreter = Interpreter(str(_written(architecture, Path(folder))), num_threads=1)
        image = _image(architecture)
        found = _run(interpreter, image)
        assert runs_wholly_on_xnnpack(interpreter)
    with torch.inference_mode():
        pixels = torch.from_numpy(image).permute(0, 3, 1, 2)
        expected = _forward(architecture.lowered(), _weights(architecture), pixels)["logits"].numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


# What a graph means, said again in torch, with every zero of the padding written out.


def _forward(graph: Graph, weights: Weights, image: Tensor) -> dict[str, Tensor]:
    values = {IMAGE: image}
    for op in graph.ops.values():
        if op.name != IMAGE:
            inputs = [values[name] for name in op.inputs]
            values[op.name] = _apply(op.operator, inputs, weights.get(op.name))
    return {output: values[name] for output, name in graph.outputs.items()}


def _apply(operator: Operator, inputs: list[Tensor], affine: Affine | None) -> Tensor:
    x = inputs[0]
    match operator:
        case Convolution():
            assert affine is not None
            return _activate(_convolve(operator, x, affine), operator.activation)
        case Dense():
            assert affine is not None
            return _activate(F.linear(x.flatten(1), *_tensors(affine)), operator.activation)
        case Mean():
            return x.mean((2, 3), keepdim=True)
        case Gate(function="sigmoid"):
            return torch.sigmoid(x)
        case Gate():
            return (x + 3).clamp(0, 6) / 6
        case Scale():
            return x * inputs[1]
        case Add():
            return x + inputs[1]
        case AveragePool():
            padding = _same(
                x.shape[-1], operator.kernel, operator.stride
            )  # whatever the convolutions' padding
            total = F.avg_pool2d(F.pad(x, padding), operator.kernel, operator.stride)
            ones = F.avg_pool2d(F.pad(torch.ones_like(x), padding), operator.kernel, operator.stride)
            return total / ones
        case FitChannels():
            return F.pad(x, (0, 0, 0, 0, 0, max(0, operator.outputs - x.shape[1])))[:, : operator.outputs]
    raise AssertionError(f"the test does not know what {operator} computes")


def _convolve(operator: Convolution, x: Tensor, affine: Affine) -> Tensor:
    symmetric = [operator.kernel // 2] * 4
    same = _same(x.shape[-1], operator.kernel, operator.stride)
    x = F.pad(x, symmetric if operator.padding == "symmetric" else same)
    groups = operator.inputs if operator.depthwise else 1
    return F.conv2d(x, *_tensors(affine), stride=operator.stride, groups=groups)


def _activate(x: Tensor, activation: Activation | None) -> Tensor:
    match activation:
        case None:
            return x
        case "relu":
            return x.clamp(min=0)
        case "relu6":
            return x.clamp(0, 6)
        case "hard-swish":
            return x * (x + 3).clamp(0, 6) / 6


def _same(size: int, kernel: int, stride: int) -> list[int]:
    """Zeros left, right, above and below."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return [total // 2, total - total // 2] * 2


def _tensors(affine: Affine) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(affine.weight), torch.from_numpy(affine.bias)
