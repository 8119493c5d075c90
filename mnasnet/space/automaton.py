"""A search space as a finite automaton whose words are networks: counting them, and reading one."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

State = TypeVar("State", bound=Hashable)
Letter = TypeVar("Letter", bound=Hashable)
Steps = Callable[[State], Iterable[tuple[Letter, State, Mapping[str, Any]]]]
"""From a state, each letter that may follow, where it leads, and the choices that it stands for."""


def count_words(start: State, steps: Steps[State, Letter], accepts: Callable[[State], bool]) -> int:
    """How many different words an acyclic non-deterministic automaton accepts.

    The subset construction (Rabin and Scott 1959), with the count of each set of states kept, so that a word
    which several paths spell is counted once.
    """

    @cache
    def words_from(states: frozenset[State]) -> int:
        targets: dict[Letter, set[State]] = defaultdict(set)
        for state in states:
            for letter, target, _ in steps(state):
                targets[letter].add(target)
        return int(any(accepts(state) for state in states)) + sum(
            words_from(frozenset(target)) for target in targets.values()
        )

    return words_from(frozenset([start]))


def read_word(
    start: State, steps: Steps[State, Letter], accepts: Callable[[State], bool], word: Sequence[Letter]
) -> dict[str, Any] | None:
    """The choices along the first path that spells `word`, later over earlier; None if there is none."""

    def read(state: State, position: int) -> dict[str, Any] | None:
        if position == len(word):
            return {} if accepts(state) else None
        for letter, target, choices in steps(state):
            if letter == word[position]:
                rest = read(target, position + 1)
                if rest is not None:
                    return {**choices, **rest}
        return None

    return read(start, 0)
