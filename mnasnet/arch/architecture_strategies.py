"""Hypothesis strategies for tests: any block, and small architectures with every operator, skip and padding."""

from typing import get_args

from hypothesis import strategies as st

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import Block, ConvOp, SkipOp, SqueezeBase
from mnasnet.graph.operators import Activation, GateFunction, Padding


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """Blocks of one to three layers, whose few widths often equal their neighbours'."""
    op = draw(st.sampled_from(get_args(ConvOp)))
    se_ratio = draw(st.sampled_from([0.0, 0.25]) | st.floats(0, 1))
    return Block(
        op=op,
        kernel=draw(st.sampled_from([1, 3, 5, 7])),
        stride=draw(st.sampled_from([1, 2])),
        filters=draw(st.sampled_from([8, 12, 16])),
        layers=draw(st.integers(1, 3)),
        expansion=draw(st.sampled_from([1, 3, 6, 2.3])) if op == "mb" else 1,
        se_ratio=se_ratio,
        skip=draw(st.sampled_from(get_args(SkipOp))),
        se_base=draw(st.sampled_from(get_args(SqueezeBase))) if se_ratio else "inputs",
        activation=draw(st.none() | st.sampled_from(get_args(Activation))),
    )


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Small networks, for odd and even images."""
    return Architecture(
        blocks=tuple(draw(st.lists(blocks(), min_size=1, max_size=4))),
        image_size=draw(st.integers(9, 33)),
        in_channels=draw(st.sampled_from([1, 3])),
        classes=draw(st.sampled_from([2, 10])),
        stem=draw(st.sampled_from([8, 12])),
        stem_stride=draw(st.sampled_from([1, 2])),
        head=24,
        activation=draw(st.sampled_from(get_args(Activation))),
        padding=draw(st.sampled_from(get_args(Padding))),
        bn_epsilon=draw(st.sampled_from([1e-3, 1e-5])),
        hidden=draw(st.none() | st.just(16)),
        gate=draw(st.sampled_from(get_args(GateFunction))),
    )
