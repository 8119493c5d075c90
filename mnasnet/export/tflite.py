"""TFLite: a graph and its weights, written straight to the file that phones run; no torch.

Every operator used here runs on XNNPACK, so that one delegate computes the whole network. Maps are NHWC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import ArrayLike, NDArray

from mnasnet.arch.records import Artifact
from mnasnet.base.files import replace_file
from mnasnet.graph.graph import IMAGE, Graph, Lowerable, Op
from mnasnet.graph.operators import (
    Activation,
    Add,
    AveragePool,
    Convolution,
    Dense,
    FitChannels,
    Gate,
    Mean,
    Operator,
    Scale,
    Shape,
    reduce_size,
)
from mnasnet.graph.weights import Affine, Weights, check_weights

SIGNATURE = "serving_default"
"""Name under which quantizers and runtimes look up the network's one signature."""

ALIGNMENT = 16
"""Bytes; the schema asks it of `Buffer.data` (`force_align: 16`), the Python builder does not see to it."""

FUSED: dict[Activation | None, int] = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}
"""Activations that a convolution computes itself."""

UNFUSED: dict[Activation | None, str] = {"hard-swish": "HARD_SWISH"}
"""Activations that are an operator of their own behind it."""


def write_tflite(network: Lowerable, weights: Weights, path: Path) -> Artifact:
    """Write the network to `path`; on return the file is whole, and at no time is there half of one.

    Its input is called `image`, float32 `[1, size, size, channels]`; its outputs are the graph's, by name.

    Args:
        network: what to write.
        weights: its numbers, batch normalisation folded in.
        path: where; an older file there is replaced. Its folder must exist.

    Raises:
        ValueError: the weights are not those of the network.
        OSError: the file cannot be written.
    """
    graph = network.lowered()
    check_weights(graph, weights)
    content = _serialized(*_emit(graph, weights))
    replace_file(path, content)
    return Artifact(path=path, format="tflite", digest=network.digest(), size_bytes=len(content))


class _Builder:
    """A TFLite subgraph while it grows; a tensor is known by its index."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        # Buffer 0 is empty by convention: the tensors that are computed share it.
        self.buffers: list[Any] = [schema.BufferT()]
        self.operators: list[Any] = []
        self.codes: dict[str, int] = {}

    def shape(self, tensor: int) -> tuple[int, ...]:
        """With the batch of 1 in front."""
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

    def apply(
        self, operator: str, inputs: Sequence[int], shape: Sequence[int], options: Any = None, *, name: str
    ) -> int:
        """The output, called `name` and of `shape`, of one more operator, named as in `schema.BuiltinOperator`."""
        output = self.value(name, shape)
        node = schema.OperatorT()
        node.opcodeIndex = self.codes.setdefault(operator, len(self.codes))
        node.inputs, node.outputs = list(inputs), [output]
        if options is not None:
            node.builtinOptions = options
            node.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.operators.append(node)
        return output

    def pad(self, source: int, widths: Sequence[tuple[int, int]], *, name: str) -> int:
        """`source` with so many zeros before and behind each of its sides."""
        shape = [side + sum(width) for side, width in zip(self.shape(source), widths, strict=True)]
        padding = self.constant(f"{name} widths", widths)
        return self.apply("PAD", [source, padding], shape, schema.PadOptionsT(), name=name)

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


@dataclass(frozen=True, kw_only=True)
class _Place:
    """An operator that is to be emitted."""

    name: str
    """Of its output; names of what else it needs begin so, since tools key statistics by tensor name."""
    shape: Shape
    """Of its output, with the batch of 1 in front."""
    inputs: tuple[int, ...]
    affine: Affine | None
    """Its weights, where it has any."""


def _emit(graph: Graph, weights: Weights) -> tuple[_Builder, dict[str, int]]:
    """Every operator of the graph, and the tensor of each output by the output's name."""
    builder = _Builder()
    tensors = {IMAGE: builder.value(IMAGE, (1, *graph.ops[IMAGE].shape))}
    names = {op: name for name, op in graph.outputs.items()}
    for op in graph.ops.values():
        if op.name != IMAGE:
            tensors[op.name] = _emit_op(builder, op, tensors, weights, name=names.get(op.name, op.name))
    return builder, {name: tensors[op] for name, op in graph.outputs.items()}


