"""Small records for the tests of studies and of what stands on them."""

from pathlib import Path

import optuna
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.measures.accuracy import ACCURACY
from mnasnet.measures.latency import Latency
from mnasnet.measures.limits import LATENCY, limit_on
from mnasnet.measures.quality import Quality, judge_score
from mnasnet.measures.score import Score
from mnasnet.space.hierarchical import BlockSpace, Skeleton
from mnasnet.study.setup import Setup
from mnasnet.study.storage import Place, create_study, place_of
from mnasnet.study.trial import (
    FailedTrial,
    ProposedTrial,
    RefusedTrial,
    TrainedTrial,
    TrialNetwork,
    TrialRecord,
    set_excess,
    set_latency,
    set_network,
    set_quality,
)

MAX_MS = 2.0

SPACE = BlockSpace(
    name="tiny",
    image_size=16,
    in_channels=1,
    classes=10,
    width=0.25,
    skeletons=(
        Skeleton(filters=64, layers=1, stride=2, relative_layers=(0, 1)),
        Skeleton(filters=96, layers=1, stride=1, relative_layers=(0, 1)),
    ),
    conv_ops=("sep", "mb3"),
    se_ratios=(0.0,),
    skips=("none",),
)
"""Two blocks of two operations, two kernels, three widths and one or two layers, the second one at times none."""


def latency(median_ms: float) -> Latency:
    """A latency of `median_ms`, ± 1 %."""
    return Latency(
        median_ms=median_ms,
        low_ms=0.99 * median_ms,
        high_ms=1.01 * median_ms,
        ratio=median_ms,
        reference_ms=1.0,
        raw_ms=(median_ms, median_ms),
        raw_reference_ms=(1.0, 1.0),
        runs=20,
        blocks_discarded=1,
        launches=1,
        device="recorded",
        runtime="recorded",
        threads=1,
        cores=(),
        measured_at="2019-06-16T00:00:00+00:00",
    )


def quality(correct: int) -> Quality:
    """`correct` of 1,000 held-out images right."""
    score = Score(correct=(correct,), in_top5=(correct,), images=(1000,))
    return judge_score(ACCURACY, score, on="held-out", epochs=5, seed=0, train_images=4000, seconds=6.5)


def setup() -> Setup:
    """What a search fixed at its start."""
    return Setup(
        identity={
            "data": "1f0c",
            "space": "mnasnet c0de",
            "sampler": "ppo",
            "ppo_batch": 10,
            "quality": "accuracy",
            "max_mb": None,
            "device": "host (a CPU)",
            "image_size": 16,
            "width": 0.25,
            "target_ms": None,
            "seed": 0,
            "flip": False,
        },
        reward="hard",
        target_ms=1.0,
        target_given=False,
        limits={LATENCY: MAX_MS},
        reference=latency(1.0),
        smallest_ms=0.2,
        command="mnasnet search --data 'my pictures'",
    )


def tell(study: optuna.Study, *, median_ms: float, correct: int, copy_of: int | None = None) -> None:
    """A trial that was measured and trained."""
    trial = study.ask(dict(SPACE.distributions))
    set_network(trial, network(trial))
    set_latency(trial, latency(median_ms))
    set_excess(trial, limit_on(LATENCY, MAX_MS), latency(median_ms).quantity)
    set_quality(trial, quality(correct))
    if copy_of is not None:
        trial.set_user_attr("copy_of", copy_of)
    study.tell(trial, (correct / 1000, median_ms))


def outcome(record: TrialRecord) -> str:
    """What became of a trial, in a word."""
    words = {
        TrainedTrial: "trained",
        RefusedTrial: "refused",
        FailedTrial: "failed",
        ProposedTrial: "running",
    }
    return words[type(record)]


def trained(record: TrialRecord | None) -> TrainedTrial:
    """A trial that was trained, as one."""
    assert isinstance(record, TrainedTrial)
    return record


def refused(record: TrialRecord) -> RefusedTrial:
    """A trial beyond a limit, as one."""
    assert isinstance(record, RefusedTrial)
    return record


def failed(record: TrialRecord) -> FailedTrial:
    """A trial that failed, as one."""
    assert isinstance(record, FailedTrial)
    return record


def digest(record: TrialRecord) -> str:
    """Of the trial's network, which is known."""
    assert isinstance(record, TrainedTrial | RefusedTrial | FailedTrial)
    assert record.network is not None
    return record.network.digest


def trained_trial(
    number: int, median_ms: float, correct: int, *, copy_of: int | None = None, name: str = ""
) -> TrainedTrial:
    """A trained network, `correct` of 1,000; its digest is `name` or its number, and its architecture any."""
    architecture = Architecture(blocks=(parse_block("sep_k3_s1_c16_n1"),), classes=10)
    return TrainedTrial(
        number=number,
        params={},
        network=TrialNetwork(
            architecture=architecture, digest=name or str(number), parameters=1_000, multiply_adds=100_000
        ),
        latency=latency(median_ms),
        quality=quality(correct),
        copy_of=copy_of,
    )


def network(trial: optuna.Trial) -> Architecture:
    """What the choices of `trial` decode to."""
    return SPACE.decode(trial.params)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Of a search in a folder of its own."""
    return place_of(tmp_path / "out", None)


@pytest.fixture
def study(place: Place) -> optuna.Study:
    """An empty one, in a real SQLite file."""
    return create_study(place)
