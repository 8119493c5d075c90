"""The operators that a runtime runs for a network, one by one, with the sizes that decide how long each takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mnasnet.arch.architecture import POOL_KERNEL, Architecture, Convolution, Layer, map_size

Sort = Literal["pointwise", "spatial", "depthwise", "pool", "dense", "elementwise"]
"""Operators that one kind of kernel computes. `dense` are fully connected layers and the gates of squeeze-and-
excitation, `spatial` are regular convolutions wider than a point."""


@dataclass(frozen=True, kw_only=True, order=True)
class Operator:
    """One operator of a network, as a runtime sees it."""

    sort: Sort
    kind: str
    """What it does, with kernel and stride, such as `depthwise k5 s2`: only operators of a kind are alike."""
    inputs: int
    """Input channels."""
    outputs: int
    """Output channels."""
    size: int
    """Side of the larger of its maps, in pixels."""
    out_size: int
    """Side of the output's."""
    multiply_adds: int
    """Or additions and comparisons, where it multiplies nothing."""
    weights: int
    """Numbers that it reads beside its input."""

    @property
    def values(self) -> int:
        """Numbers of its input and output maps."""
        return self.inputs * self.size**2 + self.outputs * self.out_size**2


# A calibration asks for those of a thousand networks again and again.
@lru_cache(maxsize=4096)
def operators(architecture: Architecture) -> tuple[Operator, ...]:
    """In the order in which they run; what `mnasnet.export.tflite` writes for the network."""
    size = architecture.image_size
    stem = architecture.stem_convolution
    found = [_convolution(stem, size)]
    size = map_size(size, stem.stride)
    for _, layer in architecture.layers():
        found += _layer(layer, size)
        size = map_size(size, layer.stride)
    head = architecture.head_convolution
    found += [
        _convolution(head, size),
        _elementwise("mean", head.outputs, head.outputs, size, 1),
        _dense("classifier", head.outputs, architecture.classes),
    ]
    return tuple(found)


def _layer(layer: Layer, size: int) -> Iterator[Operator]:
    before, after = layer.convolutions()
    source = size
    for convolution in before:
        yield _convolution(convolution, size)
        size = map_size(size, convolution.stride)
    if layer.squeezed is not None:
        excited = before[-1].outputs
        yield _elementwise("mean", excited, excited, size, 1)
        yield _dense("squeeze", excited, layer.squeezed)
        yield _dense("excite", layer.squeezed, excited)
        yield _elementwise("scale", excited, excited, size, size)
    for convolution in after:
        yield _convolution(convolution, size)
    if layer.skip == "pool":
        channels, window = layer.inputs, POOL_KERNEL**2
        yield Operator(
            sort="pool",
            kind=f"pool s{layer.stride}",
            inputs=channels,
            outputs=channels,
            size=source,
            out_size=size,
            multiply_adds=window * channels * size**2,
            weights=0,
        )
        if channels != layer.outputs:
            kind = "cut" if channels > layer.outputs else "fill"
            yield _elementwise(kind, channels, layer.outputs, size, size)
    if layer.skip != "none":
        yield _elementwise("add", layer.outputs, layer.outputs, size, size)


def _convolution(convolution: Convolution, size: int) -> Operator:
    kernel, stride, depthwise = convolution.kernel, convolution.stride, convolution.depthwise
    sort: Sort = "depthwise" if depthwise else "pointwise" if kernel == 1 else "spatial"
    out_size = map_size(size, stride)
    weights = kernel**2 * convolution.outputs * (1 if depthwise else convolution.inputs)
    return Operator(
        sort=sort,
        kind=f"{sort} k{kernel} s{stride}",
        inputs=convolution.inputs,
        outputs=convolution.outputs,
        size=size,
        out_size=out_size,
        multiply_adds=weights * out_size**2,
        weights=weights,
    )


def _dense(kind: str, inputs: int, outputs: int) -> Operator:
    return Operator(
        sort="dense",
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        size=1,
        out_size=1,
        multiply_adds=inputs * outputs,
        weights=inputs * outputs,
    )


def _elementwise(kind: str, inputs: int, outputs: int, size: int, out_size: int) -> Operator:
    return Operator(
        sort="elementwise",
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        size=size,
        out_size=out_size,
        multiply_adds=max(inputs * size**2, outputs * out_size**2),
        weights=0,
    )
