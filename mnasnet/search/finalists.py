"""The finalists: the best of the front and the control, trained longer, tested once, exported and measured."""

import copy
import json
import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import rmtree

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Accuracy, Learned, Score
from mnasnet.arch.zoo import ARCHITECTURE
from mnasnet.base.progress import StepProgress
from mnasnet.deploy.classifier import evaluate, of_file
from mnasnet.deploy.export import export
from mnasnet.deploy.images import CALIBRATION_IMAGES, images_of, parted
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.meters.latency import RELIABLE_LAUNCHES
from mnasnet.meters.meter import ReferencedMeter
from mnasnet.nn.checkpoint import load_network, save_network
from mnasnet.nn.model import WEIGHTS, Model
from mnasnet.nn.network import Network
from mnasnet.report.findings import Findings
from mnasnet.study.card import CARD, Card, describe, read_card, write_card
from mnasnet.study.trial import TrialRecord
from mnasnet.train.data import ImageData
from mnasnet.train.loop import Recipe, score, train

TRAINED = "trained.json"
"""Beside the weights of a final training that has ended: what they were made with."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network that is to be finished."""

    name: str
    architecture: Architecture
    record: TrialRecord | None
    """Its trial; None for the control."""


def choose(findings: Findings, *, count: int) -> list[Candidate]:
    """The network of the highest expected reward, that of the highest measured one, and of the front: `count`.

    The highest measured is flattered by luck, but may be more than that. Of the front, and of the others where it
    is too short, those of the highest reward, by the accuracies that are expected of them, where they are.
    """
    unbeaten = {record.number for record in findings.expected_front}
    ranked = sorted(
        (
            (record.number in unbeaten, worth, -record.number, record)
            for record in findings.trained
            if (worth := findings.expected_reward(record)) is not None
        ),
        key=lambda entry: entry[:3],
        reverse=True,
    )
    records = [findings.expected_best, findings.best, *(record for *_, record in ranked)]
    once = {record.number: record for record in records if record is not None}
    return [
        Candidate(name=f"trial-{record.number}", architecture=record.architecture, record=record)
        for record in list(once.values())[:count]
        if record.architecture is not None
    ]


