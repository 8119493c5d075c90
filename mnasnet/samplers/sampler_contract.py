"""What every sampler of this package promises; a new one's whole conformance test is a subclass with one fixture.

class TestMine(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: MySampler(seed=seed, reward=reward_of_contract)
"""

import copy
import pickle
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

MakeSampler = Callable[[int], BaseSampler]
Space = dict[str, BaseDistribution]

OPTIONS: list[int | float | str | None] = [None, "depthwise", 3, 0.25]

SPACE: Space = {f"choice{i}": CategoricalDistribution(list(range(2 + i % 3))) for i in range(6)}
"""2 · 3 · 4 · 2 · 3 · 4 = 576 points."""

DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)

SEEDS = st.integers(0, 2**31)

AHEAD = 8
"""Trials asked before the first is told."""


def space_of(counts: Iterable[int]) -> Space:
    """One choice for each number of options, of values of every kind that Optuna takes."""
    return {f"choice{i}": CategoricalDistribution(OPTIONS[:count]) for i, count in enumerate(counts)}


def reward_of_contract(values: Sequence[float]) -> float:
    """The first value less the others; all studies here maximise the first and minimise the second."""
    first, *others = values
    return float(first - sum(others))


def new_study(sampler: BaseSampler, *, objectives: int = 1, storage: str | None = None) -> optuna.Study:
    """The study of the contract in a storage, or what is already there of it."""
    return optuna.create_study(
        study_name="contract",
        directions=DIRECTIONS[:objectives],
        sampler=sampler,
        storage=storage,
        load_if_exists=storage is not None,
    )


def tell(study: optuna.Study, trial: Trial) -> None:
    """Finish a trial as its number says: every fifth failed, every seventh pruned, the rest completed."""
    if trial.number % 5 == 4:
        study.tell(trial, state=TrialState.FAIL)
    elif trial.number % 7 == 6:
        trial.set_constraint("latency", 0.5)
        study.tell(trial, state=TrialState.PRUNED)
    else:
        total = float(sum(trial.params.values()))
        study.tell(trial, [total, 0.1 * total][: len(study.directions)])


def run(study: optuna.Study, trials: int, space: Space = SPACE) -> None:
    """Ask and tell one by one."""
    for _ in range(trials):
        tell(study, study.ask(space))


def asked(study: optuna.Study) -> list[dict[str, Any]]:
    """All choices of a study so far."""
    return [trial.params for trial in study.get_trials(deepcopy=False)]