def _emit_op(builder: _Builder, op: Op, tensors: Mapping[str, int], weights: Weights, *, name: str) -> int:
    place = _Place(
        name=name,
        shape=(1, *op.shape),
        inputs=tuple(tensors[source] for source in op.inputs),
        affine=weights.get(op.name),
    )
    return EMITTERS[type(op.operator)](builder, op.operator, place)


def _emit_convolution(builder: _Builder, operator: Convolution, place: _Place) -> int:
    assert place.affine is not None
    (source,) = place.inputs
    source, padding = _pad_for(builder, operator, source, name=place.name)
    options: Any
    if operator.depthwise:
        code, options = "DEPTHWISE_CONV_2D", schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        kernel = place.affine.weight.transpose(1, 2, 3, 0)  # [1, k, k, outputs]
    else:
        code, options = "CONV_2D", schema.Conv2DOptionsT()
        kernel = place.affine.weight.transpose(0, 2, 3, 1)  # [outputs, k, k, inputs]
    options.strideH = options.strideW = operator.stride
    options.padding = padding
    return _emit_activated(builder, code, source, kernel, options, operator.activation, place)


def _emit_dense(builder: _Builder, operator: Dense, place: _Place) -> int:
    assert place.affine is not None
    options = schema.FullyConnectedOptionsT()
    kernel = place.affine.weight
    return _emit_activated(
        builder, "FULLY_CONNECTED", place.inputs[0], kernel, options, operator.activation, place
    )


def _emit_activated(
    builder: _Builder,
    code: str,
    source: int,
    kernel: NDArray[np.float32],
    options: Any,
    activation: Activation | None,
    place: _Place,
) -> int:
    """An operator with weights and the activation behind it, computed by it where it can."""
    assert place.affine is not None
    own = UNFUSED.get(activation)
    options.fusedActivationFunction = FUSED[None if own else activation]
    weight = builder.constant(f"{place.name} weight", kernel)
    bias = builder.constant(f"{place.name} bias", place.affine.bias)
    name = f"{place.name} linear" if own else place.name
    output = builder.apply(code, [source, weight, bias], place.shape, options, name=name)
    return output if own is None else builder.apply(own, [output], place.shape, name=place.name)


def _emit_mean(builder: _Builder, _: Mean, place: _Place) -> int:
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = builder.constant(f"{place.name} axes", [1, 2])
    return builder.apply("MEAN", [*place.inputs, axes], place.shape, options, name=place.name)


def _emit_gate(builder: _Builder, operator: Gate, place: _Place) -> int:
    if operator.function == "sigmoid":
        return builder.apply("LOGISTIC", place.inputs, place.shape, name=place.name)
    # relu6(x + 3) / 6, which is no operator of the schema.
    options = schema.AddOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    three = builder.constant(f"{place.name} 3", [3.0])
    shifted = builder.apply("ADD", [*place.inputs, three], place.shape, options, name=f"{place.name} shifted")
    sixth = builder.constant(f"{place.name} 1/6", [1 / 6])
    return builder.apply("MUL", [shifted, sixth], place.shape, schema.MulOptionsT(), name=place.name)


def _emit_scale(builder: _Builder, _: Scale, place: _Place) -> int:
    return builder.apply("MUL", place.inputs, place.shape, schema.MulOptionsT(), name=place.name)


def _emit_add(builder: _Builder, _: Add, place: _Place) -> int:
    return builder.apply("ADD", place.inputs, place.shape, schema.AddOptionsT(), name=place.name)


