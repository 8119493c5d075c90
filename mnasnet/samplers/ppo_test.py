"""The PPO sampler: what it learns from, what it leaves in the study, and that it does learn."""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnasnet.samplers.ppo import (
    FINISHED,
    LOG_PROBS,
    NASNET,
    REINFORCE,
    Learner,
    PPOSampler,
    PPOSettings,
)
from mnasnet.samplers.sampler_contract import (
    SPACE,
    MakeSampler,
    SamplerContract,
    asked,
    new_study,
    reward_of_contract,
    run,
)

SMALL = PPOSettings(batch=4, hidden=16)


class TestPPO(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        return lambda seed: PPOSampler(seed, reward=reward_of_contract, settings=SMALL)


class TestReinforce(SamplerContract):
    @pytest.fixture
    def make(self) -> MakeSampler:
        settings = PPOSettings(batch=4, hidden=16, surrogate="reinforce", epochs=1)
        return lambda seed: PPOSampler(seed, reward=reward_of_contract, settings=settings)


def value_of(params: Mapping[str, Any]) -> float:
    """Higher for higher options: 1 + 2 + 3 + 1 + 2 + 3 at best."""
    return float(sum(params.values()))


def learned(direction: StudyDirection, sampler: PPOSampler, trials: int = 200) -> float:
    """Mean of the last 40 trials of a study of `value_of`."""
    study = optuna.create_study(direction=direction, sampler=sampler)
    values = []
    for _ in range(trials):
        trial = study.ask(SPACE)
        values.append(value_of(trial.params))
        study.tell(trial, values[-1])
    return sum(values[-40:]) / 40


def test_it_learns_to_maximise_and_to_minimise() -> None:
    middle = 12 / 2
    assert learned(StudyDirection.MAXIMIZE, PPOSampler()) > middle + 3
    assert learned(StudyDirection.MINIMIZE, PPOSampler()) < middle - 3


def test_it_learns_with_small_batches_and_by_reinforce_too() -> None:
    middle = 12 / 2
    assert learned(StudyDirection.MAXIMIZE, PPOSampler(settings=PPOSettings(batch=4))) > middle + 3
    by_reinforce = PPOSettings(surrogate="reinforce", epochs=1, learning_rate=1e-2)
    assert learned(StudyDirection.MAXIMIZE, PPOSampler(settings=by_reinforce)) > middle + 3


def test_the_unit_of_the_reward_does_not_matter() -> None:
    def times_1024(values: Sequence[float]) -> float:  # a power of two scales every float exactly
        return 1024 * reward_of_contract(values)

    studies = []
    for reward in (reward_of_contract, times_1024):
        study = new_study(PPOSampler(reward=reward, settings=SMALL))
        run(study, 24)
        studies.append(asked(study))
    assert studies[0] == studies[1]


def test_several_objectives_need_a_reward() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=PPOSampler())
    with pytest.raises(ValueError, match="has 2 objectives: give it reward="):
        study.ask(SPACE)


def test_a_parameter_without_listed_options_is_refused_by_name() -> None:
    study = optuna.create_study(sampler=PPOSampler())
    with pytest.raises(ValueError, match="'rate' has FloatDistribution"):
        study.ask().suggest_float("rate", 0, 1)


def test_a_trial_keeps_the_log_probabilities_of_the_policy_that_asked() -> None:
    sampler = PPOSampler(settings=SMALL)
    study = new_study(sampler)
    run(study, 6)  # one of them failed: one batch of four, and one trial over
    study.ask(SPACE)
    trial = study.trials[-1]
    policy = Learner(_categorical_space(), SMALL, seed=0)
    lessons = [t for t in study.trials if FINISHED in t.system_attrs]
    assert sampler.updates(study) == 1
    policy.learn(lessons[:4], [_value(t) for t in lessons[:4]], None)
    actions = torch.tensor([[trial.params[name] for name in SPACE]])
    expected = policy.controller.evaluate(actions)[0].flatten().tolist()
    assert list(trial.system_attrs[LOG_PROBS].values()) == pytest.approx(expected, abs=1e-5)
    assert list(trial.system_attrs[LOG_PROBS]) == list(SPACE)