class SamplerContract:
    """The promises. Trials are few: a sampler with long batches is given short ones by its fixture."""

    @pytest.fixture
    def make(self) -> MakeSampler:
        """From a seed to a new sampler, for one objective as for two (`reward_of_contract`)."""
        raise NotImplementedError("give the contract a fixture `make`")

    def test_every_choice_is_one_of_its_options(self, make: MakeSampler) -> None:
        # The property is an inner function, since hypothesis refuses one that several subclasses inherit.
        @settings(max_examples=10)
        @given(counts=st.lists(st.integers(1, len(OPTIONS)), min_size=1, max_size=4), seed=SEEDS)
        def holds(counts: list[int], seed: int) -> None:
            space = space_of(counts)
            study = new_study(make(seed))
            for number in range(12):
                trial = study.ask(space)
                assert trial.params.keys() == space.keys()
                for i, count in enumerate(counts):
                    assert trial.params[f"choice{i}"] in OPTIONS[:count]
                study.tell(trial, float(number % 3))

        holds()

    def test_define_by_run_is_served_like_ask(self, make: MakeSampler) -> None:
        study = new_study(make(0))

        def objective(trial: Trial) -> float:
            kernel = trial.suggest_categorical("kernel", [3, 5])
            skip = trial.suggest_categorical("skip", ["pool", "identity", "none"])
            # Only there when something else was chosen: it cannot be asked for jointly.
            pool = trial.suggest_categorical("pool", [1, 2]) if skip == "pool" else 0
            return float(kernel + pool)

        study.optimize(objective, n_trials=16)
        assert all(trial.state == TrialState.COMPLETE for trial in study.trials)

    @pytest.mark.parametrize("objectives", [1, 2])
    def test_failed_and_pruned_trials_do_not_stop_it(self, make: MakeSampler, objectives: int) -> None:
        study = new_study(make(0), objectives=objectives)
        run(study, 24)
        states = {trial.state for trial in study.trials}
        assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}

    def test_nothing_but_pruned_and_failed_trials_do_not_stop_it(self, make: MakeSampler) -> None:
        study = new_study(make(0))
        for number in range(16):
            state = TrialState.PRUNED if number % 2 else TrialState.FAIL
            study.tell(study.ask(SPACE), state=state)
        assert study.ask(SPACE).params.keys() == SPACE.keys()

    def test_the_same_seed_makes_the_same_choices(self, make: MakeSampler) -> None:
        first, second = new_study(make(3)), new_study(make(3))
        run(first, 16)
        run(second, 16)
        assert asked(first) == asked(second)

    def test_another_seed_makes_others(self, make: MakeSampler) -> None:
        first, second = new_study(make(3)), new_study(make(4))
        run(first, 4)
        run(second, 4)
        assert asked(first) != asked(second)

    @pytest.mark.parametrize("objectives", [1, 2])
    def test_a_resume_after_any_trial_changes_nothing(self, make: MakeSampler, objectives: int) -> None:
        whole = new_study(make(0), objectives=objectives)
        run(whole, 24)
        resumed = new_study(make(0), objectives=objectives)
        for _ in range(24):
            resumed.sampler = make(0)
            run(resumed, 1)
        assert asked(resumed) == asked(whole)

    def test_a_resume_with_eight_asked_ahead_and_told_out_of_order_changes_nothing(
        self, make: MakeSampler
    ) -> None:
        whole, resumed = new_study(make(0)), new_study(make(0))
        for study in (whole, resumed):
            order = random.Random(0)
            running = [study.ask(SPACE) for _ in range(AHEAD)]
            for _ in range(24):
                tell(study, running.pop(order.randrange(AHEAD)))
                if study is resumed:
                    study.sampler = make(0)
                running.append(study.ask(SPACE))
        assert asked(resumed) == asked(whole)

    def test_a_new_process_goes_on_from_the_file(self, make: MakeSampler, tmp_path: Path) -> None:
        space = dict(list(SPACE.items())[:2])
        whole = new_study(make(0))
        for study in (whole, new_study(make(0), storage=f"sqlite:///{tmp_path / 'study.db'}")):
            running = [study.ask(space) for _ in range(AHEAD)]
            for trial in (*running[3:], *running[:3]):
                tell(study, trial)
        again = new_study(make(0), storage=f"sqlite:///{tmp_path / 'study.db'}")
        run(whole, 4, space)
        run(again, 4, space)
        assert asked(again) == asked(whole)

    def test_a_space_of_one_point_is_that_point(self, make: MakeSampler) -> None:
        study = new_study(make(0))
        for _ in range(12):
            trial = study.ask(space_of([1, 1]))
            assert trial.params == {"choice0": None, "choice1": None}
            study.tell(trial, 1.0)

    def test_it_goes_on_with_a_study_that_another_sampler_began(self, make: MakeSampler) -> None:
        studies = []
        for fresh in (False, True):
            study = new_study(RandomSampler(seed=9))
            run(study, 12)
            study.sampler = make(0)
            study.enqueue_trial({"choice0": 1, "choice1": 2})
            for _ in range(12):
                if fresh:
                    study.sampler = make(0)
                run(study, 1)
            studies.append(asked(study))
        assert studies[0][12].items() >= {"choice0": 1, "choice1": 2}.items()
        assert studies[0] == studies[1]

    def test_one_sampler_serves_several_studies_apart(self, make: MakeSampler) -> None:
        sampler = make(0)
        first, second = new_study(sampler), new_study(sampler)
        for _ in range(16):
            run(first, 1)
            run(second, 1)
        alone = new_study(make(0))
        run(alone, 16)
        assert asked(first) == asked(second) == asked(alone)

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda sampler: pickle.loads(pickle.dumps(sampler))])
    def test_a_copy_goes_on_as_the_sampler_does(
        self, make: MakeSampler, copied: Callable[[BaseSampler], BaseSampler]
    ) -> None:
        whole, other = new_study(make(5)), new_study(make(5))
        for study in (whole, other):
            run(study, 12)
            if study is other:
                study.sampler = copied(study.sampler)
            run(study, 12)
        assert asked(other) == asked(whole)

    def test_it_leaves_the_global_generators_alone(self, make: MakeSampler) -> None:
        before = random.getstate(), repr(np.random.get_state())
        run(new_study(make(0)), 12)
        assert (random.getstate(), repr(np.random.get_state())) == before
