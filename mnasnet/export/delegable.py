"""Operators that XNNPACK has for floats alone, written with those that it has for integers too."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema


def make_delegable(model: Any) -> None:
    """Put operators that XNNPACK computes in int8 in place of those that it does not, in `model`, in place.

    `model` is a `schema.ModelT` of float32, and computes the same before and after. HARD_SWISH, which is
    x · relu6(x + 3) / 6, becomes a sum and two products.
    """
    (graph,) = model.subgraphs
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    operators: list[Any] = []
    for node in graph.operators:
        if names[model.operatorCodes[node.opcodeIndex].builtinCode] == "HARD_SWISH":
            operators += _hard_swish(model, node)
        else:
            operators.append(node)
    graph.operators = operators


def _hard_swish(model: Any, node: Any) -> Iterator[Any]:
    (source,), (output,) = node.inputs, node.outputs
    name = model.subgraphs[0].tensors[output].name.decode()
    three, sixth = (_constant(model, f"{name} {said}", value) for said, value in (("3", 3.0), ("1/6", 1 / 6)))
    add = schema.AddOptionsT()
    add.fusedActivationFunction = schema.ActivationFunctionType.RELU6
    shifted, product = (_like(model, output, f"{name} {step}") for step in ("shifted", "product"))
    yield _node(model, "ADD", [source, three], shifted, add)
    yield _node(model, "MUL", [source, shifted], product, schema.MulOptionsT())
    yield _node(model, "MUL", [product, sixth], output, schema.MulOptionsT())


def _like(model: Any, tensor: int, name: str) -> int:
    """A new tensor of the same shape and type."""
    return _tensor(model, name, model.subgraphs[0].tensors[tensor].shape, buffer=0)


def _constant(model: Any, name: str, value: float) -> int:
    model.buffers.append(schema.BufferT(data=np.array([value], "<f4").view(np.uint8)))
    return _tensor(model, name, [1], buffer=len(model.buffers) - 1)


def _tensor(model: Any, name: str, shape: Any, *, buffer: int) -> int:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name.encode(), shape, buffer
    tensor.type = schema.TensorType.FLOAT32
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _node(model: Any, operator: str, inputs: list[int], output: int, options: Any) -> Any:
    code = getattr(schema.BuiltinOperator, operator)
    known = [one.builtinCode for one in model.operatorCodes]
    if code not in known:
        model.operatorCodes.append(schema.OperatorCodeT(builtinCode=code, deprecatedBuiltinCode=code))
    node = schema.OperatorT()
    node.opcodeIndex = known.index(code) if code in known else len(known)
    node.inputs, node.outputs, node.builtinOptions = inputs, [output], options
    node.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return node