def _categorical_space() -> dict[str, CategoricalDistribution]:
    return {name: d for name, d in SPACE.items() if isinstance(d, CategoricalDistribution)}


def _value(trial: FrozenTrial) -> float | None:
    return trial.values[0] if trial.state == TrialState.COMPLETE else None


def test_trials_are_numbered_in_the_order_of_telling() -> None:
    study = new_study(PPOSampler())
    trials = [study.ask(SPACE) for _ in range(3)]
    for place in (2, 0, 1):
        study.tell(trials[place], 1.0)
    assert [trial.system_attrs[FINISHED] for trial in study.trials] == [1, 2, 0]


def test_it_has_learned_once_for_every_batch_that_was_full_before_its_last_proposal() -> None:
    sampler = PPOSampler(settings=SMALL)
    study = new_study(sampler)
    counts = []
    for number in range(9):
        study.tell(study.ask(SPACE), float(number))
        counts.append(sampler.updates(study))
    assert counts == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_what_failed_or_was_not_its_own_choice_teaches_nothing() -> None:
    sampler = PPOSampler(settings=SMALL)
    study = new_study(optuna.samplers.RandomSampler(seed=0))
    for _ in range(4):
        study.tell(study.ask(SPACE), 1.0)
    study.sampler = sampler
    for _ in range(4):
        study.tell(study.ask(SPACE), state=TrialState.FAIL)
        study.enqueue_trial({"choice0": 1})
        study.tell(study.ask(SPACE), 1.0)
    assert sampler.updates(study) == 0


def _policy_after(rewards: list[float | None]) -> list[torch.Tensor]:
    """The weights after one batch with those rewards, always of the same four trials."""
    study = new_study(PPOSampler(settings=SMALL))
    for number in range(4):
        study.tell(study.ask(SPACE), float(number))
    learner = Learner(_categorical_space(), SMALL, seed=0)
    learner.learn(study.trials, rewards, None)
    return [parameter.detach() for parameter in learner.controller.parameters()]


def _equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_batches_are_learned_from_by_the_clipped_surrogate_an_entropy_bonus_and_a_moving_baseline() -> None:
    settings = PPOSettings(batch=4, hidden=16, epochs=2, clip=0.2, entropy_weight=0.1, baseline_decay=0.95)
    study = new_study(PPOSampler(settings=settings))
    for _ in range(12):
        study.tell(study.ask(SPACE), 0.0)
    for trial, asked_with in zip(study.get_trials(deepcopy=False), itertools.cycle([0.1, 0.9]), strict=False):
        trial.system_attrs[LOG_PROBS] = dict.fromkeys(SPACE, log(asked_with))
    batches = [study.trials[:4], study.trials[4:8], study.trials[8:]]
    rewards = torch.tensor(
        [[0.0, 1.0, 2.0, 3.0], [7.0, 5.0, 6.0, 4.0], [1.0, 9.0, 3.0, 8.0]], dtype=torch.float64
    )
    learner = Learner(_categorical_space(), settings, seed=0)
    for trials, of_batch in zip(batches, rewards.tolist(), strict=True):
        learner.learn(trials, of_batch, None)

    # The mean of the first batch, and of each that was learned from a twentieth.
    baselines = torch.tensor([1.5, 1.5, 0.95 * 1.5 + 0.05 * 5.5], dtype=torch.float64)
    advantages = rewards - baselines[:, None]
    first, second, third = advantages.square().mean(dim=1)
    second = 0.95 * first + 0.05 * second
    third = 0.95 * second + 0.05 * third
    advantages /= torch.stack([first, second, third]).sqrt()[:, None]
    policy = Learner(_categorical_space(), settings, seed=0).controller
    adam = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)
    for trials, gains in zip(batches, advantages.float()[:, :, None], strict=True):
        actions = torch.tensor([list(trial.params.values()) for trial in trials])
        asked_log_probs = torch.tensor([list(trial.system_attrs[LOG_PROBS].values()) for trial in trials])
        for _ in range(2):
            log_probs, entropies = policy.evaluate(actions)
            ratios = torch.exp(log_probs - asked_log_probs)
            surrogate = torch.minimum(ratios * gains, ratios.clamp(0.8, 1.2) * gains)
            loss = -surrogate.sum(dim=1).mean() - 0.1 * entropies.sum(dim=1).mean()
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    for mine, expected in zip(learner.controller.parameters(), policy.parameters(), strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-6)


