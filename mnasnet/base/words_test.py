"""Tests of words.py."""

import pytest

from mnasnet.base.words import counted, first_line, millions, milliseconds, some


@pytest.mark.parametrize(
    ("latency_ms", "words"),
    [(0.0412, "0.0412 ms"), (0.412, "0.412 ms"), (4.125, "4.12 ms"), (41.25, "41.2 ms"), (412.5, "412 ms")],
)
def test_a_latency_is_written_to_three_digits(latency_ms: float, words: str) -> None:
    assert milliseconds(latency_ms) == words


def test_counts_have_their_plural() -> None:
    assert [counted(n, "copy", "copies") for n in (0, 1, 2_000)] == ["0 copies", "1 copy", "2,000 copies"]
    assert millions(311_600_000) == "312 M"


def test_of_many_names_three_stand_for_all() -> None:
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_an_exception_without_words_is_said_by_its_type() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(KeyError()) == "KeyError"
