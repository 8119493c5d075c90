"""Tests of quality.py, of the qualities and of their intervals."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.measures.accuracy import ACCURACY
from mnasnet.measures.balanced_accuracy import BALANCED_ACCURACY
from mnasnet.measures.interval import mean_interval, wilson_interval
from mnasnet.measures.qualities import QUALITIES
from mnasnet.measures.quality import Quality, QualityMeasure, judge_score, quality_from_json
from mnasnet.measures.score import Score


def _judge(measure: QualityMeasure, correct: list[int], images: list[int]) -> Quality:
    score = Score(correct=tuple(correct), in_top5=tuple(images), images=tuple(images))
    return judge_score(measure, score, on="held-out", epochs=5, seed=0, train_images=1000, seconds=1.0)


def test_wilsons_interval_of_nine_in_ten() -> None:
    # z² = 3.8415; the middle is (0.9 + 3.8415/20) / (1 + 3.8415/10) = 1.09207/1.38415 = 0.78899, and half the
    # width √(3.8415 · 0.9 · 0.1/10 + 3.8415²/400) / 1.38415 = √(0.034573 + 0.036892)/1.38415 = 0.19314.
    assert wilson_interval(9, 10) == pytest.approx((0.78899 - 0.19314, 0.78899 + 0.19314), abs=1e-5)


def test_wilsons_interval_of_none_and_of_all_ends_there() -> None:
    # At p = 0 the upper end is z²/(n + z²) = 3.8415/103.8415.
    assert wilson_interval(0, 100) == pytest.approx((0.0, 3.8415 / 103.8415), abs=1e-6)
    assert wilson_interval(100, 100) == pytest.approx((1 - 3.8415 / 103.8415, 1.0), abs=1e-6)


def test_four_times_the_images_halve_the_interval() -> None:
    few, many = (wilson_interval(images * 9 // 10, images) for images in (10_000, 40_000))
    assert (many[1] - many[0]) / (few[1] - few[0]) == pytest.approx(0.5, abs=1e-3)


def test_the_interval_of_a_mean_is_the_root_of_the_squares_over_their_number() -> None:
    # Half widths of 3 and 4 below, 6 and 8 above: 5/2 and 10/2 around the mean of 10 and 20.
    assert mean_interval([10, 20], [(7, 16), (16, 28)]) == pytest.approx((15 - 2.5, 15 + 5))


@given(st.sampled_from(sorted(QUALITIES)), st.lists(st.integers(0, 200), min_size=1, max_size=5), st.data())
def test_a_quality_lies_in_its_interval(name: str, images: list[int], data: st.DataObject) -> None:
    if not any(images):
        images[0] = 1
    correct = [data.draw(st.integers(0, some)) for some in images]
    found = _judge(QUALITIES[name], correct, images)
    low, high = found.interval
    assert 0 <= low <= found.value <= high <= 1
    assert found.images == sum(images)


def test_accuracy_counts_images_and_balanced_accuracy_classes() -> None:
    # 90 of 100 of one class and 1 of 10 of the other.
    assert _judge(ACCURACY, [90, 1], [100, 10]).value == 91 / 110
    assert _judge(BALANCED_ACCURACY, [90, 1], [100, 10]).value == pytest.approx((0.9 + 0.1) / 2)


def test_a_class_without_images_does_not_count() -> None:
    assert _judge(BALANCED_ACCURACY, [9, 0, 1], [10, 0, 10]).value == pytest.approx(0.5)


def test_with_one_class_both_are_the_same() -> None:
    one, other = (_judge(measure, [7], [9]) for measure in (ACCURACY, BALANCED_ACCURACY))
    assert one.value == other.value
    assert one.interval == pytest.approx(other.interval)


@pytest.mark.parametrize(("value", "images"), [(1.1, 10), (-0.1, 10), (0.5, 0), (math.nan, 10)])
def test_what_is_no_share_of_images_is_refused(value: float, images: int) -> None:
    with pytest.raises(ValueError, match=f"of {images} images is no accuracy"):
        Quality(
            name="accuracy",
            value=value,
            interval=(0.0, 1.0),
            images=images,
            on="test",
            epochs=1,
            seed=0,
            train_images=9,
            seconds=1.0,
        )


def test_a_quality_comes_back_from_json() -> None:
    found = _judge(BALANCED_ACCURACY, [90, 1], [100, 10])
    assert quality_from_json(json.loads(json.dumps(found.to_json()))) == found


def test_an_accuracy_that_version_0_1_wrote_is_the_same_accuracy() -> None:
    conditions = {"epochs": 5, "seed": 0, "on": "held-out", "train_images": 1000, "seconds": 1.0}
    written = {"correct": 91, "images": 110, **conditions}
    assert quality_from_json(written) == _judge(ACCURACY, [90, 1], [100, 10])


def test_what_is_no_better_than_guessing_is_said_to_be() -> None:
    assert _judge(ACCURACY, [110], [1000]).may_be_guessed(10)
    assert not _judge(ACCURACY, [150], [1000]).may_be_guessed(10)
