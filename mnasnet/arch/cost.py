"""Parameters and multiply-adds of an architecture, layer by layer, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnasnet.arch.architecture import Architecture, Convolution, Layer, map_size


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one row of the table costs."""

    name: str
    """`stem`, `block 3.2` (second layer of the third block), `head` or `classifier`."""
    what: str
    """The layer in words of the notation."""
    output: tuple[int, int, int]
    """Height, width and channels behind the layer."""
    parameters: int
    """Trainable numbers: weights, BN scales and offsets, SE and classifier biases."""
    multiply_adds: int
    """Of convolutions and fully connected layers, as the papers count; additions, pools and BN are free."""


def cost(architecture: Architecture) -> list[LayerCost]:
    """One row a layer; `parameters` and `multiply_adds` sum them."""
    size = map_size(architecture.image_size, architecture.stem_stride)
    stem = architecture.stem_convolution
    rows = [_row("stem", f"conv_k{stem.kernel}_s{stem.stride}", size, stem.outputs, [(stem, size)], None)]
    for name, layer in architecture.named_layers():
        (*expansion, spatial), after = layer.convolutions()
        # A convolution's cost goes with its output map: an expansion still has the larger one.
        sized = [(c, size) for c in expansion]
        size = map_size(size, layer.stride)
        sized += [(c, size) for c in (spatial, *after)]
        rows.append(_row(name, _words(layer), size, layer.outputs, sized, layer))
    head = architecture.head_convolution
    rows.append(_row("head", "conv_k1_s1", size, head.outputs, [(head, size)], None))
    weights = head.outputs * architecture.classes
    rows.append(
        LayerCost(
            name="classifier",
            what="mean, fully connected",
            output=(1, 1, architecture.classes),
            parameters=weights + architecture.classes,
            multiply_adds=weights,
        )
    )
    return rows


def parameters(architecture: Architecture) -> int:
    """Trainable numbers of the whole network."""
    return sum(row.parameters for row in cost(architecture))


def multiply_adds(architecture: Architecture) -> int:
    """Multiply-adds of one image through the whole network."""
    return sum(row.multiply_adds for row in cost(architecture))


def _row(
    name: str,
    what: str,
    size: int,
    channels: int,
    convolutions: Sequence[tuple[Convolution, int]],
    layer: Layer | None,
) -> LayerCost:
    weights = [c.kernel**2 * c.outputs * (1 if c.depthwise else c.inputs) for c, _ in convolutions]
    count = sum(weights) + sum(2 * c.outputs for c, _ in convolutions)
    adds = sum(w * side**2 for w, (_, side) in zip(weights, convolutions, strict=True))
    if layer is not None and layer.squeezed is not None:
        excited = layer.convolutions()[0][-1].outputs
        squeeze = 2 * excited * layer.squeezed
        count += squeeze + layer.squeezed + excited
        adds += squeeze
    return LayerCost(
        name=name, what=what, output=(size, size, channels), parameters=count, multiply_adds=adds
    )


def _words(layer: Layer) -> str:
    parts = [layer.op, f"k{layer.kernel}", f"s{layer.stride}"]
    parts += [f"e{layer.expansion}"] if layer.op == "mb" else []
    parts += [f"se{layer.squeezed}"] if layer.squeezed is not None else []
    return "_".join(parts + ([layer.skip] if layer.skip != "none" else []))
