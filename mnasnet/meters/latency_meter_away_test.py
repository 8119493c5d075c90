"""Tests of the latency meter on a phone and on a board that go away, or leave operators to slower kernels."""

import sys
from dataclasses import replace

import pytest

from mnasnet.arch.networks import MNASNET_A1, MOBILENET_V2
from mnasnet.devices.android import AndroidDevice
from mnasnet.devices.android_test import adb_server as adb_server
from mnasnet.devices.android_test import android as android
from mnasnet.devices.android_test import phone as phone
from mnasnet.devices.android_test import plugged_in as plugged_in
from mnasnet.devices.device import DeviceError
from mnasnet.devices.sshd_test import board
from mnasnet.devices.sshd_test import fresh as fresh
from mnasnet.fakes.loopback_adbd import LoopbackPhone
from mnasnet.fakes.loopback_sshd import LoopbackSshd
from mnasnet.meters.latency_meter import LatencyMeter

NETWORK = replace(MNASNET_A1, classes=10).scaled(0.25).fitted(32)


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback phone is made of this system's parts")
def test_an_operator_that_is_left_to_slower_kernels_is_an_error_in_a_search(
    phone: LoopbackPhone, android: AndroidDevice
) -> None:
    phone.faults["fallback"] = 1  # in one of all its runs
    with (
        LatencyMeter(android, NETWORK) as meter,
        pytest.raises(DeviceError, match=r"1 of 70 operators of it would fall back"),
    ):
        meter.measure_network(NETWORK)


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback phone is made of this system's parts")
def test_a_search_waits_for_a_phone_that_went_away_and_measures_again(
    phone: LoopbackPhone, android: AndroidDevice
) -> None:
    said: list[str] = []
    with LatencyMeter(android, NETWORK, say=said.append, wait_s=10) as meter:
        phone.faults["drop_running"] = 1
        assert meter.measure_network(NETWORK).median_ms > 0
    assert [line.rpartition(";")[2].strip() for line in said] == [
        "waiting for it, at most 0.167 min",
        "it is back, measuring again",
    ]


@pytest.mark.slow
def test_a_search_waits_for_a_server_that_went_away_and_measures_again(fresh: LoopbackSshd) -> None:
    network = MOBILENET_V2.scaled(0.35).fitted(32)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if not said[1:]:
            fresh.start()

    with board(fresh) as device, LatencyMeter(device, network, say=say, wait_s=30) as meter:
        before = meter.measure_reference(launches=1)
        fresh.stop()
        after = meter.measure_network(network)
    assert after.reference_ms == before.reference_ms
    assert [line.rpartition("; ")[2] for line in said] == [
        "waiting for it, at most 0.5 min",
        "it is back, measuring again",
    ]
