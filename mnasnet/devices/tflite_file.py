"""A `.tflite` file on LiteRT; no torch."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from mnasnet.base.libraries import quiet
from mnasnet.devices.model_file import ModelFileError, check_shapes
from mnasnet.devices.runner import find_undelegated
from mnasnet.export.metadata import Metadata, read_metadata

DELEGATE = "DELEGATE"
"""What the runtime calls the operator that stands for XNNPACK's share of the graph."""


class TfliteFile:
    """A loaded `.tflite` file with one input `[1, size, size, channels]` and one output `[1, classes]`."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load `path`.

        Raises:
            ModelFileError: it is no such network.
        """
        self._path = path
        try:
            with quiet():  # it says that there is XNNPACK
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"{path} cannot be run: {' '.join(str(error).split())}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        check_shapes(path, [[int(side) for side in tensor["shape"]] for tensor in (*inputs, *outputs)])
        self._input, self._output = inputs[0], outputs[0]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        _, height, width, channels = map(int, self._input["shape"])
        return height, width, channels

    @property
    def classes(self) -> int:
        """How many logits an image gets."""
        return int(self._output["shape"][1])

    @property
    def takes(self) -> str:
        """As the protocol says."""
        kind, shape = np.dtype(self._input["dtype"]), [int(side) for side in self._input["shape"]]
        scale, zero = self._input["quantization"]
        return f"{kind} {shape}" + ("" if kind == np.float32 else f", round(value / {scale:.7g}) + {zero}")

    @property
    def metadata(self) -> Metadata:
        """As the protocol says."""
        return read_metadata(self._path)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[n, classes]` of normalised images `[n, size, size, channels]`, quantized and back where the file is."""
        found = np.empty((len(images), self.classes), np.float32)
        for number, image in enumerate(images):
            self._interpreter.set_tensor(self._input["index"], _quantized(image[None], self._input))
            self._interpreter.invoke()
            found[number] = _restored(self._interpreter.get_tensor(self._output["index"]), self._output)[0]
        return found

    @property
    def runtime(self) -> str:
        """As the protocol says."""
        return "XNNPACK"

    @property
    def operators(self) -> dict[str, int]:
        """How often each operator stands in the file, by name."""
        names = (operator["op_name"] for operator in self._interpreter._get_ops_details())
        return dict(sorted(Counter(name for name in names if name != DELEGATE).items()))

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """Operators that XNNPACK leaves to the runtime's own kernels; empty when it computes everything."""
        return tuple(find_undelegated(self._interpreter))


def _quantized(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    kind = np.dtype(tensor["dtype"])
    if kind == np.float32:
        return np.ascontiguousarray(values)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(kind)
    quantized = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    return quantized.astype(kind)  # type: ignore[no-any-return]  # a type known at run time


def _restored(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    if values.dtype == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
