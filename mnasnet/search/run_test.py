"""Tests of run.py: a whole search, small but real; only its latencies are made up."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from ai_edge_litert.interpreter import Interpreter
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from PIL import Image

from mnasnet.arch.architecture import architecture_from_json
from mnasnet.arch.records import Accuracy, Artifact, Format
from mnasnet.base.errors import RequestError, RunError
from mnasnet.deploy.classifier import evaluate, of_file
from mnasnet.deploy.export import LARGEST_DIFFERENCES
from mnasnet.devices.device import DeviceError
from mnasnet.devices.timing import Timings
from mnasnet.export.metadata import read_metadata
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.nn.model import open_model
from mnasnet.samplers.named import SAMPLERS, Wanted
from mnasnet.search.conftest import CONTROL, SIZE, SPACE, TINY, Listening, Searched, device
from mnasnet.search.run import search
from mnasnet.search.settings import Settings
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import BlockSpace, mnasnet_space
from mnasnet.study.card import read_cards
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import TrialRecord, known_of_pruned, read_trials
from mnasnet.train.data import ImageData, load
from mnasnet.train.loop import ProxyTraining, Recipe, count_correct


@pytest.fixture
def copied(searched: Searched, tmp_path: Path) -> Settings:
    """The settings of a search that is all there, in a folder of its own."""
    shutil.copytree(searched.out, tmp_path / "copy")
    return replace(searched.settings, out=tmp_path / "copy")


@pytest.fixture(scope="session")
def digits(cache: Path) -> ImageData:
    return load("digits", image_size=SIZE, max_images=TINY.max_images)


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A search of one trial, without finalists, on a cache of its own."""

    out: Path
    cache: Path
    clock: RecordedDevice


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unfinished]:
    folder, clock = tmp_path_factory.mktemp("unfinished"), device()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MNASNET_CACHE", str(folder / "cache"))
        search(replace(TINY, out=folder / "out", trials=1, finalists=0), device=clock)
        yield Unfinished(out=folder / "out", cache=folder / "cache", clock=clock)


def recorded(out: Path) -> list[TrialRecord]:
    return read_trials(load_study(place_of(out, None)))


def contents(out: Path) -> dict[str, Any]:
    """What a search's folder holds; the study by its trials, since opening it may move its bytes about."""
    files = {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and not path.name.startswith("study.db")
    }
    return {**files, "trials": recorded(out)}


def test_a_search_leaves_finalists_that_are_whole_and_a_report(searched: Searched) -> None:
    assert (searched.out / "report.html").stat().st_size > 1_000_000
    cards = read_cards(searched.out)
    assert [(card.control, card.name) for card in cards] == [
        (False, f"trial-{cards[0].trial}"),
        (True, "mobilenet-v2"),
    ]
    for card in cards:
        folder = searched.out / "finalists" / card.digest
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md",
            "architecture.json",
            "card.json",
            "network.tflite",
            "weights.safetensors",
        ]
        assert card.size_bytes == (folder / "network.tflite").stat().st_size
        assert card.command == "mnasnet search --data 'my digits'"
        assert (card.accuracy.on, card.accuracy.images, card.accuracy.epochs) == ("test", 359, 1)
        assert card.latency.launches > 1
        assert card.accuracy.train_images == 200  # the held-out images are learnt from as well
    assert sorted(path.name for path in (searched.out / "finalists").iterdir()) == sorted(
        card.digest for card in cards
    )


def test_a_finalist_keeps_what_the_search_saw_of_it(searched: Searched) -> None:
    (finalist, _) = read_cards(searched.out)
    assert finalist.trial is not None
    trial = recorded(searched.out)[finalist.trial]
    assert (trial.digest, trial.accuracy, trial.latency) == (
        finalist.digest,
        finalist.proxy_accuracy,
        finalist.proxy_latency,
    )


def test_weights_and_file_and_card_of_a_finalist_are_the_same_network(
    searched: Searched, digits: ImageData
) -> None:
    for card in read_cards(searched.out):
        folder = searched.out / "finalists" / card.digest
        model = open_model(str(folder))
        assert model.network.architecture == card.architecture
        assert count_correct(model.network, digits, digits.test) == card.accuracy.correct
        assert evaluate(of_file(folder / "network.tflite"), digits).top1[0] == card.accuracy.correct
        assert card.largest_difference <= LARGEST_DIFFERENCES["fp32"]
        assert (card.precision, card.float_accuracy) == ("fp32", None)


