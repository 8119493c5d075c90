"""Tests of figures.py."""

import optuna
import pytest
from figures import machine, table


def test_a_row_has_the_median_and_the_middle_half() -> None:
    # of 1, 2, 3, 4, 5: 2 and 4 are a quarter and three quarters of the way up
    last = table("ms", {"asking": [5, 1, 4, 2, 3]}, decimals=1).splitlines()[-1]
    assert last == "| asking | 3.0 | 2.0 to 4.0 | 5 |"


def test_a_row_without_values_is_refused() -> None:
    with pytest.raises(ValueError):
        table("ms", {"asking": []}, decimals=1)


def test_the_machine_is_one_line_with_the_versions_asked_for() -> None:
    line = machine("optuna")
    assert "\n" not in line
    assert f"optuna {optuna.__version__}" in line
