"""A calibrated table as a device: what it says of a latency was predicted, and says so."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Z_95, Artifact, DeviceCard, Format, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import Device, UnsuitableError
from mnasnet.devices.named import DeviceName
from mnasnet.meters.extent import FIELDS
from mnasnet.meters.table import Table, read_table


class TableDevice(Device):
    """Predicts what a device would measure; runs nothing.

    It knows networks by `Artifact.architecture`. The interval of a latency is the table's own uncertainty.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    @property
    def name(self) -> str:
        """As the protocol says: whose table it is, and which."""
        return f"table of {self.table.card.name} ({self.table.digest})"

    @property
    def formats(self) -> tuple[Format, ...]:
        """As the protocol says: of the files that were timed."""
        return (self.table.format,)

    @property
    def reference(self) -> Artifact:
        """The network that its latencies are in units of; there is no such file."""
        table = self.table
        return Artifact(
            path=Path("MobileNetV2"),
            format=table.format,
            digest=table.reference.digest(),
            size_bytes=0,
            architecture=table.reference,
            precision=table.precision,
        )

    def measure(
        self, artifact: Artifact, *, reference: Artifact, agreed: Latency | None, launches: int = 1
    ) -> Latency:
        """As the protocol says; the file is not opened.

        The reference against itself takes what it took when the table was calibrated, with that interval.

        Raises:
            DeviceError: the network lies outside of what was calibrated, or is not known at all; or the reference
                is another one.
            ValueError: `launches` is less than 1.
        """
        if launches < 1:
            raise ValueError(f"a measurement takes at least 1 launch, not {launches}")
        table = self.table
        network = self._known(artifact)
        asked, own_reference = self._known(reference), table.reference
        if asked.digest() != own_reference.digest():
            others = {
                f"`{field}`"
                for name, field in FIELDS.items()
                if getattr(asked, name) != getattr(own_reference, name)
            }
            raise UnsuitableError(
                f"the table is for images of {own_reference.image_size} px, {own_reference.in_channels} channels "
                f"and {own_reference.classes} classes at width {table.width:g}: give the same "
                f"{' and '.join(sorted(others)) or 'reference'}, or calibrate again, with mnasnet calibrate"
            )
        own = table.agreed
        unit_ms = own.reference_ms if agreed is None else agreed.reference_ms
        itself = network.digest() == table.reference.digest()
        if itself:
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
            launch_spread=own.launch_spread if itself else None,
            reference_half=own.reference_half if itself else None,
            statistic=own.statistic,
            predicted=True,
        )

    def _known(self, artifact: Artifact) -> Architecture:
        table = self.table
        if artifact.architecture is None:
            raise UnsuitableError(
                f"{artifact.path}: a table knows networks that mnasnet wrote itself, not files; measure it on "
                f"{table.device}"
            )
        asked, known = (
            (artifact.format, artifact.precision),
            (table.format, table.precision),
        )
        if asked != known:
            raise UnsuitableError(
                f"the table is of {' in '.join(known)}, not of {' in '.join(asked)}: calibrate again in that "
                "precision, with mnasnet calibrate"
            )
        return artifact.architecture

    def card(self) -> DeviceCard:
        """The device's, as it was when the table was calibrated, under the table's name."""
        return replace(self.table.card, name=self.name)

    def idle(self) -> Mapping[int, float]:
        """Nothing runs on a table."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def open_table(name: DeviceName, *, threads: int) -> TableDevice:
    """The table in the file that is named.

    Raises:
        RequestError: the file holds none, or one of another number of threads.
    """
    path = Path(name.address)
    try:
        table = read_table(path)
    except RequestError as error:
        raise RequestError(str(error), field="device", value=name.text) from error
    if threads != table.card.threads:
        raise RequestError(
            f"{path} was calibrated with {table.card.threads}; give that, or calibrate again",
            field="threads",
            value=threads,
        )
    return TableDevice(table)