@dataclass(frozen=True, kw_only=True)
class Finishing:
    """How candidates become finalists; the same for all of a search, its control included."""

    folder: Path
    """Each finalist gets a folder in it, named by its digest."""
    data: ImageData
    recipe: Recipe
    seed: int
    meter: ReferencedMeter
    command: Sequence[str]
    """What the user called."""

    @property
    def file_name(self) -> str:
        """Of a finalist's file for the device, in the precision that was searched."""
        return f"network.{self.meter.format}"

    def done(self, candidate: Candidate) -> Card | None:
        """The card of a candidate that was finished in this search and with this recipe; None where there is work.

        What another search left in the folder was measured against another timing of the reference.
        """
        folder = self.folder / candidate.architecture.digest()
        if not all((folder / name).is_file() for name in (CARD, self.file_name, WEIGHTS)):
            return None
        card = read_card(folder)
        unit_ms = None if self.meter.unit is None else self.meter.unit.reference_ms
        found = (card.fingerprint, card.latency.reference_ms, card.accuracy.epochs, card.accuracy.seed)
        wanted = (self.data.fingerprint, unit_ms, self.recipe.epochs, self.seed)
        if card.latency.predicted and self.meter.calibrated_device is None:
            return None  # its device was not at hand, and is now
        return card if found == wanted else None

    def finish(self, candidate: Candidate, *, progress: StepProgress | None = None) -> Card:
        """Train on training and held-out images, test once, export, compare, measure; then keep the folder.

        The folder appears under its name only when it is whole. Nothing is done where it is there already.

        Raises:
            DivergedError: the training diverged.
            RunError: the file's numbers are not the network's.
            DeviceError: it cannot be measured.
        """
        if (card := self.done(candidate)) is not None:
            return card
        digest = candidate.architecture.digest()
        part = self.folder / f".{digest}.part"
        rmtree(part, ignore_errors=True)  # what a dead process left
        part.mkdir(parents=True)
        try:
            card = self._fill(part, candidate, progress=progress)
        except BaseException:  # Ctrl-C too: a part of a finalist serves nobody
            rmtree(part, ignore_errors=True)
            raise
        for path in part.iterdir():  # or a power cut could leave the new name on empty files
            _to_disk(path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _to_disk(part)
        whole, old = self.folder / digest, self.folder / f".{digest}.old"
        if whole.exists():  # one of another recipe
            rmtree(old, ignore_errors=True)
            whole.rename(old)
        part.rename(whole)
        if os.name == "posix":
            _to_disk(self.folder)  # the new name too
        rmtree(old, ignore_errors=True)
        rmtree(self._kept(candidate.architecture), ignore_errors=True)
        return card

    def _fill(self, part: Path, candidate: Candidate, *, progress: StepProgress | None) -> Card:
        """All of a finalist's folder, written into `part`."""
        architecture, digest = candidate.architecture, candidate.architecture.digest()
        learned = Learned(classes=self.data.classes, mean=self.data.mean, std=self.data.std)
        network, seconds = self._trained(architecture, learned, progress=progress)
        (part / ARCHITECTURE).write_text(
            json.dumps(architecture.to_json(), indent=2) + "\n", encoding="utf-8"
        )
        save_network(network, part / WEIGHTS, learned=learned)
        # On the CPU, as the file: a GPU may round convolutions to ten bits.
        model = Model(name=digest, network=copy.deepcopy(network).cpu(), trained=True, learned=learned)
        calibration, others = parted(images_of(self.data, learned, limit=2 * CALIBRATION_IMAGES))
        precision = self.meter.precision
        file = part / self.file_name
        exported = export(
            model,
            file,
            format=self.meter.format,
            precision=precision,
            calibration=calibration,
            images=others,
        )
        tested = score(network, self.data, self.data.test)
        # Rounding to float32 moves no image to another class, or next to none.
        in_file = tested if precision == "fp32" else evaluate(of_file(file), self.data)
        card = Card(
            name=candidate.name,
            control=candidate.record is None,
            digest=digest,
            architecture=architecture,
            parameters=count_parameters(architecture.lowered()),
            multiply_adds=count_multiply_adds(architecture.lowered()),
            accuracy=self._accuracy(in_file, seconds=seconds),
            precision=precision,
            format=self.meter.format,
            float_accuracy=None if precision == "fp32" else self._accuracy(tested, seconds=seconds),
            proxy_accuracy=None if candidate.record is None else candidate.record.accuracy,
            latency=self.meter.measure_file(
                replace(exported.artifact, architecture=architecture), launches=RELIABLE_LAUNCHES
            ),
            proxy_latency=None if candidate.record is None else candidate.record.latency,
            size_bytes=exported.artifact.size_bytes,
            largest_difference=exported.agreement.largest_difference,
            trial=None if candidate.record is None else candidate.record.number,
            data=self.data.name,
            fingerprint=self.data.fingerprint,
            classes=self.data.classes,
            mean=self.data.mean,
            std=self.data.std,
            command=shlex.join(self.command),
        )
        write_card(card, part)
        (part / "README.md").write_text(describe(card), encoding="utf-8")
        return card

    def _trained(
        self, architecture: Architecture, learned: Learned, *, progress: StepProgress | None
    ) -> tuple[Network, float]:
        """The network after its final training, and the seconds that took.

        Its weights are kept until the finalist is whole: a device that fails after hours of training costs none.
        """
        kept = self._kept(architecture)
        made = {"data": self.data.fingerprint, "recipe": asdict(self.recipe), "seed": self.seed}
        try:
            found = json.loads((kept / TRAINED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        if found.get("made") == made:
            return load_network(kept / WEIGHTS, architecture), found["seconds"]
        begun = time.monotonic()
        images = self.data.train_and_held_out
        network = train(architecture, self.data, images, self.recipe, seed=self.seed, progress=progress)
        seconds = time.monotonic() - begun
        rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        try:
            save_network(network, kept / WEIGHTS, learned=learned)
            # Last: weights without it are not whole.
            (kept / TRAINED).write_text(json.dumps({"made": made, "seconds": seconds}), encoding="utf-8")
        except OSError:
            rmtree(kept, ignore_errors=True)
            raise
        return network, seconds

    def _kept(self, architecture: Architecture) -> Path:
        return self.folder / f".{architecture.digest()}.trained"

    def _accuracy(self, tested: Score, *, seconds: float) -> Accuracy:
        correct, images = tested.top1
        return Accuracy(
            correct=correct,
            images=images,
            epochs=self.recipe.epochs,
            seed=self.seed,
            on="test",
            train_images=len(self.data.train_and_held_out),
            seconds=round(seconds, 3),
        )


def _to_disk(path: Path) -> None:
    """Wait until what was written there is where a power cut leaves it."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
