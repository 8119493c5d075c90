"""Files of tensors by name, ours and others': safetensors, what `torch.save` writes, MindSpore's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.records import Learned
from mnasnet.base.errors import RequestError
from mnasnet.nn.mindspore import read_mindspore

WRAPPERS = ("state_dict", "model")
"""Names under which training scripts put the state dict, beside their epoch and optimiser."""

PREFIXES = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before all names of the model that they wrap."""

MINDSPORE = b"\x0a"
"""How MindSpore's files begin: field 1 of a protobuf message, which has a length."""

ARCHITECTURE, LEARNED = "mnasnet_architecture", "mnasnet_learned"
"""Entries of our own files' metadata that hold, as JSON, the architecture and what was learned of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a file of weights holds."""

    path: Path
    tensors: Mapping[str, Tensor]
    """By name, without what a wrapped model has before all names."""
    architecture: Architecture | None = None
    """The network that they are of, where the file says so: `save_network` writes it."""
    learned: Learned | None = None
    """What the network has learned, where the file says so."""


def read_checkpoint(path: Path) -> Checkpoint:
    """The tensors of a file in safetensors or `torch.save`'s format; nothing in the file is executed.

    Raises:
        RequestError: there is no such file, or it is not one of tensors by name.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:] == b"{":  # behind the length of the header, 8 bytes, which is JSON
            return _read_safetensors(path)
        return _read_mindspore(path) if start[:1] == MINDSPORE else _read_torch(path)
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or one_line(error)}; give a file of weights") from error


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
            stated = file.metadata() or {}
        architecture = (
            architecture_from_json(json.loads(stated[ARCHITECTURE])) if ARCHITECTURE in stated else None
        )
        learned = _learned(json.loads(stated[LEARNED])) if LEARNED in stated else None
    except (SafetensorError, ValueError, TypeError) as error:
        raise RequestError(
            f"{path} is a damaged safetensors file: {one_line(error)}; get it again"
        ) from error
    return Checkpoint(path=path, tensors=_unprefixed(tensors), architecture=architecture, learned=learned)


def _learned(data: Mapping[str, Sequence[Any]]) -> Learned:
    return Learned(**{name: tuple(values) for name, values in data.items()})


def _read_torch(path: Path) -> Checkpoint:
    try:
        found = torch.load(path, weights_only=True, map_location="cpu")
    except OSError:  # the disk's, which says itself what it is
        raise
    except Exception as error:  # a file that is none of torch's fails in as many ways as there are files
        raise RequestError(
            f"{path} is neither safetensors nor a file of torch.save with nothing but weights; from one that you "
            "trust and that holds more, save the weights alone: torch.save(model.state_dict(), path)"
        ) from error
    if isinstance(found, dict):
        found = next((found[name] for name in WRAPPERS if isinstance(found.get(name), dict)), found)
    if not isinstance(found, dict) or not found:
        raise RequestError(
            f"{path} holds a {type(found).__name__}, not tensors by name; give a file of a state dict"
        )
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise RequestError(
                f"{path}: {name!r} is of type {type(tensor).__name__}, not a tensor; give a file of a state dict"
            )
    return Checkpoint(path=path, tensors=_unprefixed(found))


def _read_mindspore(path: Path) -> Checkpoint:
    try:
        tensors = read_mindspore(path.read_bytes())
    except ValueError as error:
        raise RequestError(
            f"{path} is no file of weights that is known: {one_line(error)}; give one of safetensors, of "
            "torch.save or of MindSpore"
        ) from error
    return Checkpoint(path=path, tensors={name: torch.tensor(array) for name, array in tensors.items()})


def _unprefixed(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def one_line(error: Exception) -> str:
    """What an exception says, its lines joined."""
    return " ".join(str(error).split())