def test_rewards_too_large_to_be_learned_from_as_they_are_are_refused_with_the_way_out() -> None:
    study = new_study(PPOSampler(settings=PPOSettings(batch=4, hidden=16, normalise=False)))
    for number in range(4):
        study.tell(study.ask(SPACE), 1e40 * number)
    with pytest.raises(ValueError, match=r"rewards like 3e\+40 .* PPOSettings\(normalise=True\)"):
        study.ask(SPACE)


def test_a_trial_without_a_reward_was_worse_than_the_worst_of_its_batch_by_the_range_so_far() -> None:
    below = 0.25 - (1.0 - 0.25)
    assert _equal(_policy_after([0.5, None, 0.25, 1.0]), _policy_after([0.5, below, 0.25, 1.0]))


def test_the_one_network_of_a_batch_that_was_fast_enough_teaches() -> None:
    below = 0.5 - 0.5 / 10
    assert _equal(_policy_after([0.5, None, None, None]), _policy_after([0.5, below, below, below]))
    assert not _equal(_policy_after([0.5, None, None, None]), _policy_after([0.5] * 4))


def test_proposals_that_are_pruned_become_rare() -> None:
    study = new_study(PPOSampler(settings=SMALL))
    pruned = []
    for _ in range(240):
        trial = study.ask(SPACE)
        pruned.append(value_of(trial.params) > 5)  # most of them at random: 6 is the middle
        state = TrialState.PRUNED if pruned[-1] else TrialState.COMPLETE
        study.tell(trial, None if pruned[-1] else 1.0, state=state)
    assert sum(pruned[:40]) > 20
    assert sum(pruned[-40:]) < 10


def test_a_batch_without_any_reward_teaches_nothing_when_it_is_the_first() -> None:
    unlearned = Learner(_categorical_space(), SMALL, seed=0).controller.parameters()
    assert _equal(_policy_after([None] * 4), [parameter.detach() for parameter in unlearned])


@pytest.mark.parametrize("way", ["pruned", "no reward", "infinite"])
def test_pruned_unrewarded_and_infinite_trials_have_no_reward_of_their_own(way: str) -> None:
    def reward(values: Sequence[float]) -> float | None:
        return None if way == "no reward" and values[0] == 1.0 else values[0]

    sampler = PPOSampler(reward=reward, settings=SMALL)
    study = new_study(sampler)
    for number in range(4):
        trial = study.ask(SPACE)
        if way == "pruned" and number == 1:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float("inf") if way == "infinite" and number == 1 else float(number))
    assert [sampler.reward_of(study, trial) for trial in study.trials] == [0.0, None, 2.0, 3.0]


