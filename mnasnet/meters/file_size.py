"""File size: how large the file of a network is, in its format and precision; no device is needed."""

import tempfile
from pathlib import Path

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Format, Precision
from mnasnet.measures.limits import FILE_SIZE
from mnasnet.measures.quantity import Quantity
from mnasnet.meters.meter import Meter
from mnasnet.meters.untrained_file import write_untrained_file

BYTES_PER_MB = 1_000_000


class FileSizeMeter(Meter[Quantity]):
    """Writes a network and looks at its file. Labels and normalisation, some kilobytes, come on top."""

    def __init__(self, *, format: Format, precision: Precision) -> None:
        self._format, self._precision = format, precision
        self._folder = tempfile.TemporaryDirectory(prefix="mnasnet-")

    @property
    def name(self) -> str:
        """As the protocol says."""
        return f"size of {self._format} in {self._precision}"

    def measure_network(self, architecture: Architecture) -> Quantity:
        """As the protocol says."""
        path = Path(self._folder.name) / f"candidate.{self._format}"
        return self.measure_file(
            write_untrained_file(architecture, path, format=self._format, precision=self._precision)
        )

    def measure_file(self, artifact: Artifact) -> Quantity:
        """As the protocol says; the file is not opened."""
        return Quantity(
            name=FILE_SIZE,
            unit="MB",
            better="lower",
            value=artifact.size_bytes / BYTES_PER_MB,
            interval=None,
            conditions={"format": artifact.format, "precision": artifact.precision},
        )

    def close(self) -> None:
        """As the protocol says."""
        self._folder.cleanup()
