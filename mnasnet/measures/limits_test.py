"""Tests of limits.py."""

import pytest

from mnasnet.measures.limits import FILE_SIZE, LATENCY, limit_on
from mnasnet.measures.quantity import Quantity


def _cost(name: str, unit: str, value: float) -> Quantity:
    return Quantity(name=name, unit=unit, better="lower", value=value, interval=None, conditions={})


def test_a_limit_is_exceeded_by_a_share_of_it() -> None:
    limit = limit_on(LATENCY, 10.0)
    assert limit.excess(_cost(LATENCY, "ms", 12.5)) == pytest.approx(0.25)
    assert limit.excess(_cost(LATENCY, "ms", 10.0)) == 0
    assert limit.excess(_cost(LATENCY, "ms", 7.5)) == pytest.approx(-0.25)


def test_what_exceeds_it_is_said_with_the_unit() -> None:
    limit = limit_on(FILE_SIZE, 2.0)
    assert limit.describe_excess(_cost(FILE_SIZE, "MB", 2.345)) == "2.35 MB, above the limit of 2 MB"
    assert limit.describe() == "file size of at most 2.00 MB"


def test_another_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="a limit on latency in ms is none on file size in MB"):
        limit_on(LATENCY, 10.0).excess(_cost(FILE_SIZE, "MB", 1.0))
