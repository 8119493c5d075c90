"""Tests of rounding.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnasnet.arch.rounding import round_filters


@given(st.floats(min_value=0.5, max_value=4096))
def test_every_width_is_divisible_by_eight_and_loses_at_most_a_tenth(filters: float) -> None:
    assert round_filters(filters) % 8 == 0
    assert round_filters(filters) >= 0.9 * filters


def test_the_official_widths_of_a1_come_out() -> None:
    # mnasnet-facts, section 7: stem, 16, 24, 40, 80, 112, 160, 320 at 0.35 and at 1.4
    widths = (32, 16, 24, 40, 80, 112, 160, 320)
    assert [round_filters(0.35 * w) for w in widths] == [16, 8, 8, 16, 32, 40, 56, 112]
    assert [round_filters(1.4 * w) for w in widths] == [48, 24, 32, 56, 112, 160, 224, 448]


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        round_filters(0)
