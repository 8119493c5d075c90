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

from mnasnet.arch.architecture import Architecture, Convolution, Layer, parse_block
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.arch.weights import Affine, Weights, random_weights
from mnasnet.arch.zoo import ZOO
from mnasnet.export.conftest import runs_wholly_on_xnnpack
from mnasnet.export.tflite import write_tflite


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


def _small() -> Architecture:
    """Every operator that the writer knows, in three layers."""
    notations = ("mb_k3_s2_e3_c16_n1_se0.25_pool", "sep_k5_s1_c16_n1", "conv_k3_s1_c8_n1_pool")
    blocks = tuple(parse_block(notation) for notation in notations)
    return Architecture(blocks=blocks, image_size=32, classes=10, stem=8, head=32, padding="symmetric")


def _weights(architecture: Architecture) -> Weights:
    return random_weights(architecture, np.random.default_rng(1))


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
        logits = _forward(architecture, _weights(architecture), torch.from_numpy(image).permute(0, 3, 1, 2))
    expected = logits.numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


# What an architecture means, said again in torch, with every zero of the padding written out.


def _forward(architecture: Architecture, weights: Weights, image: Tensor) -> Tensor:
    affines = iter(weights.affines)
    x = _convolve(architecture, image, architecture.stem_convolution, next(affines))
    for _, layer in architecture.layers():
        source = x
        before, after = layer.convolutions()
        for convolution in before:
            x = _convolve(architecture, x, convolution, next(affines))
        if layer.squeezed is not None:
            squeeze, excite = next(affines), next(affines)
            gate = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), *_tensors(squeeze)))
            x = x * torch.sigmoid(F.conv2d(gate, *_tensors(excite)))
        for convolution in after:
            x = _convolve(architecture, x, convolution, next(affines))
        if layer.skip == "identity":
            x = x + source
        elif layer.skip == "pool":
            x = x + _pool(source, layer)
    x = _convolve(architecture, x, architecture.head_convolution, next(affines))
    return F.linear(x.mean((2, 3)), *_tensors(next(affines)))


def _convolve(architecture: Architecture, x: Tensor, convolution: Convolution, affine: Affine) -> Tensor:
    x = F.pad(x, _padding(architecture, x.shape[-1], convolution.kernel, convolution.stride))
    groups = convolution.inputs if convolution.depthwise else 1
    x = F.conv2d(x, *_tensors(affine), stride=convolution.stride, groups=groups)
    if not convolution.activated:
        return x
    return F.relu6(x) if architecture.activation == "relu6" else F.relu(x)


def _pool(x: Tensor, layer: Layer) -> Tensor:
    padding = _same(x.shape[-1], 3, layer.stride)  # whatever the convolutions' padding
    total = F.avg_pool2d(F.pad(x, padding), 3, layer.stride)
    pooled = total / F.avg_pool2d(F.pad(torch.ones_like(x), padding), 3, layer.stride)
    filled = F.pad(pooled, (0, 0, 0, 0, 0, max(0, layer.outputs - layer.inputs)))
    return filled[:, : layer.outputs]


def _padding(architecture: Architecture, size: int, kernel: int, stride: int) -> list[int]:
    """Zeros left, right, above and below."""
    return [kernel // 2] * 4 if architecture.padding == "symmetric" else _same(size, kernel, stride)


def _same(size: int, kernel: int, stride: int) -> list[int]:
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return [total // 2, total - total // 2] * 2


def _tensors(affine: Affine) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(affine.weight), torch.from_numpy(affine.bias)
