"""PPO against random search on NAS-Bench-Macro, whose 6,561 networks were all trained: mean regret.

    python benchmarks/ppo_against_random.py --table PATH/nas-bench-macro_cifar10.json --seeds 20

About two minutes on one core. Expected: the default's regret at 500 networks at most a fifth of random's.

Every sampler is asked through an Optuna study in memory, one trial at a time, and told the mean accuracy of
the three runs in the table. As in `mnasnet search`, **a repeat of a network is told its recorded value at
once and is not charged**, for random as for PPO: "at 100" is after 100 different networks. A sampler that
asks for nothing but repeats for `CONVERGED_AFTER` asks in a row has converged; its best stays what it is.
The second table charges repeats as well: "at 100" is there after 100 asks.
Table: xiusu/NAS-Bench-Macro (Su et al., 2021), one digit a layer, 8 layers of 3 options.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
import torch
import tyro
from figures import machine
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler

from mnasnet.samplers.named import sampler_named
from mnasnet.samplers.ppo import NASNET, PPOSampler, PPOSettings

CHECKPOINTS = (100, 200, 500)
CONVERGED_AFTER = 200

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: sampler_named("random", seed=seed),
    "ppo, NASNet's constants": lambda seed: PPOSampler(seed, settings=NASNET),
    "ppo, default": PPOSampler,
    "ppo, default, batch 5": lambda seed: PPOSampler(seed, settings=PPOSettings(batch=5)),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One search with one seed."""

    best_by_network: list[float]
    """Best mean accuracy so far after each charged network, in per cent."""
    best_by_ask: list[float]
    """The same after each ask, repeats included."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    table: Path
    """nas-bench-macro_cifar10.json."""
    seeds: int = 20
    """Searches per sampler, seeds 0, 1, ..."""
    processes: int = 1
    """Searches at once."""


def read_table(path: Path) -> dict[str, float]:
    """Return the mean accuracy of every network, in per cent."""
    return {digits: float(row["mean_acc"]) for digits, row in json.loads(path.read_text()).items()}


def search(make: Callable[[int], BaseSampler], accuracies: dict[str, float], seed: int) -> Run:
    """Search until the last checkpoint has been charged, or the sampler asks for nothing new."""
    layers: dict[str, BaseDistribution] = {
        f"layer{i}": CategoricalDistribution(("0", "1", "2")) for i in range(8)
    }
    study = optuna.create_study(direction="maximize", sampler=make(seed))
    charged: set[str] = set()
    best_by_network: list[float] = []
    best_by_ask: list[float] = []
    best, repeats = 0.0, 0
    while len(charged) < CHECKPOINTS[-1] and repeats < CONVERGED_AFTER:
        trial = study.ask(layers)
        network = "".join(trial.params[name] for name in layers)
        study.tell(trial, accuracies[network])
        best = max(best, accuracies[network])
        best_by_ask.append(best)
        repeats = repeats + 1 if network in charged else 0
        if network not in charged:
            charged.add(network)
            best_by_network.append(best)
    return Run(best_by_network=best_by_network, best_by_ask=best_by_ask)


def search_named(name: str, seed: int, accuracies: dict[str, float]) -> Run:
    """Search with one of `SAMPLERS`, on one thread: the matrices are too small for more."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    return search(SAMPLERS[name], accuracies, seed)


def regret_row(name: str, curves: Sequence[Sequence[float]], best: float) -> str:
    """Return one line: mean regret ± standard error, and the median, at each checkpoint."""
    cells = []
    for checkpoint in CHECKPOINTS:
        regrets = [best - curve[min(checkpoint, len(curve)) - 1] for curve in curves]
        error = statistics.stdev(regrets) / len(regrets) ** 0.5 if len(regrets) > 1 else float("nan")
        cells.append(f"{statistics.mean(regrets):.3f} ± {error:.3f} ({statistics.median(regrets):.3f})")
    return f"| {name} | " + " | ".join(cells) + " |"


def main(arguments: Arguments) -> None:
    """Print the machine and both tables."""
    accuracies = read_table(arguments.table)
    best = max(accuracies.values())
    seeds = range(arguments.seeds)
    runs: dict[str, list[Run]] = {}
    with ProcessPoolExecutor(arguments.processes) as pool:
        for name in SAMPLERS:
            runs[name] = list(pool.map(partial(search_named, name, accuracies=accuracies), seeds))

    print(machine("torch", "optuna"))
    print(f"mean regret ± standard error (median) in points of {best:.3f} %, {len(seeds)} seeds")
    head = " | ".join(f"at {checkpoint}" for checkpoint in CHECKPOINTS)
    print(f"\n| different networks, repeats not charged | {head} |\n|---|" + "---|" * len(CHECKPOINTS))
    for name, done in runs.items():
        print(regret_row(name, [run.best_by_network for run in done], best))
    print(f"\n| asks, repeats charged | {head} |\n|---|" + "---|" * len(CHECKPOINTS))
    for name, done in runs.items():
        print(regret_row(name, [run.best_by_ask for run in done], best))
    print("\n| sampler | asks per run | runs that converged before the last checkpoint |\n|---|---|---|")
    for name, done in runs.items():
        asks = statistics.mean(len(run.best_by_ask) for run in done)
        converged = sum(len(run.best_by_network) < CHECKPOINTS[-1] for run in done)
        print(f"| {name} | {asks:.0f} | {converged} |")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
