"""Tests of records.py."""

import pytest

from mnasnet.arch.records import Learned


def test_normalisation_for_other_channels_is_one_for_all() -> None:
    learned = Learned(classes=("a", "b"), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert learned.with_channels(3) is learned
    grey = learned.with_channels(1)
    assert grey.mean == pytest.approx((0.2,))
    assert grey.std == (2.0,)
    assert grey.with_channels(3).std == (2.0, 2.0, 2.0)
