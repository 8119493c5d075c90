"""Recommendation: which networks of a search to take, and which to train to the end."""

from dataclasses import dataclass

from mnasnet.analysis.findings import Findings
from mnasnet.measures.reward import Reward
from mnasnet.study.trial import TrainedTrial


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The networks that are worth a look, each for another reason."""

    best: TrainedTrial
    """Of the highest reward; of equal ones the fastest."""
    best_reward: float
    expected: TrainedTrial | None
    """Of the highest expected reward, where that is another network and not as good in four digits."""
    expected_reward: float | None
    """What is expected of `expected`."""
    expected_reward_of_best: float
    within: TrainedTrial | None
    """Of the highest expected quality within the target, where none of the others keeps to it."""
    none_within: bool
    """Whether a network within the target is wanted, and there is none."""


def recommend(findings: Findings) -> Recommendation | None:
    """What to take of a search; None while nothing has been trained or set up."""
    reward, target_ms = findings.reward, findings.target_ms
    best = find_best(findings)
    if reward is None or target_ms is None or best is None:
        return None
    expected = _differing_expectation(findings, best, reward)
    named = [best] if expected is None else [best, expected]
    within = None
    if wanted := not all(keeps_to_target(findings, one) for one in named):
        # The front is sorted by latency, and so by expected quality.
        fast = [one for one in findings.expected_front if keeps_to_target(findings, one)]
        within = fast[-1] if fast else None
    return Recommendation(
        best=best,
        best_reward=best.score(reward),
        expected=expected,
        expected_reward=None if expected is None else expect_reward(findings, expected, reward),
        expected_reward_of_best=expect_reward(findings, best, reward),
        within=None if within in named else within,
        none_within=wanted and within is None,
    )


def choose_finalists(findings: Findings, *, count: int) -> list[TrainedTrial]:
    """The network of the highest expected reward, that of the highest measured one, and of the front: `count`.

    The highest measured is flattered by luck, but may be more than that. Of the front, and of the others where it
    is too short, those of the highest reward, by the qualities that are expected of them, where they are.
    """
    reward = findings.reward
    if reward is None:
        return []
    unbeaten = {record.number for record in findings.expected_front}
    ranked = sorted(
        findings.trained,
        key=lambda record: (
            record.number in unbeaten,
            expect_reward(findings, record, reward),
            -record.number,
        ),
        reverse=True,
    )
    records = [find_expected_best(findings), find_best(findings), *ranked]
    once = {record.number: record for record in records if record is not None}
    return list(once.values())[:count]


def find_best(findings: Findings) -> TrainedTrial | None:
    """The trained network of the highest reward; of equal ones the fastest."""
    reward = findings.reward
    if reward is None:
        return None
    return max(
        findings.trained,
        key=lambda record: (record.score(reward), -record.latency.median_ms),
        default=None,
    )


def find_expected_best(findings: Findings) -> TrainedTrial | None:
    """The one of the highest expected reward: the best as measured may have been lucky in its training.

    With a hard reward it keeps to the target, where any does: what is over it by a thousandth has lost no more
    reward by that than noise hides.
    """
    reward = findings.reward
    if reward is None:
        return None
    return max(
        findings.trained,
        key=lambda record: (
            not target_is_limit(findings) or keeps_to_target(findings, record),
            expect_reward(findings, record, reward),
            -record.latency.median_ms,
        ),
        default=None,
    )


def expect_reward(findings: Findings, record: TrainedTrial, reward: Reward) -> float:
    """The reward of the quality that is expected of a network, or else of what was measured."""
    quality = findings.expected.get(record.number, record.quality.value)
    return reward(quality=quality, latency_ms=record.latency.median_ms)


def target_is_limit(findings: Findings) -> bool:
    """Whether the reward is the hard one."""
    return findings.setup is not None and findings.setup.reward == "hard"


def keeps_to_target(findings: Findings, record: TrainedTrial) -> bool:
    """Whether the network is as fast as was asked for."""
    return findings.target_ms is not None and record.latency.median_ms <= findings.target_ms


def _differing_expectation(findings: Findings, best: TrainedTrial, reward: Reward) -> TrainedTrial | None:
    """The network of the highest expected reward, unless it is the best as measured or its equal in four digits.

    With a hard reward it is within the target, which the best may be over by so little that it costs nothing.
    """
    record = find_expected_best(findings)
    if record is None or record == best or not findings.expected:
        return None
    by_limit = target_is_limit(findings) and (
        keeps_to_target(findings, record) > keeps_to_target(findings, best)
    )
    mine, others = (expect_reward(findings, one, reward) for one in (record, best))
    return record if by_limit or f"{mine:.4f}" != f"{others:.4f}" else None
