"""Tests of latency.py."""

import dataclasses
import json
import math

import pytest

from mnasnet.measures.latency import Latency, latency_from_json

LATENCY = Latency(
    median_ms=7.5,
    low_ms=7.4,
    high_ms=7.7,
    ratio=0.75,
    reference_ms=10.0,
    raw_ms=(7.6, 7.5),
    raw_reference_ms=(10.1, 10.0),
    runs=40,
    blocks_discarded=1,
    launches=2,
    device="board",
    runtime="LiteRT",
    threads=1,
    cores=(),
    measured_at="2019-04-18T00:00:00+00:00",
)


def test_a_latency_comes_back_from_json() -> None:
    assert latency_from_json(json.loads(json.dumps(LATENCY.to_json()))) == LATENCY


@pytest.mark.parametrize("median_ms", [0.0, -1.0, math.inf, math.nan])
def test_a_latency_that_is_no_time_is_refused(median_ms: float) -> None:
    with pytest.raises(ValueError, match=f"a positive number of milliseconds, not {median_ms}"):
        dataclasses.replace(LATENCY, median_ms=median_ms)


def test_as_a_quantity_it_says_where_it_was_measured() -> None:
    quantity = LATENCY.quantity
    assert (quantity.name, quantity.unit, quantity.better) == ("latency", "ms", "lower")
    assert (quantity.value, quantity.interval) == (7.5, (7.4, 7.7))
    assert quantity.conditions["device"] == "board"