def test_a_choice_that_does_not_matter_is_not_learned() -> None:
    seen: list[set[str]] = []

    def canonical(params: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.append(set(params))
        return {name: value for name, value in params.items() if name != "choice5"}

    study = new_study(PPOSampler(settings=SMALL))
    for number in range(4):
        study.tell(study.ask(SPACE), float(number))
    before = Learner(_categorical_space(), SMALL, seed=0)
    after = Learner(_categorical_space(), SMALL, seed=0)
    after.learn(study.trials, [0.0, 1.0, 2.0, 3.0], canonical)
    moved = (after.controller.head_weights != before.controller.head_weights).flatten(1).any(dim=1)
    assert moved.tolist() == [True, True, True, True, True, False]
    assert seen == [set(SPACE)] * 4


def test_choices_made_before_the_space_was_known_were_uniform() -> None:
    study = new_study(PPOSampler(settings=SMALL))
    study.tell(study.ask(SPACE), 1.0)
    assert study.trials[0].system_attrs[LOG_PROBS] == {}
    learners = []
    for kept in ({}, {name: -log(len(choice.choices)) for name, choice in _categorical_space().items()}):
        trial = copy.deepcopy(study.trials[0])
        trial.system_attrs[LOG_PROBS] = kept
        learner = Learner(_categorical_space(), SMALL, seed=0)
        learner.learn([trial] * 4, [0.0, 1.0, 2.0, 3.0], None)
        learners.append([parameter.detach() for parameter in learner.controller.parameters()])
    assert _equal(*learners)


def test_a_space_that_narrows_is_learned_anew_and_resumes_alike() -> None:
    studies = []
    for fresh in (False, True):
        study = new_study(PPOSampler(settings=SMALL))
        for number in range(20):
            if fresh:
                study.sampler = PPOSampler(settings=SMALL)
            run(study, 1, SPACE if number < 10 else dict(itertools.islice(SPACE.items(), 3)))
        studies.append(asked(study))
        assert list(study.trials[-1].system_attrs[LOG_PROBS]) == ["choice0", "choice1", "choice2"]
    assert studies[0] == studies[1]


def test_two_threads_may_ask() -> None:
    sampler = PPOSampler(settings=SMALL)
    study = new_study(sampler)
    study.optimize(
        lambda trial: float(trial.suggest_categorical("a", [0, 1]) + trial.suggest_categorical("b", [0, 1])),
        n_trials=24,
        n_jobs=2,
    )
    assert sampler.updates(study) in (4, 5)  # 24 in batches of 4, less what ended after the last was asked


def test_gradients_switched_off_by_the_caller_do_not_stop_it() -> None:
    study = new_study(PPOSampler(settings=SMALL))
    with torch.no_grad():
        run(study, 12)
    expected = new_study(PPOSampler(settings=SMALL))
    run(expected, 12)
    assert asked(study) == asked(expected)


def test_torchs_global_generator_is_left_alone_and_not_read() -> None:
    studies = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        study = new_study(PPOSampler(settings=SMALL))
        run(study, 12)
        studies.append(asked(study))
        assert torch.equal(torch.get_rng_state(), before)
    assert studies[0] == studies[1]


def test_it_learns_on_one_thread_and_leaves_torch_as_many_as_it_had() -> None:
    seen = set()

    def canonical(params: Mapping[str, Any]) -> Mapping[str, Any]:
        seen.add(torch.get_num_threads())
        return params

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run(new_study(PPOSampler(settings=SMALL, canonical=canonical)), 12)
        assert (seen, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_presets_are_nasnets() -> None:
    assert (NASNET.hidden, NASNET.init_range, NASNET.batch, NASNET.epochs) == (100, 0.1, 20, 1)
    assert (NASNET.learning_rate, NASNET.entropy_weight, NASNET.baseline_decay) == (3.5e-4, 1e-5, 0.95)
    assert (NASNET.surrogate, REINFORCE.surrogate) == ("ppo", "reinforce")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("batch", 0),
        ("batch", 2.5),
        ("epochs", 0),
        ("learning_rate", -1.0),
        ("learning_rate", math.nan),
        ("clip", 0.0),
        ("clip", "a"),
        ("entropy_weight", None),
        ("normalise", "no"),
        ("entropy_weight", math.inf),
        ("surrogate", "trpo"),
        ("baseline_decay", 1.0),
    ],
)
def test_settings_that_cannot_learn_are_refused_by_name(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"PPOSettings\.{setting} must be .*{value}"):
        PPOSettings(**{setting: value})


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"settings must be PPOSettings, got \{'batch': 10\}"):
        PPOSampler(settings={"batch": 10})  # type: ignore[arg-type]


def test_a_seed_may_be_larger_than_torch_takes() -> None:
    studies = [new_study(PPOSampler(seed, settings=SMALL)) for seed in (2**130, 2**130 + 1)]
    for study in studies:
        run(study, 6)
    assert asked(studies[0]) != asked(studies[1])
