"""A calibrated table: latencies predicted from measurements of other networks on one device, and its file."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.records import (
    Z_95,
    DeviceCard,
    Format,
    Latency,
    Precision,
    device_card_from_json,
    latency_from_json,
)
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file
from mnasnet.devices.device import DeviceError
from mnasnet.meters.extent import Extent
from mnasnet.meters.prediction import Predictor, PredictorParameters

TABLE_KIND, TABLE_VERSION = "mnasnet latency table", 1
"""How a file says that it is one. The version changes with what a fit means: with `prediction` and `operators`."""

OUTSIDE_TIMES_SPREAD = 2.0
"""A network is outside of what was calibrated when its uncertainty is this many times the largest among those
measured, each predicted from the others."""


OUTSIDE_TIMES_LATENCY = 1.25
"""A network is outside when it would take this many times as long as the slowest measured, or as much less than the
fastest: it has other numbers of layers."""


@dataclass(frozen=True, kw_only=True)
class MeasuredNetwork:
    """A network and how long it took in units of the reference."""

    architecture: Architecture
    ratio: float


@dataclass(frozen=True, kw_only=True)
class PredictionQuality:
    """How well a way to predict agrees with the first measurement of networks that no table has seen."""

    way: str
    """Which way, in words."""
    within_10: float
    within_5: float
    """Share of the networks predicted to within ± 10 % and ± 5 %, as fractions."""
    mean_error: float
    """Mean of the absolute relative errors, as a fraction."""
    tau: float
    """Kendall's rank correlation (τ-b)."""
    tau_low: float
    tau_high: float
    """95 % interval of `tau` over the choice of the networks, by bootstrap."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a calibration found: enough to predict, and to measure on the same device again."""

    device: str
    """As the user called it, such as `ssh:pi@board`."""
    format: Format
    """Of the files that were timed."""
    precision: Precision
    space: str
    """Of whose networks it knows, by name."""
    width: float
    card: DeviceCard
    reference: Architecture
    unit: Latency
    """The reference against itself in several launches, before all else."""
    measured: tuple[MeasuredNetwork, ...]
    """What predictions are made from."""
    held_out: tuple[MeasuredNetwork, ...]
    """Networks that it has not seen, with their first measurement."""
    second_ratios: tuple[float, ...]
    """Their second one."""
    qualities: tuple[PredictionQuality, ...]
    """Of the table, of other ways to predict and of the device with itself, on `held_out`."""
    coverage: float
    """Share of the 95 % intervals that hold the first measurement of `held_out`."""
    parameters: PredictorParameters
    calibrated_at: str
    """UTC, ISO 8601."""

    def __post_init__(self) -> None:
        if not self.measured:
            raise ValueError("a table needs measurements")

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits of all that is in it."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @cached_property
    def predictor(self) -> Predictor:
        """Its unit is one run of the reference."""
        return Predictor(
            [one.architecture for one in self.measured], [one.ratio for one in self.measured], self.parameters
        )

    @cached_property
    def _extent(self) -> Extent:
        return Extent.from_architectures([one.architecture for one in self.measured])

    @cached_property
    def _most_spread(self) -> float:
        return OUTSIDE_TIMES_SPREAD * self.parameters.stretch * float(self.predictor.left_out()[1].max())

    def predict(self, architecture: Architecture) -> tuple[float, float]:
        """Latency in units of the reference, and the standard deviation of its logarithm.

        Raises:
            DeviceError: the network lies outside of what was calibrated.
        """
        if (outside := self._extent.outside(architecture)) is not None:
            raise DeviceError(f"{outside}: calibrate again for that, with mnasnet calibrate")
        (ratio,), (spread,) = self.predictor([architecture])
        least, most = (end(one.ratio for one in self.measured) for end in (min, max))
        if not least / OUTSIDE_TIMES_LATENCY <= ratio <= most * OUTSIDE_TIMES_LATENCY:
            unit_ms = self.unit.reference_ms
            raise DeviceError(
                f"the network would take {ratio * unit_ms:.3g} ms, and those that the table was made of took "
                f"{least * unit_ms:.3g} to {most * unit_ms:.3g}: "
                "calibrate again for its space, with mnasnet calibrate"
            )
        if spread > self._most_spread:
            raise DeviceError(
                f"the table knows too little of networks like this one (its prediction would be good to "
                f"± {Z_95 * spread:.0%}): calibrate again for its space, with mnasnet calibrate"
            )
        return float(ratio), float(spread)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        common = self.measured[0].architecture.to_json()
        del common["blocks"]
        return {
            "kind": TABLE_KIND,
            "version": TABLE_VERSION,
            "device": self.device,
            "format": self.format,
            "precision": self.precision,
            "space": self.space,
            "width": self.width,
            "calibrated_at": self.calibrated_at,
            "accordance": [asdict(one) for one in self.qualities],
            "coverage": self.coverage,
            "card": self.card.to_json(),
            "reference": self.reference.to_json(),
            "agreed": self.unit.to_json(),
            "fit": asdict(self.parameters),
            "networks": common,
            "measured": [[_blocks(one.architecture), one.ratio] for one in self.measured],
            "held_out": [
                [_blocks(one.architecture), one.ratio, again]
                for one, again in zip(self.held_out, self.second_ratios, strict=True)
            ],
        }