def test_the_file_of_a_finalist_knows_its_classes_and_its_images(
    searched: Searched, digits: ImageData
) -> None:
    for card in read_cards(searched.out):
        learned = read_metadata(searched.out / "finalists" / card.digest / "network.tflite").learned
        assert learned.classes == digits.classes
        assert learned.mean == pytest.approx(digits.mean)


@pytest.mark.slow
def test_a_search_for_int8_measures_and_hands_over_int8(
    cache: Path, digits: ImageData, tmp_path: Path
) -> None:
    class Looking(RecordedDevice):
        """Keeps what kind of input the files have that it is given."""

        kinds: ClassVar[set[Any]] = set()

        def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
            for file in (artifact, reference):
                self.kinds.add(Interpreter(str(file.path)).get_input_details()[0]["dtype"])
            return super().time_file(artifact, reference=reference, launches=launches)

    settings = replace(TINY, precision="int8", trials=1, out=tmp_path / "int8")
    search(settings, device=Looking(lambda digest: 1.0))
    assert Looking.kinds == {np.int8}
    for card in read_cards(settings.folder):
        file = settings.folder / "finalists" / card.digest / "network.tflite"
        assert card.precision == "int8"
        assert evaluate(of_file(file), digits).top1[0] == card.accuracy.correct
        assert card.float_accuracy is not None
        assert card.float_accuracy.images == card.accuracy.images
        assert ", as int8; " in (file.parent / "README.md").read_text()
    with pytest.raises(RequestError, match="`precision` fp32 here, int8 there"):
        search(replace(settings, precision="fp32"), device=device())


def test_the_architecture_of_a_finalist_can_be_read_without_its_card(searched: Searched) -> None:
    for card in read_cards(searched.out):
        text = (searched.out / "finalists" / card.digest / "architecture.json").read_text()
        assert architecture_from_json(json.loads(text)) == card.architecture


def test_the_study_is_an_ordinary_one_of_optuna(searched: Searched) -> None:
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{searched.out}/study.db")
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert study.metric_names == ["accuracy", "latency_ms"]
    assert len(study.best_trials) >= 1
    assert [trial.values for trial in study.trials] == [
        [record.accuracy.top1, record.latency.median_ms]
        for record in searched.heard.trials
        if record.accuracy is not None and record.latency is not None
    ]


def test_a_network_is_timed_after_the_reference_and_the_smallest_one(unfinished: Unfinished) -> None:
    (record,) = recorded(unfinished.out)
    assert unfinished.clock.timed == [CONTROL.digest(), smallest_network(SPACE).digest(), record.digest]


def test_a_search_without_finalists_tests_nothing(unfinished: Unfinished) -> None:
    assert not (unfinished.out / "finalists").exists()
    assert (unfinished.out / "report.html").is_file()


def test_a_search_decodes_no_test_image(unfinished: Unfinished) -> None:
    pixels = unfinished.cache / "pixels"
    assert len(list(pixels.iterdir())) == 1
    assert (
        len(load("digits", image_size=SIZE, max_images=TINY.max_images, cache=unfinished.cache).test) == 359
    )
    assert len(list(pixels.iterdir())) == 2  # so that is what it would have left


def test_the_search_says_its_target_and_after_the_first_trial_what_it_will_cost(searched: Searched) -> None:
    lines = searched.heard.lines
    assert any(
        "target: 1 ms (what MobileNetV2 takes); above 2 ms nothing is trained" in line for line in lines
    )
    assert sum(line.startswith("cost: 1 more trial ") for line in lines) == 1
    assert {"timing the reference", "training", "final training 2 of 2, mobilenet-v2"} <= searched.heard.steps


def test_the_controller_has_learned_from_every_trial_before_the_last(searched: Searched) -> None:
    assert searched.result.controller_updates == 1  # two trials in batches of one


