"""A `.pte` file on ExecuTorch with XNNPACK; its Python runtime takes torch's tensors."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mnasnet.base.errors import RequestError
from mnasnet.base.libraries import of_extra, quiet
from mnasnet.devices.model_file import check_shapes
from mnasnet.export.metadata import JSON_ENTRY, Metadata, metadata_from_json

with of_extra("executorch"), quiet():
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

COPIES = ("aten::alias_copy", "dim_order_ops::_to_dim_order_copy", "dim_order_ops::_clone_dim_order")
"""Kernels between the delegate's shares that compute nothing."""


class ExecutorchFile:
    """A loaded `.pte` file with one input `[1, channels, size, size]` and one output `[1, classes]`."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load `path`; all files of this process share the number of threads.

        Raises:
            RequestError: it is no such network.
        """
        self._path = path
        try:
            with quiet():
                _unsafe_reset_threadpool(
                    threads
                )  # the only way that there is; unsafe while another file runs
                self._program = Runtime.get().load_program(path)
                self._method = self._program.load_method("forward")
        except RuntimeError as error:
            raise RequestError(f"{path} cannot be run: {' '.join(str(error).split())}") from error
        if self._method is None:
            raise RequestError(f"{path} cannot be run: it has no method called forward")
        about = self._method.metadata
        inputs = [list(about.input_tensor_meta(n).sizes()) for n in range(about.num_inputs())]
        outputs = [list(about.output_tensor_meta(n).sizes()) for n in range(about.num_outputs())]
        check_shapes(path, [*inputs, *outputs])
        ((_, channels, height, width),), ((_, classes),) = inputs, outputs
        self._classes = int(classes)
        self._image_shape = (height, width, channels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """As the protocol says."""
        return self._image_shape

    @property
    def classes(self) -> int:
        """As the protocol says."""
        return self._classes

    @property
    def takes(self) -> str:
        """As the protocol says."""
        height, width, channels = self._image_shape
        return f"float32 [1, {channels}, {height}, {width}]"

    @property
    def metadata(self) -> Metadata:
        """As the protocol says; it stands in a method of its own, which gives the bytes of JSON."""
        text = None
        if JSON_ENTRY in self._program.method_names:
            method = self._program.load_method(JSON_ENTRY)
            assert method is not None
            text = bytes(method.execute([])[0].tolist()).decode()
        return metadata_from_json(text, self._path)

    @property
    def operators(self) -> dict[str, int]:
        """As the protocol says; what XNNPACK took over counts as one for each of its shares."""
        return dict(sorted(Counter(self._calls()).items()))

    @property
    def runtime(self) -> str:
        """As the protocol says."""
        return "XNNPACK"

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(name for name in self.operators if "::" in name and name not in COPIES)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the protocol says."""
        found = np.empty((len(images), self.classes), np.float32)
        for number, image in enumerate(images):
            pixels = torch.from_numpy(image[None]).permute(0, 3, 1, 2).contiguous()
            # Copied at once: the next run writes to the same memory.
            found[number] = self._method.execute([pixels])[0].numpy()[0]
        return found

    def _calls(self) -> list[str]:
        """The instructions of the program: kernels by name, and shares of delegates."""
        loaded = deserialize_pte_binary(self._path.read_bytes())
        (plan,) = [plan for plan in loaded.program.execution_plan if plan.name == "forward"]
        calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
        names = []
        for call in calls:
            if isinstance(call, KernelCall):
                names.append(plan.operators[call.op_index].name)
            elif isinstance(call, DelegateCall):
                names.append(plan.delegates[call.delegate_index].id)
        return names
