"""Tests of automaton.py: counting and reading the words of a small automaton, against spelling all of them out."""

from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from mnasnet.space.automaton import count_words, read_word

Edge = tuple[str, int, Mapping[str, str]]
Edges = Mapping[int, list[Edge]]

LAST = 4


@st.composite
def automata(draw: st.DrawFn) -> Edges:
    """Edges from each state to later ones only; several may bear one letter. The choice names the edge."""
    edges: dict[int, list[Edge]] = {}
    for state in range(LAST):
        ends = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(state + 1, LAST)), max_size=4))
        edges[state] = [(letter, end, {letter: f"{state}-{end}"}) for letter, end in ends]
    return {**edges, LAST: []}


def _words(edges: Edges, state: int, accepted: set[int]) -> Iterable[str]:
    if state in accepted:
        yield ""
    for letter, end, _ in edges[state]:
        yield from (letter + rest for rest in _words(edges, end, accepted))


@given(automata(), st.sets(st.integers(0, LAST)))
def test_a_word_that_several_paths_spell_is_counted_once(edges: Edges, accepted: set[int]) -> None:
    counted = count_words(0, edges.__getitem__, accepted.__contains__)
    assert counted == len(set(_words(edges, 0, accepted)))


@given(automata(), st.sets(st.integers(0, LAST)), st.text("ab", max_size=LAST))
def test_exactly_the_words_are_read(edges: Edges, accepted: set[int], word: str) -> None:
    choices = read_word(0, edges.__getitem__, accepted.__contains__, word)
    assert (choices is not None) == (word in set(_words(edges, 0, accepted)))


def test_the_first_path_is_read_and_later_choices_stand_over_earlier_ones() -> None:
    edges: dict[int, list[Edge]] = {
        0: [("a", 1, {"first": "dead end"}), ("a", 2, {"first": "x", "layers": "1"})],
        1: [("c", 3, {})],
        2: [("b", 3, {"layers": "2"}), ("b", 3, {"layers": "never"})],
        3: [],
    }
    assert read_word(0, edges.__getitem__, (3).__eq__, "ab") == {"first": "x", "layers": "2"}
