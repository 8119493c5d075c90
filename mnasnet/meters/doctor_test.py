"""Tests of the examination of a device."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mnasnet.arch.records import Artifact, Core, DeviceCard, Latency
from mnasnet.devices.card import device_card_lines
from mnasnet.devices.host import HostDevice
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.doctor import Examination, examination_lines, examine_device
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.network_size import NetworkSize

FILE = Artifact(path=Path("v2.tflite"), format="tflite", digest="v2", size_bytes=1)
LATENCY = measure_latency(RecordedDevice(lambda digest: 1.0), FILE, reference=FILE, unit=None)
CORES = tuple(
    Core(number=number, most_mhz=most_mhz, now_mhz=most_mhz, governor="performance")
    for number, most_mhz in enumerate((1800.0, 1800.0, 2400.0, 2400.0))
)
CARD = DeviceCard(
    name="board",
    system="Linux",
    abi="aarch64",
    runtimes=("LiteRT 2.3.0",),
    clock="CPU time",
    cores=CORES,
    threads=1,
    pinned=(3,),
    temperature_c=45.0,
)
SMALL = NetworkSize(image_size=32, width=0.35, classes=1000, in_channels=3)
QUIET = Examination(
    card=CARD, idle={3: 1.0}, sentinel=LATENCY, candidate=LATENCY, candidate_s=1.0, finalist_s=5.0
)


def sentinel(**changes: object) -> Examination:
    return dataclasses.replace(QUIET, sentinel=dataclasses.replace(LATENCY, **changes))  # type: ignore[arg-type]


def card(**changes: object) -> Examination:
    return dataclasses.replace(QUIET, card=dataclasses.replace(CARD, **changes))  # type: ignore[arg-type]


def with_governor(governor: str | None) -> Examination:
    return card(cores=tuple(dataclasses.replace(core, governor=governor) for core in CORES))


def test_a_quiet_board_has_no_problem() -> None:
    assert QUIET.problems() == []
    assert with_governor(None).problems() == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            dataclasses.replace(QUIET, idle={2: 1.0, 3: 0.5}),
            "keeps core 3 busy on which measurements run: 50%",
        ),
        (dataclasses.replace(QUIET, idle={2: 0.5, 3: 1.0}), "keeps core 2 busy: 50%"),
        (card(temperature_c=71.0), "it is 71 °C warm"),
        (sentinel(low_ms=0.95, high_ms=1.05), "a network differs from a copy of itself by up to 5.3%"),
        (sentinel(blocks_discarded=2), "50% of the blocks were disturbed"),
        (sentinel(raw_reference_ms=(1.0, 1.5)), "raw times moved by 50%"),
        (with_governor("schedutil"), "the governor is schedutil"),
        (card(pinned=()), "not pinned to a core"),
        (
            dataclasses.replace(QUIET, candidate=dataclasses.replace(LATENCY, not_delegated=("SOFTMAX",))),
            "SOFTMAX of MnasNet-A1 fall back",
        ),
    ],
)
def test_each_problem_is_named_with_what_to_do(found: Examination, said: str) -> None:
    (problem,) = found.problems()
    assert said in problem.what
    assert problem.todo != ""


def test_where_nothing_runs_on_it_nobody_is_told_to_stop_anything() -> None:
    noisy = sentinel(low_ms=0.95, high_ms=1.05)
    (of_others,) = noisy.problems()
    assert "others on the same machine" in of_others.todo
    (unknown,) = dataclasses.replace(noisy, idle={}).problems()
    assert "stop what else runs there" in unknown.todo


def test_the_card_shows_the_clusters_fastest_first() -> None:
    lines = "\n".join((*device_card_lines(QUIET.card), *examination_lines(QUIET)))
    assert "cores 2, 3: up to 2400 MHz, governor performance\ncores 0, 1: up to 1800 MHz" in lines
    assert "noise floor: ± 1.01%" in lines


@pytest.fixture
def busy_core() -> Iterator[int]:
    """The core that measurements run on, kept busy by a process of ours."""
    core = max(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin]) as process:
        yield core
        process.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are bound to cores there only")
def test_a_core_kept_busy_on_purpose_is_found_by_measuring(busy_core: int) -> None:
    with HostDevice() as host:
        found = examine_device(host, SMALL)
    assert found.idle[busy_core] < 0.75
    assert any(f"keeps core {busy_core} busy on which measurements run" in p.what for p in found.problems())


@pytest.mark.slow
def test_what_it_says_of_time_is_what_was_measured() -> None:
    with HostDevice() as host:
        found = examine_device(host, SMALL)
    assert 0 < found.candidate_s < found.finalist_s
    assert found.sentinel.launches == 5
    assert isinstance(found.sentinel, Latency)