def _emit_average_pool(builder: _Builder, operator: AveragePool, place: _Place) -> int:
    options = schema.Pool2DOptionsT()
    options.filterHeight = options.filterWidth = operator.kernel
    options.strideH = options.strideW = operator.stride
    options.padding = schema.Padding.SAME
    return builder.apply("AVERAGE_POOL_2D", place.inputs, place.shape, options, name=place.name)


def _emit_fit_channels(builder: _Builder, operator: FitChannels, place: _Place) -> int:
    (source,) = place.inputs
    channels = builder.shape(source)[-1]
    if channels < operator.outputs:
        widths = ((0, 0), (0, 0), (0, 0), (0, operator.outputs - channels))
        return builder.pad(source, widths, name=place.name)
    begin = builder.constant(f"{place.name} begin", [0, 0, 0, 0])
    extent = builder.constant(f"{place.name} extent", place.shape)
    return builder.apply(
        "SLICE", [source, begin, extent], place.shape, schema.SliceOptionsT(), name=place.name
    )


EMITTERS: Mapping[type[Operator], Callable[[_Builder, Any, _Place], int]] = {
    Convolution: _emit_convolution,
    Dense: _emit_dense,
    Mean: _emit_mean,
    Gate: _emit_gate,
    Scale: _emit_scale,
    Add: _emit_add,
    AveragePool: _emit_average_pool,
    FitChannels: _emit_fit_channels,
}
"""What writes each kind of operator."""


def _pad_for(builder: _Builder, operator: Convolution, source: int, *, name: str) -> tuple[int, int]:
    """`source`, with zeros around it where the runtime cannot add them, and the padding to ask of it.

    The runtime's SAME splits the pixels it lacks evenly and puts an odd one behind. Symmetric padding
    puts `kernel // 2` in front: the same but for an odd number, which stride 2 makes of an even size.
    """
    before, sides = operator.kernel // 2, []
    for size in builder.shape(source)[1:3]:
        lacking = max(0, (reduce_size(size, operator.stride) - 1) * operator.stride + operator.kernel - size)
        sides.append((before, lacking - before))
    if operator.padding == "same" or all(behind == before for _, behind in sides):
        return source, schema.Padding.SAME
    return builder.pad(source, ((0, 0), *sides, (0, 0)), name=f"{name} pad"), schema.Padding.VALID


def _serialized(builder: _Builder, outputs: Mapping[str, int]) -> bytearray:
    image = 0
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors, subgraph.operators = builder.tensors, builder.operators
    subgraph.inputs, subgraph.outputs = [image], list(outputs.values())

    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = [schema.TensorMapT(name=IMAGE, tensorIndex=image)]
    signature.outputs = [schema.TensorMapT(name=name, tensorIndex=index) for name, index in outputs.items()]

    model = schema.ModelT()
    model.version = 3
    model.description = "MnasNet"
    model.buffers, model.subgraphs, model.signatureDefs = builder.buffers, [subgraph], [signature]
    model.operatorCodes = []
    for operator in builder.codes:
        code = getattr(schema.BuiltinOperator, operator)
        # Older readers know codes below 127 by the deprecated field only; ours all are.
        model.operatorCodes.append(schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code))

    return pack_model(model)


def pack_model(model: Any) -> bytearray:
    """The file of a `schema.ModelT`, its buffers laid where a runtime may read them in place."""
    buffers = model.buffers
    aligned = [
        buffer
        if buffer.data is None or isinstance(buffer, _AlignedBuffer)
        else _AlignedBuffer(np.frombuffer(bytes(buffer.data), np.uint8))
        for buffer in buffers
    ]
    # Room for all weights at once: growing copies everything each time.
    weights_bytes = sum(buffer.data.size for buffer in aligned if buffer.data is not None)
    tensors = sum(len(graph.tensors) for graph in model.subgraphs)
    builder = flatbuffers.Builder(weights_bytes + 1024 * tensors)
    model.buffers = aligned
    try:
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    finally:
        model.buffers = buffers
    content: bytearray = builder.Output()
    return content
