"""One tiny search, real but for the times it is given, that the tests of searching look at."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
import pytest

from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Artifact, Latency
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.latency import measure_latency
from mnasnet.search.run import Result, search
from mnasnet.search.settings import Settings
from mnasnet.space.extremes import smallest_network
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.study.trial import TrialRecord

SIZE, WIDTH = 16, 0.35
SPACE = mnasnet_space(image_size=SIZE, in_channels=1, classes=10, width=WIDTH)
CONTROL = replace(MOBILENET_V2.scaled(WIDTH).fitted(SIZE), in_channels=1, classes=10)
KNOWN_MS = {CONTROL.digest(): 1.0, smallest_network(SPACE).digest(): 0.25}

TINY = Settings(
    data="digits",
    image_size=SIZE,
    width=WIDTH,
    trials=2,
    sampler="ppo",
    batch=1,
    epochs=1,
    max_images=200,
    finalists=1,
    final_epochs=1,
)


@dataclass
class Listening:
    """A watcher that keeps what it hears."""

    lines: list[str] = field(default_factory=list)
    steps: set[str] = field(default_factory=set)
    """What was being done."""
    trials: list[TrialRecord] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def step(self, what: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.steps.add(what)

    def trial(self, record: TrialRecord, *, trained: int, trials: int, best: TrialRecord | None) -> None:
        self.trials.append(record)


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A search that has ended."""

    settings: Settings
    result: Result
    heard: Listening

    @property
    def out(self) -> Path:
        return self.settings.folder


def device() -> RecordedDevice:
    """The control takes 1 ms, the smallest network 0.25 ms, the others 0.5 to 1.5 ms: none is too slow."""
    return RecordedDevice(lambda digest: KNOWN_MS.get(digest, 0.5 + int(digest[:4], 16) / 65536))


def _ruler() -> Latency:
    file = Artifact(path=Path("control.tflite"), format="tflite", digest=CONTROL.digest(), size_bytes=1)
    return measure_latency(device(), file, reference=file, unit=None, launches=5)


RULER = _ruler()
"""What a search agrees on at its start: the control against itself."""


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Decoded images of the tests, away from those of the person who runs them."""
    folder = tmp_path_factory.mktemp("cache")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MNASNET_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Searched:
    """Two trials, one finalist and the control. Look, and leave it as it is."""
    settings = replace(TINY, out=tmp_path_factory.mktemp("search") / "tiny")
    heard = Listening()
    result = search(
        settings, device=device(), watcher=heard, command=("mnasnet", "search", "--data", "my digits")
    )
    return Searched(settings=settings, result=result, heard=heard)