def write_table(table: Table, path: Path) -> None:
    """Put the table at `path`, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there is unchanged.
    """
    # One network a line: the rest is for reading.
    data = table.to_json()
    lines = []
    for name, value in data.items():
        if name in ("measured", "held_out"):
            text = "[\n" + ",\n".join(f"  {json.dumps(one)}" for one in value) + "\n ]"
        else:
            text = json.dumps(value)
        lines.append(f" {json.dumps(name)}: {text}")
    replace_file(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read_table(path: Path) -> Table:
    """The table at `path`.

    Raises:
        RequestError: it cannot be read, is no table or one of another version, or is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(
            f"{path} cannot be read ({error.strerror}): mnasnet calibrate writes one"
        ) from error
    except ValueError as error:
        raise RequestError(f"{path} is no table, or a damaged one: calibrate again") from error
    if not isinstance(data, Mapping) or data.get("kind") != TABLE_KIND:
        raise RequestError(f"{path} is no table: give a file that mnasnet calibrate wrote")
    if data.get("version") != TABLE_VERSION:
        raise RequestError(
            f"{path} is a table of version {data.get('version')}, and this mnasnet reads version {TABLE_VERSION}: "
            "calibrate again"
        )
    try:
        table = _table_from_json(data)
        _ = table.predictor
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RequestError(f"{path} is damaged ({type(error).__name__}: {error}): calibrate again") from error
    return table


def _table_from_json(data: Mapping[str, Any]) -> Table:
    def network(blocks: str) -> Architecture:
        return architecture_from_json({**data["networks"], "blocks": blocks.split()})

    fit = data["fit"]
    return Table(
        device=data["device"],
        format=data["format"],
        precision=data["precision"],
        space=data["space"],
        width=data["width"],
        card=device_card_from_json(data["card"]),
        reference=architecture_from_json(data["reference"]),
        unit=latency_from_json(data["agreed"]),
        measured=tuple(
            MeasuredNetwork(architecture=network(blocks), ratio=_positive(ratio))
            for blocks, ratio in data["measured"]
        ),
        held_out=tuple(
            MeasuredNetwork(architecture=network(blocks), ratio=_positive(ratio))
            for blocks, ratio, _ in data["held_out"]
        ),
        second_ratios=tuple(_positive(again) for _, _, again in data["held_out"]),
        qualities=tuple(PredictionQuality(**one) for one in data["accordance"]),
        coverage=data["coverage"],
        parameters=PredictorParameters(
            rates=tuple(fit["rates"]), strengths=tuple(fit["strengths"]), stretch=_positive(fit["stretch"])
        ),
        calibrated_at=data["calibrated_at"],
    )


def _blocks(architecture: Architecture) -> str:
    return " ".join(block.notation() for block in architecture.blocks)


def _positive(value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{value} is not a positive number")
    return value
