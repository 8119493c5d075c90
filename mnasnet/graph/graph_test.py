"""Tests of graph.py and operators.py: a graph refuses what does not fit, where it does not fit."""

import pytest
from hypothesis import given

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.architecture_strategies import architectures
from mnasnet.graph.graph import IMAGE, GraphBuilder, Part
from mnasnet.graph.operators import (
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

PART = Part(name="part", group="part", kind="plain", title="Part", details="", notation="part")


def _convolution(*, inputs: int, outputs: int, stride: int = 1) -> Convolution:
    return Convolution(kernel=3, stride=stride, inputs=inputs, outputs=outputs, activation=None)


def _builder() -> GraphBuilder:
    """An image of 9 px and a map of 4 channels."""
    builder = GraphBuilder(Image(size=9, channels=3))
    builder.add("map", _convolution(inputs=3, outputs=4, stride=2), IMAGE, part=PART)
    return builder


def test_shapes_are_worked_out_along_the_way() -> None:
    builder = _builder()
    builder.add("pool", AveragePool(kernel=3, stride=2), "map", part=PART)
    builder.add("fit", FitChannels(outputs=6), "pool", part=PART)
    builder.add("mean", Mean(), "fit", part=PART)
    builder.add("gate", Gate(function="sigmoid"), "mean", part=PART)
    builder.add("scale", Scale(), "fit", "gate", part=PART)
    builder.add("sum", Add(), "scale", "fit", part=PART)
    builder.add("dense", Dense(inputs=6, outputs=2), "gate", part=PART)
    graph = builder.build({"sums": "sum", "logits": "dense"})
    # 9 px become 5 and then 3.
    assert {name: op.shape for name, op in graph.ops.items()} == {
        "image": (9, 9, 3),
        "map": (5, 5, 4),
        "pool": (3, 3, 4),
        "fit": (3, 3, 6),
        "mean": (1, 1, 6),
        "gate": (1, 1, 6),
        "scale": (3, 3, 6),
        "sum": (3, 3, 6),
        "dense": (2,),
    }


@pytest.mark.parametrize(
    ("operator", "inputs", "message"),
    [
        (_convolution(inputs=5, outputs=4), ["map"], "new: the convolution takes 5 channels, not 4"),
        (Dense(inputs=3, outputs=2), ["map"], r"new: the dense layer takes 3 features, not \(5, 5, 4\)"),
        (Add(), ["map", "image"], r"new: only maps of one shape are added, not \(5, 5, 4\) and \(9, 9, 3\)"),
        (Add(), ["map"], "new: a sum has 2 inputs, not 1"),
        (Scale(), ["map", "map"], r"new: a map of \(5, 5, 4\) is scaled by \(1, 1, 4\) factors"),
        (Mean(), ["nowhere"], "new takes nowhere, which is not there yet"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operator) else None,
)
def test_what_does_not_fit_is_refused_by_name(operator: Operator, inputs: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _builder().add("new", operator, *inputs, part=PART)


def test_a_vector_is_no_map() -> None:
    builder = _builder()
    builder.add("dense", Dense(inputs=100, outputs=2), "map", part=PART)
    with pytest.raises(
        ValueError, match=r"new: a mean takes a map of \(height, width, channels\), not \(2,\)"
    ):
        builder.add("new", Mean(), "dense", part=PART)


def test_names_are_given_once() -> None:
    with pytest.raises(ValueError, match="two operators are called map"):
        _builder().add("map", Mean(), IMAGE, part=PART)


@pytest.mark.parametrize("outputs", [{}, {"logits": "nowhere"}])
def test_outputs_are_among_the_operators(outputs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="a graph's outputs are among its operators"):
        _builder().build(outputs)


@given(architectures())
def test_every_operator_stands_behind_its_inputs_and_in_one_part(architecture: Architecture) -> None:
    graph = architecture.lowered()
    seen: set[str] = set()
    for op in graph.ops.values():
        assert seen.issuperset(op.inputs)
        seen.add(op.name)
    in_parts = [op.name for ops in graph.parts.values() for op in ops]
    assert sorted([IMAGE, *in_parts]) == sorted(graph.ops)
    names = [part.name for part in graph.parts]
    assert len(set(names)) == len(names)
