"""Records of a calibration: what is asked for, what was measured, and the table that came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mnasnet.arch.records import Precision
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.table import MeasuredNetwork, Table
from mnasnet.space.space import Space


@dataclass(frozen=True, kw_only=True)
class CalibrationRequest:
    """What a table is wanted of, and how long the device may be measured for it."""

    device_name: str
    """As the user named the device; it stands in the table."""
    space: Space
    """Of whose networks the table is to know; made with `size`."""
    size: NetworkSize
    minutes: float
    """For how long the device is measured."""
    precision: Precision = "fp32"
    """Of the files."""
    seed: int = 0
    """Of the networks that are measured."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A table and what it took."""

    table: Table
    seconds: float
    """Of measuring."""
    refused: int
    """Networks held out that lie outside of what was calibrated; in the table's errors they count all the same."""


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What a calibration measured, in units of the reference."""

    training: Sequence[MeasuredNetwork]
    """In the order in which they were measured."""
    drawn: Sequence[MeasuredNetwork]
    """Of these, the ones that were not chosen for what they tell."""
    held_out: Sequence[MeasuredNetwork]
    second_ratios: Sequence[float]
    """Of each network held out the second measurement; all of them come after the first ones."""
    seconds: float
