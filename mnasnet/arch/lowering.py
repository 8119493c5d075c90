"""Lowering: a layer of a block as operators of a graph, by the names of the torch modules that compute them."""

from mnasnet.arch.block import Layer
from mnasnet.graph.graph import GraphBuilder, Part
from mnasnet.graph.operators import Add, AveragePool, Convolution, FitChannels, Gate, Mean, Scale

POOL_KERNEL = 3
"""Side of the average pool of a pooling skip. The paper leaves it open; 3 is the smaller of its kernels."""


def lower_layer(builder: GraphBuilder, layer: Layer, source: str, *, name: str, part: Part) -> str:
    """Put the operators of `layer` behind `source`; the name of the last, all begin with `name`."""
    before, after = layer.convolutions()
    features = source
    for place, convolution in enumerate(before):
        features = builder.add(f"{name}.before.{place}", convolution, features, part=part)
    if layer.squeezed is not None:
        features = _lower_squeeze_and_excitation(builder, layer, features, name=f"{name}.se", part=part)
    for place, convolution in enumerate(after):
        features = builder.add(f"{name}.after.{place}", convolution, features, part=part)
    if layer.skip == "none":
        return features
    if layer.skip == "pool":
        pool = AveragePool(kernel=POOL_KERNEL, stride=layer.stride)
        source = builder.add(f"{name}.skip.pool", pool, source, part=part)
        if layer.inputs != layer.outputs:
            source = builder.add(f"{name}.skip.fit", FitChannels(outputs=layer.outputs), source, part=part)
    return builder.add(f"{name}.add", Add(), features, source, part=part)


def describe_layer(layer: Layer, *, block: int, position: int) -> Part:
    """The part that a layer is, by its block and its position in it, both from 1."""
    titles = {"conv": "Conv", "sep": "SepConv", "mb": f"MBConv{layer.expansion:.3g}"}
    details = [f"stride {layer.stride}"]
    details += ["SE"] if layer.squeezed is not None else []
    details += [layer.activation] if layer.activation != layer.form.activation else []
    return Part(
        name=f"block {block}.{position}",
        group=f"block {block}",
        kind=layer.op,
        title=f"{titles[layer.op]} {layer.kernel}×{layer.kernel}",
        details=" · ".join(details),
        notation=layer.notation(),
        skip=layer.skip,
    )


def _lower_squeeze_and_excitation(
    builder: GraphBuilder, layer: Layer, source: str, *, name: str, part: Part
) -> str:
    """`source` with each channel scaled by a gate that the means of all channels decide (Figure 7a)."""
    assert layer.squeezed is not None
    channels = builder.channels(source)
    mean = builder.add(f"{name}.mean", Mean(), source, part=part)
    # Always ReLU (the official `se_reduce`), also where the network's own activation is another.
    squeeze = Convolution(
        kernel=1, stride=1, inputs=channels, outputs=layer.squeezed, activation="relu", batch_norm=False
    )
    excite = Convolution(
        kernel=1, stride=1, inputs=layer.squeezed, outputs=channels, activation=None, batch_norm=False
    )
    squeezed = builder.add(f"{name}.squeeze", squeeze, mean, part=part)
    excited = builder.add(f"{name}.excite", excite, squeezed, part=part)
    gate = builder.add(f"{name}.gate", Gate(function=layer.form.gate), excited, part=part)
    return builder.add(f"{name}.scale", Scale(), source, gate, part=part)
