"""Tests of run.py: a training in its folder, gone on with after a kill, from scratch and from weights."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import find_architecture
from mnasnet.base.errors import RequestError
from mnasnet.nn.checkpoint import load_weights
from mnasnet.nn.model import WEIGHTS, Model, open_model
from mnasnet.nn.network import Network
from mnasnet.study.training import Training, read_training
from mnasnet.train.data import ImageData
from mnasnet.train.loop import Recipe, count_correct
from mnasnet.train.loop_test import TINY, equal, in_colour
from mnasnet.train.run import LAST, RESUME, run_training

RECIPE = Recipe(epochs=3, learning_rate=0.02, ema=0.99)


class KilledError(BaseException):
    """What no code catches."""


def silent(training: Training) -> None:
    """Nobody listens."""


def run(
    out: Path,
    data: ImageData,
    start: Architecture | Model = TINY,
    *,
    recipe: Recipe = RECIPE,
    seed: int = 0,
    told: Callable[[Training], None] = silent,
) -> Training:
    return run_training(
        start,
        data,
        recipe,
        name="tiny",
        seed=seed,
        out=out,
        begun_with={"weights": None},
        command="mnasnet train tiny",
        begun=silent,
        told=told,
    )


@pytest.fixture(scope="module")
def trained(digits: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that has ended."""
    out = tmp_path_factory.mktemp("trained")
    run(out, digits)
    return out


def loaded(path: Path, architecture: Architecture = TINY) -> Network:
    return load_weights(path, architecture).network


def test_the_folder_holds_the_best_and_the_last_weights_and_how_it_went(
    trained: Path, digits: ImageData
) -> None:
    record = read_training(trained)
    assert record is not None
    assert len(record.epochs) == RECIPE.epochs
    assert record.best is not None
    best = loaded(trained / WEIGHTS)
    assert count_correct(best, digits, digits.held_out) == record.epochs[record.best].correct
    assert count_correct(loaded(trained / LAST), digits, digits.held_out) == record.epochs[-1].correct
    assert record.test is not None
    assert record.test.top1 == (count_correct(best, digits, digits.test), len(digits.test))
    assert record.epochs[-1].loss < record.epochs[0].loss
    assert record.epochs[-1].correct / record.epochs[-1].images > 0.3  # a tenth is chance
    assert {path.name for path in trained.iterdir()} == {
        *("architecture.json", "training.json", WEIGHTS, LAST, ".lock"),
    }


def test_the_folder_is_a_network_that_knows_its_classes_and_its_images(
    trained: Path, digits: ImageData
) -> None:
    model = open_model(str(trained))
    assert model.learned == Learned(classes=digits.classes, mean=digits.mean, std=digits.std)
    assert find_architecture(str(trained)) == TINY


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_network(
    trained: Path, digits: ImageData, tmp_path: Path, killed_after: int
) -> None:
    seen: list[int] = []

    def kill(training: Training) -> None:
        seen.append(len(training.epochs))
        if len(seen) == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path, digits, told=kill)
    assert (tmp_path / RESUME).is_file()
    record = run(tmp_path, digits, told=kill)
    assert seen == [1, 2, 3]  # no epoch twice
    for name in (WEIGHTS, LAST):
        assert equal(loaded(tmp_path / name), loaded(trained / name))
    whole = read_training(trained)
    assert whole is not None
    assert record.test == whole.test
    untimed = [dataclasses.replace(epoch, seconds=0.0) for epoch in record.epochs]
    assert untimed == [dataclasses.replace(epoch, seconds=0.0) for epoch in whole.epochs]


def test_an_epoch_whose_state_was_not_kept_is_run_again(digits: ImageData, tmp_path: Path) -> None:
    state: list[bytes] = []

    def keep_the_state_of_the_first(training: Training) -> None:
        if len(training.epochs) == 1:
            state.append((tmp_path / RESUME).read_bytes())
        if len(training.epochs) == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path, digits, told=keep_the_state_of_the_first)
    (tmp_path / RESUME).write_bytes(state[0])  # as if it had been killed between the record and the state
    assert len(run(tmp_path, digits).epochs) == RECIPE.epochs


def test_a_training_that_has_ended_is_not_run_again(trained: Path, digits: ImageData) -> None:
    def fail(training: Training) -> None:
        pytest.fail("an epoch was run")

    assert run(trained, digits, told=fail) == read_training(trained)


def test_another_training_in_the_same_folder_is_refused_by_what_differs(
    trained: Path, digits: ImageData
) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir()}
    with pytest.raises(
        RequestError, match=r"holds another training: `epochs` 4 here, 3 there; choose another"
    ):
        run(trained, digits, recipe=dataclasses.replace(RECIPE, epochs=4))
    with pytest.raises(RequestError, match="`seed` 1 here, 0 there"):
        run(trained, digits, seed=1)
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_damaged_state_is_named(digits: ImageData, tmp_path: Path, kept: int) -> None:
    def stop(training: Training) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        run(tmp_path, digits, told=stop)
    (tmp_path / RESUME).write_bytes((tmp_path / RESUME).read_bytes()[:kept])
    with pytest.raises(RequestError, match=r"resume\.pt is damaged: remove"):
        run(tmp_path, digits)


def test_a_folder_that_holds_something_else_is_left_alone(digits: ImageData, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("a search")
    with pytest.raises(RequestError, match=r"holds something else, study\.db: choose another `out`"):
        run(tmp_path, digits)
    assert not (tmp_path / "training.json").exists()


def test_a_damaged_record_is_named(digits: ImageData, tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(RequestError, match=r"training.json cannot be read"):
        run(tmp_path, digits)


def test_trained_weights_are_gone_on_from_where_the_classes_are_the_same(
    trained: Path, digits: ImageData, tmp_path: Path
) -> None:
    still = Recipe(epochs=1, learning_rate=1e-12, ema=None)
    record = run(tmp_path, digits, open_model(str(trained)), recipe=still)
    before = read_training(trained)
    assert before is not None
    assert before.best is not None
    assert record.epochs[0].correct == before.epochs[before.best].correct


def test_other_classes_get_a_classifier_of_their_own(
    trained: Path, digits: ImageData, tmp_path: Path
) -> None:
    other = dataclasses.replace(digits, classes=tuple("abcdefghij"))
    still = Recipe(epochs=1, learning_rate=1e-12, ema=None)
    run(tmp_path, other, open_model(str(trained)), recipe=still)
    before, after = loaded(trained / WEIGHTS), loaded(tmp_path / WEIGHTS)
    assert not torch.equal(before.classifier.weight, after.classifier.weight)
    torch.testing.assert_close(before.head.conv.weight, after.head.conv.weight)


def test_weights_for_grey_see_the_same_in_grey_pictures_of_three_channels(
    trained: Path, digits: ImageData, tmp_path: Path
) -> None:
    still = Recipe(epochs=1, learning_rate=1e-12, ema=None)
    record = run(tmp_path, in_colour(digits), open_model(str(trained)), recipe=still)
    before = read_training(trained)
    assert before is not None
    assert before.best is not None
    assert record.epochs[0].correct == pytest.approx(before.epochs[before.best].correct, abs=1)