def pets(folder: Path, *, each: int) -> None:
    """So many pictures of noise, of a cat and of a dog."""
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.random.default_rng([number, *folder.name.encode(), ord(name[0])]).integers(
                0, 256, (8, 8, 3)
            )
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


def cut_short(*paths: Path) -> None:
    for path in paths:
        path.write_bytes(path.read_bytes()[:50])


def pet_settings(folder: Path) -> Settings:
    settings = replace(TINY, data=str(folder), out=folder.parent / "out", max_images=None)
    return replace(settings, batch_size=4, trials=1)


def test_corrupt_images_are_skipped_and_named(tmp_path: Path) -> None:
    pets(tmp_path / "pets", each=10)
    cut_short(*(tmp_path / "pets").glob("*/0.png"))
    heard = Listening()
    result = search(pet_settings(tmp_path / "pets"), device=device(), watcher=heard)
    assert sorted(skipped.partition(":")[0] for skipped in result.skipped) == ["cat/0.png", "dog/0.png"]
    said = [line.removeprefix("skipped: ") for line in heard.lines if line.startswith("skipped: ")]
    assert tuple(said) == result.skipped


def test_test_images_that_cannot_be_read_end_a_search_in_one_line_and_its_trials_are_kept(
    tmp_path: Path,
) -> None:
    pets(tmp_path / "pets" / "train", each=10)
    pets(tmp_path / "pets" / "test", each=7)
    cut_short(*(tmp_path / "pets" / "test").glob("*/*.png"))
    settings = pet_settings(tmp_path / "pets")
    with pytest.raises(
        RunError,
        match=r"no finalist of 2, the test images cannot be used: .*corrupt",
    ):
        search(settings, device=device())
    assert [record.charged for record in read_trials(load_study(place_of(settings.folder, None)))] == [True]
    assert (settings.folder / "report.html").is_file()


def test_the_accuracy_that_a_search_goes_by_needs_no_test_images(digits: ImageData) -> None:
    def refuse() -> Any:
        raise AssertionError("the search asked for the test images")

    estimate = ProxyTraining(data=replace(digits, load_test=refuse), recipe=Recipe(epochs=1), seed=0)
    found: Accuracy = estimate(smallest_network(SPACE))
    assert (found.on, found.images, found.train_images) == ("held-out", 40, 160)


def test_the_same_call_again_times_and_trains_nothing(copied: Settings) -> None:
    before, clock, heard = contents(copied.folder), device(), Listening()
    search(copied, device=clock, watcher=heard)
    after = contents(copied.folder)
    assert clock.timed == []
    assert heard.trials == []
    assert not any("training" in step for step in heard.steps)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name] and name != "report.html"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"image_size": 24},
        {"width": 0.5},
        {"target_ms": 1.0},
        {"max_ms": 3.0},
        {"epochs": 2},
        {"sampler": "random", "batch": None},
        {"reward": "hard"},
        {"space": "flat"},
        {"flip": True},
    ],
    ids=str,
)
def test_another_search_under_the_same_folder_is_refused_and_changes_nothing(
    copied: Settings, changed: dict[str, Any]
) -> None:
    before = contents(copied.folder)
    name, *_ = changed
    with pytest.raises(RequestError, match=f"{copied.folder} holds another search: .*`{name}` .*`out`"):
        search(replace(copied, **changed), device=device())
    assert contents(copied.folder) == before


def test_the_default_batch_said_aloud_is_the_same_search(copied: Settings, tmp_path: Path) -> None:
    settings = replace(copied, batch=None, out=tmp_path / "batches")
    search(settings, device=device())
    assert search(replace(settings, batch=5), device=device()).controller_updates is not None


def test_another_device_is_another_search(copied: Settings) -> None:
    other = device()
    other.name = "another phone"
    with pytest.raises(RequestError, match="device another phone here, recorded there"):
        search(copied, device=other)


def test_more_trials_go_on_from_those_that_are_there(copied: Settings) -> None:
    before, heard = recorded(copied.folder), Listening()
    search(replace(copied, trials=3, finalists=0), device=device(), watcher=heard)
    after = recorded(copied.folder)
    assert after[:2] == before
    assert after[2:] == heard.trials
    assert sum(record.charged for record in after) == 3
    assert "going on with 2 networks trained in 2 trials before" in heard.lines


