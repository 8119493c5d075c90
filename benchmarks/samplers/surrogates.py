"""Accuracy and FPGA latency of any network of Accel-NASBench's MnasNet space, from trees kept in `surrogates.npz`.

`fit_surrogates.py` says what they are and how far off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATH = Path(__file__).with_name("surrogates.npz")

BLOCKS = 7
CHOICES: Mapping[str, tuple[int, ...]] = {
    f"block{block}_{what}": (1, 2, 3, 4) if (block, what) == (5, "l") else options
    for block in range(BLOCKS)
    for what, options in {"e": (1, 4, 6), "k": (3, 5), "l": (1, 2, 3), "se": (0, 1)}.items()
}
"""Expansion, kernel, layers and squeeze-and-excitation of each block, as the table's columns are called."""


@dataclass(frozen=True, kw_only=True)
class Trees:
    """A sum of regression trees, all of them as one list of nodes."""

    roots: NDArray[np.int32]
    """[trees]: where each begins."""
    feature: NDArray[np.int8]
    """[nodes]: the choice that a node asks of."""
    threshold: NDArray[np.float32]
    """[nodes]: up to this it goes to `left`, above it to `right`."""
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    """[nodes]: where it goes on; a leaf goes on to itself."""
    value: NDArray[np.float32]
    """[nodes]: what a leaf adds."""
    base: NDArray[np.float64]
    """What a network without trees has."""
    depth: NDArray[np.int32]
    """Steps from any root to any leaf, at most."""

    @classmethod
    def of(cls, model: Any) -> "Trees":
        """Those of a fitted `HistGradientBoostingRegressor`."""
        parts: dict[str, list[Any]] = {
            name: [] for name in ("roots", "feature", "threshold", "left", "right", "value")
        }
        size, depth = 0, 0
        for (predictor,) in model._predictors:
            nodes = predictor.nodes
            itself = np.arange(len(nodes))
            leaf = nodes["is_leaf"].astype(bool)
            parts["roots"].append([size])
            parts["feature"].append(np.where(leaf, 0, nodes["feature_idx"]))
            parts["threshold"].append(np.where(leaf, 0, nodes["num_threshold"]))
            parts["left"].append(size + np.where(leaf, itself, nodes["left"]))
            parts["right"].append(size + np.where(leaf, itself, nodes["right"]))
            parts["value"].append(np.where(leaf, nodes["value"], 0))
            size += len(nodes)
            depth = max(depth, int(nodes["depth"].max()))
        kinds = {"feature": np.int8, "threshold": np.float32, "value": np.float32}
        arrays = {
            name: np.concatenate(part).astype(kinds.get(name, np.int32)) for name, part in parts.items()
        }
        return cls(
            base=np.asarray(model._baseline_prediction).reshape(()),
            depth=np.asarray(depth, np.int32),
            **arrays,
        )

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum for each row of `values` [networks, choices]."""
        at = np.broadcast_to(self.roots, (len(values), len(self.roots)))
        row = np.arange(len(values))[:, None]
        for _ in range(int(self.depth)):
            at = np.where(values[row, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
        found: NDArray[np.float64] = self.base + self.value[at].sum(axis=1, dtype=np.float64)
        return found


def save(trees: Mapping[str, Trees]) -> None:
    """Write the file."""
    arrays = {
        f"{name}.{field.name}": getattr(one, field.name)
        for name, one in trees.items()
        for field in fields(one)
    }
    np.savez_compressed(PATH, **arrays)


def load() -> dict[str, Trees]:
    """What the file holds: `top1` in per cent, `log_latency` of milliseconds."""
    with np.load(PATH) as file:
        names = {name.partition(".")[0] for name in file}
        return {
            name: Trees(**{field.name: file[f"{name}.{field.name}"] for field in fields(Trees)})
            for name in names
        }
