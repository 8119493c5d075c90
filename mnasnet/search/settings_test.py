"""Tests of settings.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnasnet.base.errors import RequestError
from mnasnet.samplers.named import SAMPLERS
from mnasnet.samplers.ppo import PPOSettings
from mnasnet.search.settings import DEMONSTRATION, LEAST_WIDTH, Settings
from mnasnet.space.hierarchical import MOBILENET_V2_SKELETONS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"trials": 0}, "`trials` 0: give a whole number of at least 1"),
        ({"trials": -3}, "`trials` -3"),
        ({"image_size": 0}, "`image_size` 0"),
        ({"batch": 0, "sampler": "ppo"}, "`batch` 0"),
        ({"batch": 8}, "`batch` 8: only for `sampler` ppo, not bayesian: name that one, or leave it out"),
        ({"threads": 0}, "`threads` 0"),
        ({"epochs": 0}, "`epochs` 0"),
        ({"batch_size": 0}, "`batch_size` 0"),
        ({"final_epochs": 0}, "`final_epochs` 0"),
        ({"max_images": 0}, "`max_images` 0"),
        ({"finalists": -1}, "`finalists` -1: give a whole number of at least 0"),
        ({"seed": -1}, "`seed` -1: give a whole number of at least 0"),
        ({"target_ms": 0.0}, "`target_ms` 0.0: give a number above 0"),
        ({"target_ms": -5.0}, "`target_ms` -5.0"),
        ({"target_ms": float("nan")}, "`target_ms` nan"),
        ({"max_ms": float("inf")}, "`max_ms` inf"),
        ({"width": 0.0}, "`width` 0.0: give a number above 0"),
        ({"width": 0.049}, "`width` 0.049: give at least 0.05; below it nearly every layer has the fewest"),
        ({"target_ms": 2.0, "max_ms": 1.0}, "`max_ms` 1.0: below `target_ms` 2, so nothing near the target"),
        ({"learning_rate": float("nan")}, "`learning_rate` nan"),
        ({"seed": 2**32}, "`seed` 4294967296: give at most 4294967295"),
        ({"out": Path("runs/why?")}, r"`out` runs/why\?: give a folder without a question mark"),
        ({"space": "cells"}, "`space` cells: give one of mnasnet, mnasnet-published, flat"),
        ({"reward": "sofd"}, "`reward` sofd: give one of soft, hard, absolute"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_by_its_flag(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=f"^{said}"):
        Settings(data="digits", **changed)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_demonstration_runs_with_any_sampler(sampler: str) -> None:
    assert replace(DEMONSTRATION, sampler=sampler).sampler == sampler


def test_a_limit_at_the_target_or_without_one_is_accepted() -> None:
    assert Settings(data="digits", target_ms=2.0, max_ms=2.0).max_ms == 2.0
    assert Settings(data="digits", max_ms=0.1).target_ms is None


def test_the_least_width_leaves_two_blocks_with_a_choice_of_filters() -> None:
    varied = [
        len({skeleton.scaled(relative, LEAST_WIDTH) for relative in skeleton.relative_filters}) > 1
        for skeleton in MOBILENET_V2_SKELETONS
    ]
    assert varied == [False] * 5 + [True] * 2


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        ("digits", "runs/digits"),
        ("/some/where/flowers", "runs/flowers"),
        ("flowers/", "runs/flowers"),
        ("birds.parquet", "runs/birds"),
        ("uoft-cs/cifar10", "runs/cifar10"),
        (".", f"runs/{Path.cwd().name}"),
        ("..", f"runs/{Path.cwd().parent.name}"),
        ("/", "runs/search"),
    ],
)
def test_the_folder_is_named_after_the_data(data: str, folder: str) -> None:
    assert Settings(data=data).folder == Path(folder)


def test_the_folder_that_is_asked_for_is_taken() -> None:
    assert Settings(data="digits", out=Path("here")).folder == Path("here")


def test_in_the_demonstration_the_controller_learns_at_least_twice() -> None:
    assert DEMONSTRATION.trials >= 12
    assert DEMONSTRATION.sampler == "ppo"
    assert DEMONSTRATION.trials // PPOSettings().batch >= 2
    assert (DEMONSTRATION.image_size, DEMONSTRATION.width, DEMONSTRATION.finalists) == (32, 0.5, 2)
