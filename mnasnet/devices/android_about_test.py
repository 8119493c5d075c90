"""Tests of reading what a phone says of itself."""

import pytest

from mnasnet.arch.records import Core
from mnasnet.devices.android_about import (
    PHONE_CPU_FOLDER,
    PHONE_THERMAL_FOLDER,
    PhoneFacts,
    parse_idle_shares,
    parse_phone_facts,
)


def frequencies(*most_khz: int) -> str:
    folders = [f"{PHONE_CPU_FOLDER}/cpu{number}" for number in range(len(most_khz))]
    told = [
        f"{folder}/cpufreq/cpuinfo_max_freq:{khz}"
        for folder, khz in zip(folders, most_khz, strict=True)
        if khz
    ]
    return "\n".join([*folders, *told, ""])


def test_what_is_told_is_in_its_place() -> None:
    about = parse_phone_facts(
        "model:Pixel 8: the blue one\nrelease:14\nabi:arm64-v8a\n"
        + frequencies(1_700_000)
        + f"{PHONE_CPU_FOLDER}/cpu0/cpufreq/scaling_cur_freq:300000\n"
        + f"{PHONE_CPU_FOLDER}/cpu0/cpufreq/scaling_governor:sched_pixel\n"
    )
    assert about == PhoneFacts(
        model="Pixel 8: the blue one",
        release="14",
        abi="arm64-v8a",
        cores=(Core(number=0, most_mhz=1700, now_mhz=300, governor="sched_pixel"),),
        temperature_c=None,
    )


def test_what_is_not_told_is_absent() -> None:
    about = parse_phone_facts("model:\nrelease:\nabi:\n" + frequencies(0))
    assert (about.model, about.abi) == ("unknown model", "unknown")
    assert about.cores == (Core(number=0, most_mhz=None, now_mhz=None, governor=None),)


@pytest.mark.parametrize(
    ("most_khz", "threads", "cores"),
    [
        ((1800, 1800, 2400, 2850), 1, (3,)),
        ((1800, 1800, 2400, 2850), 2, (2, 3)),
        ((1800, 1800, 2400, 2850), 3, (0, 1, 2, 3)),
        ((2850, 2850, 1800, 1800), 1, (0, 1)),
        ((1800, 1800), 4, (0, 1)),
        ((1800, 0), 1, (0,)),  # one is off, and does not tell
        ((0, 0), 1, ()),
        ((), 1, ()),
    ],
)
def test_the_fastest_cores_are_whole_clusters(
    most_khz: tuple[int, ...], threads: int, cores: tuple[int, ...]
) -> None:
    assert parse_phone_facts(frequencies(*most_khz)).fastest(threads) == cores


@pytest.mark.parametrize(
    ("zones", "temperature_c"),
    [
        ([("cpu-0-0", "31500"), ("cpu-1-0", "42000"), ("soc", "100")], 42),
        ([("cpu-0-0", "41"), ("CPU7", "39")], 41),  # some tell whole degrees
        ([("battery", "28000"), ("skin", "33100")], 33.1),
        ([("cpu-0-0", "invalid")], None),
        ([], None),
    ],
)
def test_the_temperature_is_that_of_the_warmest_core(
    zones: list[tuple[str, str]], temperature_c: float | None
) -> None:
    output = "".join(
        f"{PHONE_THERMAL_FOLDER}/thermal_zone{number}/type:{kind}\n{PHONE_THERMAL_FOLDER}/thermal_zone{number}/temp:{value}\n"
        for number, (kind, value) in enumerate(zones)
    )
    assert parse_phone_facts(output).temperature_c == temperature_c


def test_a_core_s_idle_share_is_what_was_counted_between_two_looks() -> None:
    # user nice system idle waiting; core 1 did 30 of 50 ticks of work, core 2 went to sleep in between.
    before = "cpu0 10 0 10 100 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\ncpu2 5 0 5 90 0 0 0 0 0 0\n"
    after = "cpu0 10 0 10 140 10 0 0 0 0 0\ncpu1 20 0 10 15 5 0 0 0 0 0\n"
    assert parse_idle_shares(before + after) == {0: 1.0, 1: 0.4}