def test_a_smaller_part_of_the_images_is_other_data(copied: Settings) -> None:
    with pytest.raises(RequestError, match="its images were others"):
        search(replace(copied, max_images=100), device=device())


@pytest.mark.parametrize("make", [lambda: None, lambda: TPESampler(seed=0)], ids=["by name", "as an object"])
def test_any_sampler_of_optuna_serves(make: Callable[[], BaseSampler | None], tmp_path: Path) -> None:
    settings = replace(TINY, out=tmp_path / "out", sampler="tpe", batch=None, trials=1, finalists=0)
    result = search(settings, sampler=make(), device=device())
    assert result.controller_updates is None
    assert sum(record.charged for record in read_trials(result.study)) == 1
    with pytest.raises(RequestError, match=r"`sampler` nsga2 here, (tpe|TPESampler) there"):
        search(replace(settings, sampler="nsga2"), device=device())


def test_the_sampler_of_a_search_is_told_how_slow_networks_are_that_it_does_not_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def make(wanted: Wanted) -> BaseSampler:
        told.append(wanted.known)
        return RandomSampler(wanted.seed)

    monkeypatch.setitem(SAMPLERS, "bayesian", make)
    search(
        replace(TINY, out=tmp_path / "out", sampler="bayesian", batch=None, trials=1, finalists=0),
        device=device(),
    )
    assert told == [known_of_pruned]


def test_a_space_of_ones_own_serves(tmp_path: Path) -> None:
    def own_space(*, image_size: int, in_channels: int, classes: int, width: float) -> BlockSpace:
        shape = {"image_size": image_size, "in_channels": in_channels, "classes": classes, "width": width}
        return replace(mnasnet_space(**shape), name="own", conv_ops=("sep",), se_ratios=(0.0,))

    settings = replace(TINY, out=tmp_path / "out", trials=1, finalists=0)
    (record,) = read_trials(search(settings, make_space=own_space, device=device()).study)
    assert {value for name, value in record.params.items() if name.endswith(".op")} == {"sep"}


@pytest.mark.parametrize("limit", ["target_ms", "max_ms"])
def test_a_target_out_of_reach_is_refused_before_any_training_with_the_smallest_latency(
    tmp_path: Path, limit: str
) -> None:
    clock = device()
    changed: dict[str, Any] = {limit: 0.125}
    settings = replace(TINY, out=tmp_path / "deep" / "out", **changed)
    with pytest.raises(RequestError, match=f"`{limit}` 0.125: out of reach: .* takes 0.25 ms on recorded"):
        search(settings, device=clock)
    assert clock.timed == [CONTROL.digest(), smallest_network(SPACE).digest()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sampler": "pop"}, "`sampler` pop: the nearest is 'ppo'"),
        ({"data": "/no/such/folder"}, "/no/such/folder: no such file or folder"),
        ({"image_size": 1}, "give a whole number of at least 2"),
        ({"max_images": 5}, "`max_images` 5: too few for 10 classes"),
    ],
    ids=str,
)
def test_what_cannot_be_served_is_said_and_leaves_nothing(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        search(replace(TINY, out=tmp_path / "out", **changed), device=device())
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_the_code_of_a_space_is_not_called_one_of_the_request(tmp_path: Path) -> None:
    def broken_space(**_: Any) -> BlockSpace:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug") as raised:
        search(replace(TINY, out=tmp_path / "out"), make_space=broken_space, device=device())
    assert not isinstance(raised.value, RequestError)


def test_a_device_that_runs_nothing_any_more_costs_a_search_no_trial(copied: Settings) -> None:
    class Bare(RecordedDevice):
        """Has lost its runtime since the search began."""

        @property
        def formats(self) -> tuple[Format, ...]:
            raise DeviceError("its Python has no LiteRT")

    before = contents(copied.folder)
    with pytest.raises(DeviceError, match="has no LiteRT"):
        search(replace(copied, trials=9), device=Bare(lambda digest: 1.0))
    assert contents(copied.folder) == before


def test_a_device_that_fails_at_the_start_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        search(replace(TINY, out=tmp_path / "out"), device=RecordedDevice(lambda digest: None))
    assert list(tmp_path.iterdir()) == []
