"""Tests of settings.py."""

from pathlib import Path
from typing import Any

import pytest

from mnasnet.search.settings import DEMONSTRATION, RequestError, Settings


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trials": 0}, "--trials 0: give a whole number of at least 1"),
        ({"trials": -3}, "--trials -3"),
        ({"image_size": 0}, "--image-size 0"),
        ({"batch": 0}, "--batch 0"),
        ({"threads": 0}, "--threads 0"),
        ({"epochs": 0}, "--epochs 0"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"final_epochs": 0}, "--final-epochs 0"),
        ({"max_images": 0}, "--max-images 0"),
        ({"finalists": -1}, "--finalists -1: give a whole number of at least 0"),
        ({"seed": -1}, "--seed -1: give a whole number of at least 0"),
        ({"target_ms": 0.0}, "--target-ms 0.0: give a number above 0"),
        ({"target_ms": -5.0}, "--target-ms -5.0"),
        ({"target_ms": float("nan")}, "--target-ms nan"),
        ({"max_ms": float("inf")}, "--max-ms inf"),
        ({"width": 0.0}, "--width 0.0"),
        ({"learning_rate": float("nan")}, "--learning-rate nan"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_by_its_flag(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=f"^{said}"):
        Settings(data="digits", **changed)


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        ("digits", "runs/digits"),
        ("/some/where/flowers", "runs/flowers"),
        ("flowers/", "runs/flowers"),
        ("birds.parquet", "runs/birds"),
        ("uoft-cs/cifar10", "runs/cifar10"),
        (".", "runs/search"),
    ],
)
def test_the_folder_is_named_after_the_data(data: str, folder: str) -> None:
    assert Settings(data=data).folder == Path(folder)


def test_the_folder_that_is_asked_for_is_taken() -> None:
    assert Settings(data="digits", out=Path("here")).folder == Path("here")


def test_in_the_demonstration_the_controller_learns_at_least_twice() -> None:
    assert DEMONSTRATION.trials >= 12
    assert DEMONSTRATION.trials // DEMONSTRATION.batch >= 2
    assert (DEMONSTRATION.image_size, DEMONSTRATION.width, DEMONSTRATION.finalists) == (32, 0.5, 2)
