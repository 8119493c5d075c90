"""A search made up for the report's tests: an Optuna study in memory, and finalists' cards in a folder."""

import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Accuracy, Latency
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.study.card import Card, write_card
from mnasnet.study.storage import DIRECTIONS, Setup, write_setup
from mnasnet.study.trial import set_accuracy, set_latency, set_network

SPACE = mnasnet_space(image_size=32, width=0.5, classes=10)
TARGET_MS, MAX_MS = 0.5, 0.9


def latency(median_ms: float, *, half: float = 0.01) -> Latency:
    """A latency of `median_ms` with an interval of ± `half` ms."""
    return Latency(
        median_ms=median_ms,
        low_ms=median_ms - half,
        high_ms=median_ms + half,
        ratio=median_ms / TARGET_MS,
        reference_ms=TARGET_MS,
        raw_ms=(median_ms,),
        raw_reference_ms=(TARGET_MS,),
        runs=100,
        blocks_discarded=0,
        launches=1,
        device="host (some CPU)",
        runtime="LiteRT 2.3, XNNPACK",
        threads=1,
        cores=(1,),
        measured_at="2026-01-01T00:00:00Z",
    )


def accuracy(correct: int, *, images: int = 300, epochs: int = 5, on: str = "held-out") -> Accuracy:
    """`correct` of `images` right."""
    return Accuracy(
        correct=correct, images=images, epochs=epochs, seed=0, on=on, train_images=1200, seconds=6.0
    )


def setup() -> Setup:
    """The setup of the made-up search."""
    return Setup(
        identity={
            "data": "1f0c",
            "space": "mnasnet",
            "image_size": 32,
            "width": 0.5,
            "sampler": "ppo",
            "seed": 0,
        },
        reward="soft",
        target_ms=TARGET_MS,
        target_given=False,
        max_ms=MAX_MS,
        reference=latency(TARGET_MS),
        smallest_ms=0.1,
        command="mnasnet search --classes <two>",
    )


def card(
    correct: int, median_ms: float, *, control: bool = False, half: float = 0.01, epochs: int = 10
) -> Card:
    """A finished network with `correct` of 500 test images right."""
    architecture: Architecture = MOBILENET_V2.scaled(0.5).fitted(32)
    if not control:
        architecture = SPACE.decode(random_params(random.Random(correct)))
    return Card(
        name="mobilenet-v2" if control else "trial-3",
        control=control,
        digest=architecture.digest(),
        architecture=architecture,
        parameters=count_parameters(architecture.lowered()),
        multiply_adds=count_multiply_adds(architecture.lowered()),
        accuracy=accuracy(correct, images=500, epochs=epochs, on="test"),
        precision="fp32",
        float_accuracy=None,
        proxy_accuracy=None if control else accuracy(270),
        latency=latency(median_ms, half=half),
        proxy_latency=None if control else latency(median_ms),
        size_bytes=1_234_567,
        largest_difference=1e-6,
        trial=None if control else 3,
        data="digits",
        fingerprint="1f0c",
        classes=("<b>zero</b>", "one"),
        mean=(0.5,),
        std=(0.2,),
        command="mnasnet search",
    )


def random_params(rng: random.Random) -> dict[str, Any]:
    """One option for every choice of the space."""
    return {name: rng.choice(choices.choices) for name, choices in SPACE.distributions.items()}


def add_trial(
    study: optuna.Study,
    params: dict[str, Any],
    *,
    median_ms: float,
    correct: int | None,
    copy_of: int | None = None,
) -> None:
    """A trial of the network of `params`; `correct` is None where it was too slow to be trained."""
    study.enqueue_trial(params)
    trial = study.ask(dict(SPACE.distributions))
    set_network(trial, SPACE.decode(params))
    set_latency(trial, latency(median_ms), max_ms=MAX_MS)
    if copy_of is not None:
        trial.set_user_attr("copy_of", copy_of)
    if correct is None:
        trial.set_user_attr("reason", f"{median_ms} ms > {MAX_MS} ms")
        study.tell(trial, state=TrialState.PRUNED)
    else:
        found = accuracy(correct)
        set_accuracy(trial, found)
        study.tell(trial, (found.top1, median_ms))


def add_failed(study: optuna.Study, reason: str) -> None:
    """A trial that failed before it was measured."""
    trial = study.ask(dict(SPACE.distributions))
    trial.set_user_attr("reason", reason)
    study.tell(trial, state=TrialState.FAIL)


@pytest.fixture
def empty_study() -> optuna.Study:
    """A search begun but not set up."""
    return optuna.create_study(directions=DIRECTIONS, study_name="search <mine>")


@pytest.fixture
def study(empty_study: optuna.Study) -> optuna.Study:
    """Eight trials, numbered in the order below; the front is 0, 2 and 4, of which 2 has the highest reward."""
    write_setup(empty_study, setup())
    rng = random.Random(0)
    params = [random_params(rng) for _ in range(6)]
    add_trial(empty_study, params[0], median_ms=0.3, correct=240)  # 80 %
    add_trial(empty_study, params[1], median_ms=0.35, correct=210)  # 70 %, beaten by trial 0
    add_trial(empty_study, params[2], median_ms=0.4, correct=282)  # 94 %
    add_trial(empty_study, params[3], median_ms=1.2, correct=None)
    add_trial(empty_study, params[4], median_ms=0.8, correct=285)  # 95 %
    add_trial(empty_study, params[2], median_ms=0.4, correct=282, copy_of=2)
    add_failed(empty_study, "DivergedError: loss <nan> & more, `width` 1")
    add_trial(empty_study, params[5], median_ms=0.7, correct=270)  # 90 %, beaten by trial 2
    return empty_study


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A search's folder with two finalists and the control."""
    for made in (card(480, 0.45), card(470, 0.3), card(465, 0.5, control=True)):
        folder = tmp_path / "finalists" / made.digest
        folder.mkdir(parents=True)
        write_card(made, folder)
    return tmp_path
