"""A whole training of one network, from scratch or from weights, in a folder; begun or gone on with."""

import dataclasses
import json
import os
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Learned
from mnasnet.arch.zoo import ARCHITECTURE
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file
from mnasnet.base.progress import StepProgress
from mnasnet.graph.cost import count_multiply_adds, count_parameters
from mnasnet.nn.checkpoint import load_network, save_network
from mnasnet.nn.model import WEIGHTS, Model
from mnasnet.nn.network import Network
from mnasnet.study.identity import differences
from mnasnet.study.lock import only_process_in
from mnasnet.study.training import Epoch, Training, read_training, write_training
from mnasnet.train.data import ImageData
from mnasnet.train.loop import Learner, Recipe, score, train

LAST = "last.safetensors"
"""The network as the last epoch left it; `WEIGHTS` holds the best epoch's."""

OTHERS = ("study.db", "storage.txt", "card.json", "architecture.json", WEIGHTS, "report.html")
"""What a search's folder holds, or a finalist's: no folder for a training."""

RESUME = "resume.pt"
"""What the next epoch goes on from; there until the last has ended."""


def run_training(
    start: Architecture | Model,
    data: ImageData,
    recipe: Recipe,
    *,
    name: str,
    seed: int,
    out: Path,
    begun_with: Mapping[str, Any],
    command: str,
    begun: Callable[[Training], None],
    told: Callable[[Training], None],
    progress: StepProgress | None = None,
) -> Training:
    """Train on the training images, keep the weights that do best on the held-out ones, test those once.

    After each epoch all is in `out`: the same call goes on with the next one and ends with the same network, on the
    same machine. A training that has ended is not run again.

    Args:
        start: what to train from the official initialisation, or a trained network to go on from: with its
            normalisation, and with a new classifier unless it tells the same classes apart.
        data: its training, held-out and test images.
        recipe: how.
        name: of the network, for the record.
        seed: of the initialisation, the order of the images, their augmentation and dropout.
        out: the folder; it is made.
        begun_with: what else makes this training this one, such as the digest of its weights.
        command: what began it, for the record.
        begun: called with the record as it is found, before anything is trained.
        told: called with the record when an epoch has ended.
        progress: told of every step.

    Raises:
        RequestError: the folder holds another training, another process is at work in it, or it cannot be written.
        DivergedError: the loss stopped being a number; what was finished is kept.
        OSError: the disk is full.
    """
    given = start if isinstance(start, Architecture) else start.network.architecture
    architecture = dataclasses.replace(given, in_channels=data.channels, classes=len(data.classes))
    if isinstance(start, Model):
        wanted = start.learned.with_channels(data.channels)
        data = dataclasses.replace(data, mean=wanted.mean, std=wanted.std)
    learned = Learned(classes=data.classes, mean=data.mean, std=data.std)
    identity = {
        "network": architecture.digest(),
        "data": data.fingerprint,
        **begun_with,
        "trained on": "cuda" if torch.cuda.is_available() else "cpu",
        "seed": seed,
        **dataclasses.asdict(recipe),
    }
    with only_process_in(out):
        record = read_training(out)
        if record is None:
            if occupied := [name for name in OTHERS if (out / name).exists()]:
                raise RequestError(f"{out} holds something else, {occupied[0]}: choose another `out`")
            record = Training(
                name=name,
                digest=architecture.digest(),
                parameters=count_parameters(architecture.lowered()),
                multiply_adds=count_multiply_adds(architecture.lowered()),
                identity=identity,
                data=data.name,
                classes=data.classes,
                train_images=len(data.train),
                device="cuda" if torch.cuda.is_available() else "cpu",
                command=command,
            )
            replace_file(out / ARCHITECTURE, (json.dumps(architecture.to_json(), indent=2) + "\n").encode())
            write_training(record, out)
        elif (said := differences(record.identity, identity)) is not None:
            raise RequestError(
                f"{out} holds another training: {said}; choose another `out`, or give what that training was "
                "begun with"
            )
        if record.test is not None:
            begun(record)
            return record
        resumed = _resumed(out)
        record = dataclasses.replace(record, epochs=record.epochs[: resumed["epochs"] if resumed else 0])
        begun(record)
        if len(record.epochs) < recipe.epochs:
            keeping = _Keeping(record, out=out, data=data, recipe=recipe, learned=learned, told=told)
            train(
                _adapted(start, architecture, data, recipe, seed=seed)
                if isinstance(start, Model)
                else architecture,
                data,
                data.train,
                recipe,
                seed=seed,
                progress=progress,
                resumed=resumed,
                after_epoch=keeping,
            )
            record = keeping.record
        best = load_network(out / WEIGHTS, architecture)
        record = dataclasses.replace(record, test=score(best, data, data.test))
        write_training(record, out)
        (out / RESUME).unlink(missing_ok=True)
        return record


def _resumed(out: Path) -> Mapping[str, Any] | None:
    """What an earlier process left to go on from; None where it ended before its first epoch did."""
    path = out / RESUME
    if not path.is_file():
        return None
    try:
        state: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise RequestError(
            f"{path} is damaged: remove {out} to begin anew, or choose another `out`"
        ) from error
    return state


class _Keeping:
    """Judges the network after each epoch, and leaves the folder such that the next process goes on from there."""

    def __init__(
        self,
        record: Training,
        *,
        out: Path,
        data: ImageData,
        recipe: Recipe,
        learned: Learned,
        told: Callable[[Training], None],
    ) -> None:
        self.record = record
        self._out, self._data, self._recipe, self._learned, self._told = out, data, recipe, learned, told
        self._begun = time.monotonic()

    def __call__(self, learner: Learner) -> None:
        network = learner.evaluable(self._data, self._data.train, batch_size=self._recipe.batch_size)
        found = score(network, self._data, self._data.held_out)
        epoch = Epoch(
            loss=learner.loss,
            correct=found.top1[0],
            in_top5=found.top5[0],
            images=found.top1[1],
            seconds=round(time.monotonic() - self._begun, 3),
        )
        self.record = dataclasses.replace(self.record, epochs=(*self.record.epochs, epoch))
        save_network(network, self._out / LAST, learned=self._learned)
        if self.record.best == len(self.record.epochs) - 1:
            save_network(network, self._out / WEIGHTS, learned=self._learned)
        # The state last: a process that ends before it runs the epoch again, and comes to the same.
        write_training(self.record, self._out)
        part = self._out / f".{RESUME}.part"
        with part.open("wb") as file:
            torch.save(learner.state(), file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name on an empty file
        part.replace(self._out / RESUME)
        self._begun = time.monotonic()
        self._told(self.record)


def _adapted(
    start: Model, architecture: Architecture, data: ImageData, recipe: Recipe, *, seed: int
) -> Network:
    """A network with the trained numbers of `start`, where they serve the images and classes of `data`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(architecture, dropout=recipe.dropout)
    trained = start.network.state_dict()
    stem = trained["stem.conv.weight"]  # [filters, channels, 3, 3]
    if stem.shape[1] != data.channels:
        # What it computes of a picture whose channels are all alike stays what it was.
        trained["stem.conv.weight"] = stem.mean(1, keepdim=True).expand(-1, data.channels, -1, -1) * (
            stem.shape[1] / data.channels
        )
    if start.learned.classes != data.classes:
        trained |= {f"classifier.{name}": value for name, value in network.classifier.state_dict().items()}
    network.load_state_dict(trained)
    return network
