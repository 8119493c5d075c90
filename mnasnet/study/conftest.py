"""Small records for the tests of studies and of what stands on them."""

from pathlib import Path

import optuna
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Accuracy, Latency
from mnasnet.space.hierarchical import BlockSpace, Skeleton
from mnasnet.study.storage import Place, Setup, create_study, place_of
from mnasnet.study.trial import set_accuracy, set_latency, set_network

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


def accuracy(correct: int) -> Accuracy:
    """`correct` of 1,000 held-out images right."""
    return Accuracy(
        correct=correct, images=1000, epochs=5, seed=0, on="held-out", train_images=4000, seconds=6.5
    )


def setup() -> Setup:
    """What a search fixed at its start."""
    return Setup(
        identity={
            "data": "1f0c",
            "space": "mnasnet c0de",
            "sampler": "ppo",
            "batch": 10,
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
        max_ms=MAX_MS,
        reference=latency(1.0),
        smallest_ms=0.2,
        command="mnasnet search --data 'my pictures'",
    )


def tell(study: optuna.Study, *, median_ms: float, correct: int, copy_of: int | None = None) -> None:
    """A trial that was measured and trained."""
    trial = study.ask(dict(SPACE.distributions))
    set_network(trial, network(trial))
    set_latency(trial, latency(median_ms), max_ms=MAX_MS)
    set_accuracy(trial, accuracy(correct))
    if copy_of is not None:
        trial.set_user_attr("copy_of", copy_of)
    study.tell(trial, (correct / 1000, median_ms))


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
