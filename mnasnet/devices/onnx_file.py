"""An `.onnx` file on ONNX Runtime's CPU kernels; no torch."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnasnet.base.errors import RequestError
from mnasnet.base.libraries import of_extra, quiet
from mnasnet.devices.model_file import check_shapes
from mnasnet.export.metadata import JSON_ENTRY, Metadata, metadata_from_json

with of_extra("onnx"):
    import onnx
    import onnxruntime


class OnnxFile:
    """A loaded `.onnx` file with one input `[batch, channels, size, size]` and one output `[batch, classes]`."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load `path`.

        Raises:
            RequestError: it is no such network.
        """
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            with quiet():
                self._session = onnxruntime.InferenceSession(
                    path, options, providers=["CPUExecutionProvider"]
                )
        except Exception as error:  # its exceptions share no base of their own
            raise RequestError(f"{path} cannot be run: {' '.join(str(error).split())}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        # A side that is left open has a name, or nothing.
        shapes = [
            [side if isinstance(side, int) else None for side in one.shape] for one in (*inputs, *outputs)
        ]
        check_shapes(path, shapes)
        (_, channels, height, width), (_, classes) = inputs[0].shape, outputs[0].shape
        self._classes = int(classes)
        self._image_shape = (height, width, channels)
        self._input = inputs[0]

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
        return f"float32 [{', '.join(map(str, self._input.shape))}]"

    @property
    def metadata(self) -> Metadata:
        """As the protocol says."""
        return metadata_from_json(
            self._session.get_modelmeta().custom_metadata_map.get(JSON_ENTRY), self._path
        )

    @property
    def operators(self) -> dict[str, int]:
        """As the protocol says."""
        nodes = onnx.load(self._path, load_external_data=False).graph.node
        return dict(sorted(Counter(node.op_type for node in nodes).items()))

    @property
    def runtime(self) -> str:
        """As the protocol says."""
        return "ONNX Runtime's CPU kernels"

    @property
    def not_delegated(self) -> tuple[str, ...]:
        """Always empty: a file with an operator that it has no kernel for cannot be loaded."""
        return ()

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """As the protocol says."""
        found = np.empty((len(images), self.classes), np.float32)
        for number, image in enumerate(images):
            pixels = np.ascontiguousarray(image[None].transpose(0, 3, 1, 2))
            found[number] = self._session.run(None, {self._input.name: pixels})[0][0]
        return found
