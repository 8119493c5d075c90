"""Tests of words.py."""

import pytest

from mnasnet.report.conftest import accuracy, latency
from mnasnet.report.words import accuracy_words, counted, latency_words, millions, milliseconds


@pytest.mark.parametrize(
    ("latency_ms", "words"),
    [(0.0412, "0.0412 ms"), (0.412, "0.412 ms"), (4.125, "4.12 ms"), (41.25, "41.2 ms"), (412.5, "412 ms")],
)
def test_a_latency_is_written_to_three_digits(latency_ms: float, words: str) -> None:
    assert milliseconds(latency_ms) == words


def test_an_interval_is_written_to_the_places_of_its_median() -> None:
    assert latency_words(latency(0.412, half=0.0119)) == "0.412 [0.400, 0.424]"
    assert latency_words(latency(41.2, half=1.19)) == "41.2 [40.0, 42.4]"


def test_an_accuracy_is_in_per_cent_with_wilsons_interval() -> None:
    # 56 of 70: Newcombe 1998 (Statistics in Medicine 17, 857-872) gives 0.692 to 0.877
    assert accuracy_words(accuracy(56, images=70)) == "80.0 [69.2, 87.7]"


def test_counts_have_their_plural() -> None:
    assert [counted(n, "copy", "copies") for n in (0, 1, 2_000)] == ["0 copies", "1 copy", "2,000 copies"]
    assert millions(311_600_000) == "312 M"
