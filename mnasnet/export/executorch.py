"""ExecuTorch: a network for its runtime on phones, lowered to XNNPACK, with labels and normalisation inside."""

from pathlib import Path

import torch

from mnasnet.arch.records import Artifact
from mnasnet.base.files import replace_file
from mnasnet.base.libraries import of_extra, quiet
from mnasnet.export.metadata import JSON_ENTRY, Metadata
from mnasnet.nn.network import Network

with of_extra("executorch"), quiet():
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.exir import to_edge_transform_and_lower


NOT_COUNTED = ("getitem", "aten_alias_copy_default")
"""What stands among the operators and computes nothing."""


def write_executorch(network: Network, metadata: Metadata, path: Path) -> tuple[Artifact, dict[str, int]]:
    """Write the network to `path`, an older file there is replaced; how often each operator is in it.

    The operators are those before XNNPACK took them over: the file only says how many shares it has of them.

    Input is float32 `[1, channels, size, size]` as in torch. What was learned stands in a second method,
    `mnasnet`, which takes nothing and gives the bytes of JSON: the format has no other place for it.

    Args:
        network: in evaluation mode, on the CPU.
        metadata: what stands inside.
        path: where to; its folder must exist.

    Raises:
        OSError: the file cannot be written.
    """
    architecture = network.architecture
    size = architecture.image_size
    images = torch.zeros(1, architecture.in_channels, size, size)
    inside = torch.tensor(list(metadata.to_json().encode()), dtype=torch.uint8)
    with quiet():
        lowered = to_edge_transform_and_lower(
            torch.export.export(network, (images,)),
            partitioner=[XnnpackPartitioner()],
            constant_methods={JSON_ENTRY: inside},
        )
        counted = get_delegation_info(lowered.exported_program().graph_module).delegation_by_operator
        content = lowered.to_executorch().buffer
    replace_file(path, content)
    artifact = Artifact(path=path, format="executorch", digest=architecture.digest(), size_bytes=len(content))
    operators = {
        name: count.delegated + count.non_delegated
        for name, count in sorted(counted.items())
        if name not in NOT_COUNTED
    }
    return artifact, operators
