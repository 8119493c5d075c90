"""Tests of records.py."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.arch.records import Accuracy, Latency, Learned, latency_from_json, wilson_interval

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


def _accuracy(*, correct: int, images: int) -> Accuracy:
    return Accuracy(
        correct=correct, images=images, epochs=5, seed=0, on="held-out", train_images=1000, seconds=1.0
    )


def test_wilsons_interval_of_nine_in_ten() -> None:
    # z² = 3.8415; the middle is (0.9 + 3.8415/20) / (1 + 3.8415/10) = 1.09207/1.38415 = 0.78899, and half the
    # width √(3.8415 · 0.9 · 0.1/10 + 3.8415²/400) / 1.38415 = √(0.034573 + 0.036892)/1.38415 = 0.19314.
    assert wilson_interval(9, 10) == pytest.approx((0.78899 - 0.19314, 0.78899 + 0.19314), abs=1e-5)


def test_wilsons_interval_of_none_and_of_all_ends_there() -> None:
    # At p = 0 the upper end is z²/(n + z²) = 3.8415/103.8415.
    assert wilson_interval(0, 100) == pytest.approx((0.0, 3.8415 / 103.8415), abs=1e-6)
    assert wilson_interval(100, 100) == pytest.approx((1 - 3.8415 / 103.8415, 1.0), abs=1e-6)


@given(st.integers(1, 10_000), st.data())
def test_an_accuracy_lies_in_its_interval(images: int, data: st.DataObject) -> None:
    accuracy = _accuracy(correct=data.draw(st.integers(0, images)), images=images)
    low, high = accuracy.interval
    assert 0 <= low <= accuracy.top1 + 1e-12
    assert accuracy.top1 - 1e-12 <= high <= 1


def test_four_times_the_images_halve_the_interval() -> None:
    few, many = (wilson_interval(images * 9 // 10, images) for images in (10_000, 40_000))
    assert (many[1] - many[0]) / (few[1] - few[0]) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("correct", "images"), [(0, 0), (11, 10), (-1, 10)])
def test_what_is_no_share_of_images_is_refused(correct: int, images: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} of {images} images is not an accuracy"):
        _accuracy(correct=correct, images=images)


def test_a_latency_comes_back_from_json() -> None:
    assert latency_from_json(json.loads(json.dumps(LATENCY.to_json()))) == LATENCY


@pytest.mark.parametrize("median_ms", [0.0, -1.0, math.inf, math.nan])
def test_a_latency_that_is_no_time_is_refused(median_ms: float) -> None:
    with pytest.raises(ValueError, match=f"a positive number of milliseconds, not {median_ms}"):
        dataclasses.replace(LATENCY, median_ms=median_ms)


def test_normalisation_for_other_channels_is_one_for_all() -> None:
    learned = Learned(classes=("a", "b"), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert learned.with_channels(3) is learned
    grey = learned.with_channels(1)
    assert grey.mean == pytest.approx((0.2,))
    assert grey.std == (2.0,)
    assert grey.with_channels(3).std == (2.0, 2.0, 2.0)
