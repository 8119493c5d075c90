"""Latency predicted from a calibrated table: nothing is run, and every record says so."""

import math
from pathlib import Path

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Z_95, Artifact, Format, Latency, Precision
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import UnsuitableError
from mnasnet.devices.named import DeviceName
from mnasnet.meters.extent import FLAGS
from mnasnet.meters.meter import CalibratedDevice, ReferencedMeter
from mnasnet.meters.table import Table, read_table


class TableMeter(ReferencedMeter):
    """Predicts what a device would take.

    It knows networks, and files by the `architecture` of their `Artifact`. The interval of a latency is the table's
    own uncertainty.
    """

    def __init__(
        self,
        table: Table,
        reference: Architecture | None = None,
        *,
        unit: Latency | None = None,
        precision: Precision = "fp32",
    ) -> None:
        """`reference` and `precision` are those of a study, and must be the table's; None is its own reference."""
        self.table, self.unit, self.precision = table, unit, precision
        self._reference = reference or table.reference

    @property
    def name(self) -> str:
        """As the protocol says: whose table it is, and which."""
        return f"table of {self.table.card.name} ({self.table.digest})"

    @property
    def format(self) -> Format:
        """As the protocol says: of the files that were timed."""
        return self.table.format

    @property
    def calibrated_device(self) -> CalibratedDevice:
        """As the protocol says."""
        return CalibratedDevice(name=self.table.device, card=self.table.card)

    def prepare(self) -> None:
        """As the protocol says: the table must be of such networks."""
        self._check_files(self.table.format, self.precision)
        self._check_reference()

    def use_reference(self, artifact: Artifact) -> None:
        """As the protocol says: its own stays."""

    def measure_reference(self, *, launches: int, lenient: bool = False) -> Latency:
        """As the protocol says: what it took when the table was calibrated, with that interval."""
        self._check_files(self.table.format, self.precision)
        self.unit = self._predict(self._reference, launches=launches)
        return self.unit

    def measure_network(self, architecture: Architecture) -> Latency:
        """As the protocol says.

        Raises:
            UnsuitableError: the table is of other files, or in units of another reference.
            DeviceError: the network lies outside of what was calibrated.
        """
        self._check_files(self.table.format, self.precision)
        return self._predict(architecture, launches=1)

    def measure_file(self, artifact: Artifact, *, launches: int = 1, lenient: bool = False) -> Latency:
        """As the protocol says; the file is not opened.

        Raises:
            UnsuitableError: nothing is known of the file; or as of `measure_network`.
            DeviceError: as of `measure_network`.
            ValueError: `launches` is less than 1.
        """
        if artifact.architecture is None:
            raise UnsuitableError(
                f"{artifact.path}: a table knows networks that mnasnet wrote itself, not files; measure it on "
                f"{self.table.device}"
            )
        self._check_files(artifact.format, artifact.precision)
        return self._predict(artifact.architecture, launches=launches)

    def _check_files(self, format: Format, precision: Precision) -> None:
        asked, known = (format, precision), (self.table.format, self.table.precision)
        if asked != known:
            raise UnsuitableError(
                f"the table is of {' in '.join(known)}, not of {' in '.join(asked)}: calibrate again for that, "
                "with mnasnet calibrate --precision"
            )

    def _check_reference(self) -> None:
        own, asked = self.table.reference, self._reference
        if asked.digest() == own.digest():
            return
        others = {flag for name, flag in FLAGS.items() if getattr(asked, name) != getattr(own, name)}
        raise UnsuitableError(
            f"the table is for images of {own.image_size} px, {own.in_channels} channels "
            f"and {own.classes} classes at width {self.table.width:g}: give the same "
            f"{' and '.join(sorted(others)) or 'reference'}, or calibrate again, with mnasnet calibrate"
        )

    def _predict(self, network: Architecture, *, launches: int) -> Latency:
        if launches < 1:
            raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
        self._check_reference()
        table, own = self.table, self.table.unit
        unit_ms = own.reference_ms if self.unit is None else self.unit.reference_ms
        is_reference = network.digest() == table.reference.digest()
        if is_reference:
            ratio, low, high = 1.0, own.low_ms / own.median_ms, own.high_ms / own.median_ms
        else:
            ratio, spread = table.predict(network)
            low, high = (ratio * math.exp(sign * Z_95 * spread) for sign in (-1, 1))
        return Latency(
            median_ms=ratio * unit_ms,
            low_ms=low * unit_ms,
            high_ms=high * unit_ms,
            ratio=ratio,
            reference_ms=unit_ms,
            raw_ms=(),
            raw_reference_ms=(),
            runs=0,
            blocks_discarded=0,
            launches=launches,
            device=self.name,
            runtime=f"predicted from {len(table.measured)} networks on {own.runtime}",
            threads=table.card.threads,
            cores=own.cores,
            measured_at=table.calibrated_at,
            launch_spread=own.launch_spread if is_reference else None,
            reference_half=own.reference_half if is_reference else None,
            statistic=own.statistic,
            predicted=True,
        )

    def close(self) -> None:
        """Nothing is held."""


def read_named_table(name: DeviceName, *, threads: int) -> Table:
    """The table in the file that a name holds.

    Raises:
        RequestError: the file holds none, or one of another number of threads.
    """
    path = Path(name.address)
    try:
        table = read_table(path)
    except RequestError as error:
        raise RequestError(f"--device {name.text}: {error}") from error
    if threads != table.card.threads:
        raise RequestError(
            f"--threads {threads}: {path} was calibrated with {table.card.threads}; give that, or calibrate again"
        )
    return table
