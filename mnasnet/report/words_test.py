"""Tests of words.py."""

from mnasnet.report.conftest import accuracy, latency
from mnasnet.report.words import accuracy_words, latency_words, plain_words


def test_an_interval_is_written_to_the_places_of_its_median() -> None:
    assert latency_words(latency(0.412, half=0.0119)) == "0.412 [0.400, 0.424]"
    assert latency_words(latency(41.2, half=1.19)) == "41.2 [40.0, 42.4]"


def test_a_field_is_written_in_plain_words() -> None:
    assert plain_words("raise `max_ms`, as `mnasnet zoo` says") == "raise max ms, as `mnasnet zoo` says"


def test_an_accuracy_is_in_per_cent_with_wilsons_interval() -> None:
    # 56 of 70: Newcombe 1998 (Statistics in Medicine 17, 857-872) gives 0.692 to 0.877
    assert accuracy_words(accuracy(56, images=70)) == "80.0 [69.2, 87.7]"
