"""Tests of card.py."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.study.card import CARD, Card, describe, read_card, read_cards, write_card
from mnasnet.study.conftest import accuracy, latency

CARD_OF_A_FINALIST = Card(
    name="trial-17",
    control=False,
    digest=MOBILENET_V2.digest(),
    architecture=MOBILENET_V2,
    parameters=3_504_872,
    multiply_adds=300_774_272,
    accuracy=replace(accuracy(930), on="test", epochs=10),
    precision="fp32",
    float_accuracy=None,
    proxy_accuracy=accuracy(900),
    latency=replace(latency(1.25), launches=5, cores=(1,)),
    proxy_latency=latency(1.2),
    size_bytes=14_000_000,
    largest_difference=2e-6,
    trial=17,
    data="digits",
    fingerprint="1f0c",
    classes=("0", "1"),
    mean=(0.5,),
    std=(0.25,),
    command="mnasnet search --data 'my pictures'",
)

CONTROL = replace(
    CARD_OF_A_FINALIST,
    name="mobilenet-v2",
    control=True,
    proxy_accuracy=None,
    proxy_latency=None,
    trial=None,
    latency=latency(1.0),
)


def written(card: Card, out: Path, name: str) -> None:
    (out / "finalists" / name).mkdir(parents=True)
    write_card(card, out / "finalists" / name)


@pytest.mark.parametrize("card", [CARD_OF_A_FINALIST, CONTROL])
def test_a_card_comes_back_as_it_was_written(card: Card, tmp_path: Path) -> None:
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    assert json.loads((tmp_path / CARD).read_text())["latency"]["device"] == "recorded"


def test_cards_are_listed_fastest_first_and_the_control_last(tmp_path: Path) -> None:
    slower = replace(CARD_OF_A_FINALIST, name="trial-3", latency=latency(1.5))
    for name, card in (("a", CONTROL), ("b", slower), ("c", CARD_OF_A_FINALIST)):
        written(card, tmp_path, name)
    assert read_cards(tmp_path) == [CARD_OF_A_FINALIST, slower, CONTROL]


def test_a_folder_that_is_still_being_filled_is_no_finalist(tmp_path: Path) -> None:
    written(CARD_OF_A_FINALIST, tmp_path, ".c0ffee.part")
    assert read_cards(tmp_path) == []


def test_a_search_without_finalists_has_no_cards(tmp_path: Path) -> None:
    assert read_cards(tmp_path) == []


def test_the_description_says_every_value_with_its_interval_and_conditions() -> None:
    text = describe(CARD_OF_A_FINALIST)
    low, high = CARD_OF_A_FINALIST.accuracy.interval
    assert f"93.00% (95 % interval {low:.2%} to {high:.2%}) on 1000 test images" in text
    assert "10 epochs on 4000 images of digits, seed 0" in text
    assert "1.25 ms (95 % interval 1.238 to 1.262)" in text  # ± 1 %
    assert "recorded, recorded, threads: 1, core 1" in text
    assert "20 runs in 5 launches, 1 disturbed block thrown away" in text
    assert "90.00% on 1000 held-out images after 5 epochs; untrained, 1.2 ms" in text
    assert "3,504,872" in text
    assert "300,774,272" in text
    assert MOBILENET_V2.digest() in text
    assert "float32 [1, 224, 224, 3]" in text
    assert "mnasnet search --data 'my pictures'" in text


def test_the_description_says_what_to_feed_the_file_in_words() -> None:
    assert "(pixel / 255 − mean) / std with mean 0.5 and std 0.25 |" in describe(CARD_OF_A_FINALIST)
    coloured = replace(CARD_OF_A_FINALIST, mean=(0.4914008, 0.4821, 0.4), std=(0.25, 0.24, 0.2012345678))
    assert "with mean 0.491401, 0.4821, 0.4 and std 0.25, 0.24, 0.201235, channel by channel |" in describe(
        coloured
    )


def test_the_control_was_not_in_the_search() -> None:
    text = describe(CONTROL)
    assert "in the search" not in text
    assert "not pinned" in text
