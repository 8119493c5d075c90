"""What every space promises; a new one's whole conformance test is a subclass with one fixture.

class TestMine(SpaceContract):
    @pytest.fixture
    def space(self) -> Space:
        return MySpace(image_size=32)
"""

import dataclasses
import math
from itertools import product

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from mnasnet.space.space import Choice, Params, Space

MOST_COUNTED = 6000
"""Nominal size up to which every combination is decoded and the different networks are counted."""


def every_params(space: Space) -> st.SearchStrategy[Params]:
    """Any combination of options."""
    return st.fixed_dictionaries(
        {name: st.sampled_from(options(choice)) for name, choice in space.distributions.items()}
    )


def first_options(space: Space) -> Params:
    """The first option of every choice."""
    return {name: options(choice)[0] for name, choice in space.distributions.items()}


def options(choice: CategoricalDistribution) -> tuple[Choice, ...]:
    """The options of `choice`; a space has no None among them, which Optuna would allow."""
    return tuple(option for option in choice.choices if option is not None)


class SpaceContract:
    """The promises of `Space`."""

    @pytest.fixture
    def space(self) -> Space:
        """The space to be held to its promises."""
        raise NotImplementedError("give the contract a fixture `space`")

    def test_it_has_a_name_and_choices_that_a_study_can_ask_for(self, space: Space) -> None:
        assert space.name
        assert all(isinstance(choice, CategoricalDistribution) for choice in space.distributions.values())
        trial = optuna.create_study().ask(dict(space.distributions))
        space.decode(trial.params)

    # The properties are inner functions, since hypothesis refuses one that several subclasses inherit.

    def test_every_combination_is_a_canonical_architecture_of_widths_divisible_by_eight_and_comes_back(
        self, space: Space
    ) -> None:
        @settings(max_examples=12)
        @given(every_params(space))
        def holds(params: Params) -> None:
            architecture = space.decode(params)
            assert architecture == architecture.canonical()
            assert all(block.filters % 8 == 0 for block in architecture.blocks)
            assert space.decode(space.encode(architecture)).digest() == architecture.digest()

        holds()

    def test_two_sets_of_choices_have_one_canonical_form_exactly_where_they_are_one_network(
        self, space: Space
    ) -> None:
        @settings(max_examples=12)
        @given(every_params(space), every_params(space), st.sets(st.sampled_from(list(space.distributions))))
        def holds(params: Params, others: Params, changed: set[str]) -> None:
            other = {**params, **{name: others[name] for name in changed}}
            same_network = space.decode(params).digest() == space.decode(other).digest()
            assert (space.canonical(params) == space.canonical(other)) == same_network

        holds()

    def test_the_canonical_form_is_the_same_network_and_its_own_canonical_form(self, space: Space) -> None:
        @settings(max_examples=12)
        @given(every_params(space))
        def holds(params: Params) -> None:
            canonical = space.canonical(params)
            assert space.decode(canonical).digest() == space.decode(params).digest()
            assert space.canonical(canonical) == canonical

        holds()

    def test_what_the_canonical_form_leaves_out_does_not_matter(self, space: Space) -> None:
        @settings(max_examples=12)
        @given(every_params(space), every_params(space))
        def holds(params: Params, others: Params) -> None:
            canonical = space.canonical(params)
            assert canonical.keys() <= space.distributions.keys()
            assert space.decode({**others, **canonical}).digest() == space.decode(params).digest()

        holds()

    def test_a_missing_choice_that_matters_is_named(self, space: Space) -> None:
        @settings(max_examples=12)
        @given(every_params(space), st.data())
        def holds(params: Params, data: st.DataObject) -> None:
            canonical = space.canonical(params)
            missing = data.draw(st.sampled_from(list(canonical)))
            with pytest.raises(ValueError, match=missing):
                space.decode({name: value for name, value in canonical.items() if name != missing})

        holds()

    def test_an_option_that_is_not_offered_is_named(self, space: Space) -> None:
        @settings(max_examples=12)
        @given(every_params(space), st.data())
        def holds(params: Params, data: st.DataObject) -> None:
            canonical = space.canonical(params)
            wrong = data.draw(st.sampled_from(list(canonical)))
            with pytest.raises(ValueError, match=f"{wrong}='no such option'"):
                space.decode({**canonical, wrong: "no such option"})

        holds()

    def test_an_architecture_of_another_space_is_refused(self, space: Space) -> None:
        architecture = space.decode(first_options(space))
        other = dataclasses.replace(architecture, classes=architecture.classes + 1)
        with pytest.raises(ValueError, match=other.digest()):
            space.encode(other)

    def test_the_size_is_what_counting_finds(self, space: Space) -> None:
        size = space.size()
        choices = {name: options(choice) for name, choice in space.distributions.items()}
        assert size.nominal == math.prod(map(len, choices.values()))
        if size.distinct is None:
            return
        assert 1 <= size.distinct <= size.nominal
        if size.nominal <= MOST_COUNTED:
            combinations = (dict(zip(choices, values, strict=True)) for values in product(*choices.values()))
            assert size.distinct == len({space.decode(params).digest() for params in combinations})
