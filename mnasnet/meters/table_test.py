"""Tests of the table and of its file."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.records import Z_95, Artifact, Latency
from mnasnet.base.errors import RequestError
from mnasnet.devices.device import DeviceError, UnsuitableError
from mnasnet.meters.calibration import Calibration
from mnasnet.meters.conftest import unwritten
from mnasnet.meters.meter import CalibratedDevice, ReferencedMeter
from mnasnet.meters.meter_contract import MeterContract, OpenMeter
from mnasnet.meters.options import DeviceOptions
from mnasnet.meters.table import Table, read_table, write_table
from mnasnet.meters.table_meter import TableMeter
from mnasnet.space.extremes import random_network
from mnasnet.space.hierarchical import mnasnet_space


@pytest.fixture(scope="module")
def table(calibration: Calibration) -> Table:
    return calibration.table


@pytest.fixture
def file(table: Table, tmp_path: Path) -> Path:
    path = tmp_path / "phone.table"
    write_table(table, path)
    return path


def some_network(
    seed: int = 1, *, image_size: int = 64, width: float = 0.5, classes: int = 10
) -> Architecture:
    generator = random.Random(seed)
    space = mnasnet_space(image_size=image_size, classes=classes, width=width)
    return random_network(space, generator)


class TestTableMeter(MeterContract):
    @pytest.fixture(scope="class")
    @classmethod
    def open_meter(cls, table: Table) -> OpenMeter:
        def open_meter(unit: Latency | None) -> ReferencedMeter:
            return TableMeter(table, table.reference, unit=unit)

        return open_meter

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls) -> Architecture:
        return some_network()

    @pytest.fixture(scope="class")
    @classmethod
    def artifact(cls) -> Artifact:
        return unwritten(some_network())

    @pytest.fixture(scope="class")
    @classmethod
    def broken(cls) -> Artifact:
        return Artifact(path=Path("other.tflite"), format="tflite", digest="other", size_bytes=1)


def test_the_interval_is_the_tables_own_uncertainty(table: Table) -> None:
    network = some_network()
    ratio, spread = table.predict(network)
    latency = TableMeter(table, unit=table.unit).measure_network(network)
    assert latency.predicted
    assert latency.high_ms / latency.median_ms == pytest.approx(math.exp(Z_95 * spread))
    assert latency.median_ms / latency.low_ms == pytest.approx(math.exp(Z_95 * spread))
    assert latency.median_ms == ratio * table.unit.reference_ms


def test_the_reference_takes_exactly_what_it_took(table: Table) -> None:
    latency = TableMeter(table).measure_reference(launches=5)
    assert latency.ratio == 1
    assert latency.median_ms == latency.reference_ms == table.unit.reference_ms
    assert latency.launch_spread == table.unit.launch_spread


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (some_network(image_size=96), "image size is 96 (another --image-size), and the table's is 64"),
        (some_network(width=1.0), "stem is 32 (another --width), and the table's is 16"),
        (some_network(classes=100), "classes is 100 (another --classes), and the table's is 10"),
        (
            replace(some_network(), blocks=(*some_network().blocks, parse_block("mb_k3_s1_e6_c480_n1"))),
            "pointwise k1 s1 on maps of 2 px from 720 to 480 channels is unlike all that the table has",
        ),
        (
            replace(some_network(), blocks=(parse_block("sep_k7_s1_c16_n1"), *some_network().blocks)),
            "the table has no depthwise k7 s1 on maps of 32 px, which the network has",
        ),
        (
            replace(some_network(), blocks=(*[parse_block("mb_k5_s1_e6_c16_n50")], *some_network().blocks)),
            "the network would take",
        ),
    ],
)
def test_it_does_not_extrapolate(table: Table, network: Architecture, words: str) -> None:
    with pytest.raises(DeviceError, match="calibrate again for") as caught:
        TableMeter(table).measure_network(network)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_is_of_one_precision_and_one_format(table: Table) -> None:
    int8 = replace(unwritten(some_network()), precision="int8")
    with pytest.raises(UnsuitableError, match="is of tflite in fp32, not of tflite in int8"):
        TableMeter(table).measure_file(int8)
    searched = TableMeter(table, precision="int8")
    for asked in (searched.prepare, lambda: searched.measure_network(some_network())):
        with pytest.raises(UnsuitableError, match="is of tflite in fp32, not of tflite in int8"):
            asked()
    onnx = replace(unwritten(some_network()), format="onnx")
    with pytest.raises(UnsuitableError, match="not of onnx in fp32"):
        TableMeter(table).measure_file(onnx)


def test_its_unit_is_its_own_reference(table: Table) -> None:
    other = replace(table.reference, head=640)
    with pytest.raises(
        UnsuitableError,
        match=r"of 64 px, 3 channels and 10 classes at width 0\.5: give the same reference",
    ):
        TableMeter(table, other).measure_network(some_network())


def test_a_table_comes_back_from_its_file_as_it_was(table: Table, file: Path) -> None:
    back = read_table(file)
    assert back == table
    assert back.digest == table.digest
    for seed in range(5):
        network = some_network(seed)
        assert back.predict(network) == table.predict(network)


def test_a_table_is_opened_by_its_file(table: Table, file: Path) -> None:
    with DeviceOptions(device=f"table:{file}").open_meter() as meter:
        assert meter.name == f"table of recorded ({table.digest})"
        assert meter.format == "tflite"
        assert meter.calibrated_device == CalibratedDevice(name="roofline", card=table.card)
    with pytest.raises(RequestError, match=r"--threads 4: .* was calibrated with 1"):
        DeviceOptions(device=f"table:{file}", threads=4).open_meter()


def test_a_table_is_no_device_and_says_how_well_it_predicts_and_of_what_it_is(
    table: Table, file: Path
) -> None:
    with pytest.raises(RequestError) as refused:
        DeviceOptions(device=f"table:{file}").open_device()
    share = table.qualities[0].within_10
    assert str(refused.value) == (
        f"--device table:{file}: is a table already, which tells {share:.0%} of 50 networks that it had not seen "
        "to ± 10 %; name a device, such as roofline"
    )


def changed(**values: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda data: {**data, **values}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (changed(version=99), "is a table of version 99, and this mnasnet reads version 1"),
        (changed(kind="study"), "is no table"),
        (changed(measured=[]), "is damaged"),
        (changed(measured=[[8, 1.0]]), "is damaged"),
        (changed(measured=[["mb_k3_s1_e6_c16_n1", -1.0]]), "is damaged"),
        (changed(measured=[["mb_k3", 1.0]]), "is damaged"),
        (changed(fit={"rates": [1.0], "strengths": [1.0], "stretch": 1.0}), "is damaged"),
        (changed(card=None), "is damaged"),
        (lambda data: {name: value for name, value in data.items() if name != "agreed"}, "is damaged"),
        (lambda data: [data], "is no table"),
    ],
)
def test_a_damaged_file_is_refused_in_a_line(
    file: Path, damage: Callable[[dict[str, Any]], Any], words: str
) -> None:
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))
    with pytest.raises(RequestError) as caught:
        read_table(file)
    assert f"{file} {words}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_half_a_file_and_none_are_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RequestError, match=f"--device table:{file}: .* is no table, or a damaged one"):
        DeviceOptions(device=f"table:{file}").open_meter()
    file.write_bytes(b"\xff\x00")
    with pytest.raises(RequestError, match="is no table, or a damaged one"):
        read_table(file)
    with pytest.raises(RequestError, match="cannot be read"):
        DeviceOptions(device=f"table:{tmp_path / 'nowhere.table'}").open_meter()
    with pytest.raises(RequestError, match="cannot be read"):
        DeviceOptions(device=f"table:{tmp_path}").open_meter()
