"""ONNX: a network through torch's own exporter, with labels and normalisation inside."""

from dataclasses import replace
from pathlib import Path

import torch

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Learned
from mnasnet.base.files import replace_file
from mnasnet.base.libraries import of_extra, quiet
from mnasnet.export.metadata import JSON_ENTRY, Metadata
from mnasnet.graph.graph import IMAGE, LOGITS
from mnasnet.nn.network import Network

with of_extra("onnx"), quiet():
    import onnx
    import onnxscript  # noqa: F401, torch's exporter wants it and says so in many lines


def write_onnx(network: Network, metadata: Metadata, path: Path, *, dynamic_batch: bool = False) -> Artifact:
    """Write the network to `path`; an older file there is replaced.

    Input is `image`, float32 `[1, channels, size, size]` as in torch, or with `dynamic_batch` any number of images;
    output `logits`. Batch normalisation is folded; what was learned is JSON in the model's `metadata_props`.

    Args:
        network: in evaluation mode, on the CPU.
        metadata: what stands inside.
        path: where to; its folder must exist.
        dynamic_batch: whether the number of images is left open.

    Raises:
        OSError: the file cannot be written.
    """
    architecture = network.architecture
    size = architecture.image_size
    images = torch.zeros(2 if dynamic_batch else 1, architecture.in_channels, size, size)
    with quiet():
        program = torch.onnx.export(
            network,
            (images,),
            input_names=[IMAGE],
            output_names=[LOGITS],
            dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic_batch else None,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Torch notes where each operator came from: the folders of this machine, and more bytes than a small network.
    for noted in (
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
    ):
        noted.ClearField("metadata_props")
    onnx.helper.set_model_props(model, {JSON_ENTRY: metadata.to_json()})
    content = model.SerializeToString()
    replace_file(path, content)
    return Artifact(path=path, format="onnx", digest=architecture.digest(), size_bytes=len(content))


def write_untrained_onnx(architecture: Architecture, path: Path) -> Artifact:
    """Write a network with random weights to `path`, to be timed: what is inside classifies nothing.

    Raises:
        OSError: the file cannot be written.
    """
    learned = Learned(classes=(), mean=(), std=())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(architecture).eval()
    metadata = Metadata(name=architecture.digest(), description="Untrained", learned=learned)
    return replace(write_onnx(network, metadata, path), architecture=architecture)
