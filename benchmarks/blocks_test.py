"""Tests of blocks.py."""

import pytest
from blocks import fill

PAGE = """# A page
A person's words, with <!-- written count -->7<!-- end --> in them.

<!-- written rows -->
<!-- end -->
"""


def test_what_a_script_writes_is_written_anew_and_a_persons_words_stay() -> None:
    parts = {"count": "8", "rows": "| a |\n|---|"}
    filled = fill(PAGE, parts)
    assert filled == (
        "# A page\nA person's words, with <!-- written count -->8<!-- end --> in them.\n\n"
        "<!-- written rows -->\n\n| a |\n|---|\n\n<!-- end -->\n"
    )
    assert fill(filled, parts) == filled


@pytest.mark.parametrize("parts", [{"count": "8"}, {"count": "8", "rows": "", "more": ""}])
def test_a_part_without_a_place_and_a_place_without_a_part_are_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"places for \['count', 'rows'\]"):
        fill(PAGE, parts)
