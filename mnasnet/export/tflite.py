"""TFLite: an architecture and its weights, written straight to the file that phones run; no torch.

Every operator used here runs on XNNPACK, so that one delegate computes the whole network. Maps are NHWC.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import ArrayLike, NDArray

from mnasnet.arch.architecture import (
    POOL_KERNEL,
    Activation,
    Architecture,
    Convolution,
    Layer,
    Padding,
    map_size,
)
from mnasnet.arch.records import Artifact
from mnasnet.arch.weights import Affine, Weights
from mnasnet.base.files import replace_file

SIGNATURE = "serving_default"
"""Name under which quantizers and runtimes look up the network's one signature."""

INPUT, OUTPUT = "image", "logits"
"""Names of its input, float32 `[1, size, size, in_channels]`, and output, float32 `[1, classes]`."""

ALIGNMENT = 16
"""Bytes; the schema asks it of `Buffer.data` (`force_align: 16`), the Python builder does not see to it."""

ACTIVATIONS: dict[Activation, int] = {
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def write_tflite(architecture: Architecture, weights: Weights, path: Path) -> Artifact:
    """Write the network to `path`; on return the file is whole, and at no time is there half of one.

    Args:
        architecture: the network.
        weights: its numbers, batch normalisation folded in.
        path: where; an older file there is replaced. Its folder must exist.

    Raises:
        ValueError: the weights are not those of the architecture.
        OSError: the file cannot be written.
    """
    content = _serialized(_graph(architecture, weights))
    replace_file(path, content)
    return Artifact(path=path, format="tflite", digest=architecture.digest(), size_bytes=len(content))


class _Graph:
    """A TFLite graph while it grows; a tensor is known by its index."""

    def __init__(self, *, activation: Activation, padding: Padding) -> None:
        self.activation = activation
        self.padding = padding
        self.tensors: list[Any] = []
        # Buffer 0 is empty by convention: the tensors that are computed share it.
        self.buffers: list[Any] = [schema.BufferT()]
        self.operators: list[Any] = []
        self.codes: dict[str, int] = {}

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self.tensors[tensor].shape)

    def value(self, name: str, shape: Sequence[int]) -> int:
        """A tensor that is computed or fed."""
        return self._tensor(name, shape, schema.TensorType.FLOAT32, buffer=0)

    def constant(self, name: str, array: ArrayLike) -> int:
        """A tensor that stands in the file: int32 if `array` holds integers, else float32."""
        array = np.asarray(array)
        whole = array.dtype.kind == "i"
        plain = np.ascontiguousarray(array, dtype="<i4" if whole else "<f4")
        self.buffers.append(_AlignedBuffer(plain.reshape(-1).view(np.uint8)))
        kind = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
        return self._tensor(name, plain.shape, kind, buffer=len(self.buffers) - 1)

    def apply(self, operator: str, inputs: Sequence[int], shape: Sequence[int], options: Any = None) -> int:
        """The output, of `shape`, of one more operator, named as in `schema.BuiltinOperator`."""
        # Tools key statistics by tensor name, so names must be unique.
        output = self.value(f"{operator.lower()} {len(self.operators)}", shape)
        node = schema.OperatorT()
        node.opcodeIndex = self.codes.setdefault(operator, len(self.codes))
        node.inputs, node.outputs = list(inputs), [output]
        if options is not None:
            node.builtinOptions = options
            node.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.operators.append(node)
        return output

    def convolution(self, source: int, convolution: Convolution, named: tuple[str, Affine]) -> int:
        """A convolution, with its activation where it has one."""
        name, affine = named
        _, size, _, _ = self.shape(source)
        stride = convolution.stride
        source, padding = self._padded(source, kernel=convolution.kernel, stride=stride)
        if convolution.depthwise:
            operator, options = "DEPTHWISE_CONV_2D", schema.DepthwiseConv2DOptionsT()
            options.depthMultiplier = 1
            kernel = affine.weight.transpose(1, 2, 3, 0)  # [1, k, k, outputs]
        else:
            operator, options = "CONV_2D", schema.Conv2DOptionsT()
            kernel = affine.weight.transpose(0, 2, 3, 1)  # [outputs, k, k, inputs]
        options.strideH = options.strideW = stride
        options.padding = padding
        if convolution.activated:
            options.fusedActivationFunction = ACTIVATIONS[self.activation]
        inputs = [source, self.constant(f"{name} weight", kernel), self.constant(f"{name} bias", affine.bias)]
        size = map_size(size, stride)
        return self.apply(operator, inputs, (1, size, size, convolution.outputs), options)

    def squeeze_and_excitation(self, source: int, affines: Iterator[tuple[str, Affine]]) -> int:
        """`source` with each channel scaled by a gate that the means of all channels decide (Figure 7a)."""
        gate = self.mean(source)
        for activated in (True, False):
            name, affine = next(affines)
            outputs, inputs = affine.weight.shape[:2]
            options = schema.Conv2DOptionsT()
            options.strideH = options.strideW = 1
            # Always ReLU (the official `se_reduce`), also where the network's own activation is another.
            if activated:
                options.fusedActivationFunction = schema.ActivationFunctionType.RELU
            weight = self.constant(f"{name} weight", affine.weight.reshape(outputs, 1, 1, inputs))
            bias = self.constant(f"{name} bias", affine.bias)
            gate = self.apply("CONV_2D", [gate, weight, bias], (1, 1, 1, outputs), options)
        gate = self.apply("LOGISTIC", [gate], self.shape(gate))
        return self.apply("MUL", [source, gate], self.shape(source), schema.MulOptionsT())

    def mean(self, source: int) -> int:
        """The mean of each channel, `[1, 1, 1, channels]`."""
        options = schema.ReducerOptionsT()
        options.keepDims = True
        axes = self.constant(f"axes {len(self.operators)}", [1, 2])
        return self.apply("MEAN", [source, axes], (1, 1, 1, self.shape(source)[3]), options)

    def pooling_skip(self, source: int, *, stride: int, outputs: int) -> int:
        """The average pool of `source`, its channels cut or filled up with zeros to `outputs`."""
        pooled = self._average_pool(source, stride=stride)
        _, size, _, channels = self.shape(pooled)
        if channels > outputs:
            begin = self.constant(f"begin {len(self.operators)}", [0, 0, 0, 0])
            extent = self.constant(f"extent {len(self.operators)}", [1, size, size, outputs])
            cut = (1, size, size, outputs)
            return self.apply("SLICE", [pooled, begin, extent], cut, schema.SliceOptionsT())
        if channels < outputs:
            return self._pad(pooled, ((0, 0), (0, 0), (0, 0), (0, outputs - channels)))
        return pooled

    def add(self, left: int, right: int) -> int:
        return self.apply("ADD", [left, right], self.shape(left), schema.AddOptionsT())

    def fully_connected(self, source: int, named: tuple[str, Affine]) -> int:
        """`[1, outputs]` from `[1, 1, 1, inputs]`."""
        name, affine = named
        weight = self.constant(f"{name} weight", affine.weight)
        bias = self.constant(f"{name} bias", affine.bias)
        outputs = len(affine.bias)
        options = schema.FullyConnectedOptionsT()
        return self.apply("FULLY_CONNECTED", [source, weight, bias], (1, outputs), options)

    def _average_pool(self, source: int, *, stride: int) -> int:
        """A 3 × 3 SAME average over those pixels of the window that are inside the map."""
        _, size, _, channels = self.shape(source)
        options = schema.Pool2DOptionsT()
        options.filterHeight = options.filterWidth = POOL_KERNEL
        options.strideH = options.strideW = stride
        options.padding = schema.Padding.SAME
        side = map_size(size, stride)
        return self.apply("AVERAGE_POOL_2D", [source], (1, side, side, channels), options)

    def _padded(self, source: int, *, kernel: int, stride: int) -> tuple[int, int]:
        """`source`, with zeros around it where the runtime cannot add them, and the padding to ask of it.

        The runtime's SAME splits the pixels it lacks evenly and puts an odd one behind. Symmetric padding
        puts `kernel // 2` in front: the same but for an odd number, which stride 2 makes of an even size.
        """
        _, size, _, _ = self.shape(source)
        lacking = max(0, (map_size(size, stride) - 1) * stride + kernel - size)
        before = kernel // 2
        if self.padding == "same" or lacking == 2 * before:
            return source, schema.Padding.SAME
        sides = (before, lacking - before)
        return self._pad(source, ((0, 0), sides, sides, (0, 0))), schema.Padding.VALID

    def _pad(self, source: int, widths: Sequence[tuple[int, int]]) -> int:
        shape = [side + sum(width) for side, width in zip(self.shape(source), widths, strict=True)]
        padding = self.constant(f"padding {len(self.operators)}", widths)
        return self.apply("PAD", [source, padding], shape, schema.PadOptionsT())

    def _tensor(self, name: str, shape: Sequence[int], kind: int, *, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
        self.tensors.append(tensor)
        return len(self.tensors) - 1


@dataclass(frozen=True)
class _AlignedBuffer:
    """What `schema.BufferT` is, but laid where a runtime may read it in place."""

    data: NDArray[np.uint8]

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated schema calls
        builder.Prep(ALIGNMENT, self.data.size)
        offset: int = schema.BufferT(data=self.data).Pack(builder)
        return offset


def _graph(architecture: Architecture, weights: Weights) -> _Graph:
    affines = iter(weights.named(architecture).items())
    graph = _Graph(activation=architecture.activation, padding=architecture.padding)
    size = architecture.image_size
    image = graph.value(INPUT, (1, size, size, architecture.in_channels))
    features = graph.convolution(image, architecture.stem_convolution, next(affines))
    for _, layer in architecture.layers():
        features = _layer(graph, features, layer, affines)
    features = graph.convolution(features, architecture.head_convolution, next(affines))
    logits = graph.fully_connected(graph.mean(features), next(affines))
    graph.tensors[logits].name = OUTPUT
    return graph


def _layer(graph: _Graph, source: int, layer: Layer, affines: Iterator[tuple[str, Affine]]) -> int:
    before, after = layer.convolutions()
    features = source
    for convolution in before:
        features = graph.convolution(features, convolution, next(affines))
    if layer.squeezed is not None:
        features = graph.squeeze_and_excitation(features, affines)
    for convolution in after:
        features = graph.convolution(features, convolution, next(affines))
    if layer.skip == "identity":
        return graph.add(features, source)
    if layer.skip == "pool":
        return graph.add(features, graph.pooling_skip(source, stride=layer.stride, outputs=layer.outputs))
    return features


def _serialized(graph: _Graph) -> bytearray:
    image, logits = 0, graph.operators[-1].outputs[0]
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors, subgraph.operators = graph.tensors, graph.operators
    subgraph.inputs, subgraph.outputs = [image], [logits]

    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = [schema.TensorMapT(name=INPUT, tensorIndex=image)]
    signature.outputs = [schema.TensorMapT(name=OUTPUT, tensorIndex=logits)]

    model = schema.ModelT()
    model.version = 3
    model.description = "MnasNet"
    model.buffers, model.subgraphs, model.signatureDefs = graph.buffers, [subgraph], [signature]
    model.operatorCodes = []
    for operator in graph.codes:
        code = getattr(schema.BuiltinOperator, operator)
        # Older readers know codes below 127 by the deprecated field only; ours all are.
        model.operatorCodes.append(schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code))

    return packed(model)


def packed(model: Any) -> bytearray:
    """The file of a `schema.ModelT`, its buffers laid where a runtime may read them in place."""
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and not isinstance(buffer, _AlignedBuffer):
            model.buffers[index] = _AlignedBuffer(np.frombuffer(bytes(buffer.data), np.uint8))
    # Room for all weights at once: growing copies everything each time.
    weights_bytes = sum(buffer.data.size for buffer in model.buffers if buffer.data is not None)
    tensors = sum(len(graph.tensors) for graph in model.subgraphs)
    builder = flatbuffers.Builder(weights_bytes + 1024 * tensors)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    content: bytearray = builder.Output()
    return content
