"""Fits the trees that stand for the networks of Accel-NASBench's MnasNet space: accuracy, and latency on an FPGA.

    python benchmarks/samplers/fit_surrogates.py --table PATH/accel-nasbench/models.csv.gz

A minute. Accuracy, in points, and the logarithm of milliseconds are gradient-boosted trees, with which none
of the compared samplers models. The errors on networks left out are those of five folds; what is kept, in
`surrogates.npz`, is fitted to all networks. Run again it gives the same file. The benchmark of samplers
itself fits nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray
from scipy.stats import kendalltau
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from surrogates import CHOICES, PATH, Trees, save

SETTINGS = {"max_iter": 1000, "learning_rate": 0.05, "max_leaf_nodes": 8, "early_stopping": False}
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the fit is asked."""

    table: Path
    """models.csv.gz."""


def fitted(values: NDArray[np.float64], truth: NDArray[np.float64]) -> Trees:
    """Trees for `truth` [networks] of `values` [networks, choices]."""
    model = HistGradientBoostingRegressor(random_state=0, **SETTINGS).fit(values, truth)
    return Trees.of(model)


def main(arguments: Arguments) -> None:
    """Fits, prints the errors and writes the file."""
    table = pd.read_csv(arguments.table)
    table = table[table.latency_zcu102 > 0]
    values = table[list(CHOICES)].to_numpy(float)
    targets = {"top1": table.top1.to_numpy(), "log_latency": np.log(table.latency_zcu102.to_numpy())}
    kept = {}
    for name, truth in targets.items():
        told = np.empty_like(truth)
        for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(values):
            told[test] = fitted(values[train], truth[train])(values[test])
        error = told - truth
        print(
            f"{name}: {len(truth)} networks, held out: root mean square error {error.std():.3f} of a standard "
            f"deviation of {truth.std():.3f}, R² {1 - error.var() / truth.var():.4f}, Kendall's τ "
            f"{kendalltau(told, truth)[0]:.3f}"
        )
        kept[name] = fitted(values, truth)
    save(kept)
    print(f"{PATH}: {PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
