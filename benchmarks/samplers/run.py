"""Every sampler on every problem: one record on disk for each run, so that it goes on where it was stopped.

    python benchmarks/samplers/run.py --macro PATH/nas-bench-macro_cifar10.json

Hours for all; `--only` takes a part. A sampler is asked through an Optuna study in memory: one objective, the
reward of what is seen, or two for the front. A repeat of a network is told what was recorded, and not charged; one
that asks for nothing but repeats `CONVERGED_AFTER` times in a row has ended, and its best stays what it is; so has
one that found the best there is where what it sees is the truth.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import optuna
import torch
import tyro
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from problems import Problem, problems

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.categorical import Reward
from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.ppo import NASNET, REINFORCE, PPOSampler

CONVERGED_AFTER = 200
CHECKPOINTS = (50, 100, 200, 500, 1000, 2000)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A sampler, and how far it is run."""

    make: Callable[[int, Reward | None], BaseSampler]
    most: int
    """Different networks."""


CONTENDERS: Mapping[str, Contender] = {
    "ppo": Contender(make=lambda seed, reward: PPOSampler(seed, reward), most=2000),
    "ppo, NASNet's constants": Contender(
        make=lambda seed, reward: PPOSampler(seed, reward, settings=NASNET), most=2000
    ),
    "reinforce": Contender(make=lambda seed, reward: PPOSampler(seed, reward, settings=REINFORCE), most=2000),
    "evolution": Contender(make=lambda seed, reward: EvolutionSampler(seed, reward), most=2000),
    "bayesian": Contender(make=lambda seed, reward: BayesianSampler(seed, reward), most=2000),
    "random": Contender(make=lambda seed, reward: RandomSampler(seed=seed), most=1000),
    "tpe": Contender(make=lambda seed, reward: TPESampler(seed=seed), most=1000),
    "tpe, multivariate": Contender(
        make=lambda seed, reward: TPESampler(seed=seed, multivariate=True), most=1000
    ),
    "nsga2": Contender(make=lambda seed, reward: NSGAIISampler(seed=seed), most=1000),
    "gp": Contender(make=lambda seed, reward: GPSampler(seed=seed), most=200),
}
"""Ours, and Optuna's as they come. Ours see the two values and the reward's shape, as in a search."""
OURS = ("ppo", "ppo, NASNet's constants", "reinforce", "evolution", "bayesian")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    macro: Path
    """nas-bench-macro_cifar10.json."""
    records: Path = Path("runs/samplers")
    """Where the records are kept."""
    seeds: int = 30
    only: tuple[str, ...] = ()
    """Parts of the names of problems; none for all."""
    samplers: tuple[str, ...] = tuple(CONTENDERS)
    most: int = 2000
    """Different networks a run, at most."""
    processes: int = 1
    """Runs at once."""


def run(problem: Problem, name: str, seed: int, most: int) -> dict[str, Any]:
    """One record: accuracy and latency without noise of each different network, in order, and the accuracy seen."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    contender = CONTENDERS[name]
    ours = name in OURS
    both = problem.reward is None or ours
    study = optuna.create_study(
        directions=["maximize", "minimize"] if both else ["maximize"],
        sampler=contender.make(seed, problem.reward if ours else None),
    )
    told: dict[str, tuple[float, float]] = {}
    values: list[tuple[float, float, float]] = []
    asks, repeats, seconds, ended = 0, 0, 0.0, False
    while len(values) < min(most, contender.most) and not ended:
        begun = time.perf_counter()
        trial = study.ask(dict(problem.choices))
        seconds += time.perf_counter() - begun
        key = json.dumps(trial.params)
        repeats = repeats + 1 if key in told else 0
        if key not in told:
            # The noise is the network's in this run, however it was come by.
            told[key] = problem.seen(trial.params, np.random.default_rng([seed, *key.encode()]))
            values.append((*problem.values(trial.params), told[key][0]))
        begun = time.perf_counter()
        study.tell(trial, told[key] if both else problem.reward(told[key]))  # type: ignore[misc]
        seconds += time.perf_counter() - begun
        asks += 1
        found_all = (
            not problem.noisy and problem.reward is not None and problem.reward(told[key]) == problem.best
        )
        ended = found_all or repeats >= CONVERGED_AFTER
    return {
        "problem": problem.name,
        "sampler": name,
        "seed": seed,
        "asks": asks,
        "seconds": seconds,
        "values": values,
        "ended": ended,
    }


def run_kept(macro: Path, problem: str, name: str, seed: int, most: int, path: Path) -> None:
    """Write the record of a run."""
    record = run(problems(macro)[problem], name, seed, most)
    half = path.with_suffix(".part")
    half.write_text(json.dumps(record))
    half.replace(path)


def path_of(records: Path, problem: str, name: str, seed: int) -> Path:
    """Where the record of a run is."""
    return records / re.sub("[^a-z0-9.]+", "-", f"{problem} {name} {seed}.json".lower())


def is_there(path: Path, name: str, most: int) -> bool:
    """Whether the run was made, and went so far; records of shorter ones are made anew."""
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    return record["ended"] or len(record["values"]) >= min(most, CONTENDERS[name].most)


def curve(problem: Problem, record: Mapping[str, Any]) -> list[float]:
    """The best reward without noise after each different network."""
    assert problem.reward is not None
    rewards = [problem.reward(values[:2]) for values in record["values"]]
    return np.maximum.accumulate(rewards).tolist()


def rows(arguments: Arguments, every: Mapping[str, Problem]) -> Iterator[str]:
    """A Markdown table for each problem with a reward: mean regret and its standard error."""
    for problem in every.values():
        found = {
            name: [
                json.loads(path.read_text())
                for seed in range(arguments.seeds)
                if (path := path_of(arguments.records, problem.name, name, seed)).exists()
            ]
            for name in CONTENDERS
        }
        if problem.reward is None or not any(found.values()):
            continue
        curves = {name: [curve(problem, record) for record in records] for name, records in found.items()}
        reached = max(one[-1] for some in curves.values() for one in some)
        best = reached if problem.best is None else problem.best
        yield f"\n{problem.name}: mean regret ± standard error, best {best:.3f}\n"
        yield "| sampler | seeds | " + " | ".join(f"at {one}" for one in CHECKPOINTS) + " | s an ask |"
        yield "|---|---|" + "---|" * (len(CHECKPOINTS) + 1)
        for name, some in curves.items():
            if some:
                shortest = min(
                    math.inf if record["ended"] else len(record["values"]) for record in found[name]
                )
                cells = " | ".join(_cell(some, best, at) if at <= shortest else "" for at in CHECKPOINTS)
                each_s = fmean(record["seconds"] / record["asks"] for record in found[name])
                yield f"| {name} | {len(some)} | {cells} | {each_s:.3f} |"


def _cell(curves: Sequence[Sequence[float]], best: float, at: int) -> str:
    regrets = [best - one[min(at, len(one)) - 1] for one in curves]
    error = stdev(regrets) / math.sqrt(len(regrets)) if len(regrets) > 1 else math.nan
    return f"{fmean(regrets):.3f} ± {error:.3f}"


def main(arguments: Arguments) -> None:
    """Runs what is not there yet, and prints the tables."""
    arguments.records.mkdir(parents=True, exist_ok=True)
    every = {
        name: one
        for name, one in problems(arguments.macro).items()
        if not arguments.only or any(part in name for part in arguments.only)
    }
    with ProcessPoolExecutor(arguments.processes) as pool:
        waiting = [
            pool.submit(run_kept, arguments.macro, problem, name, seed, arguments.most, path)
            for seed in range(arguments.seeds)
            for problem in every
            for name in arguments.samplers
            if not is_there(path := path_of(arguments.records, problem, name, seed), name, arguments.most)
        ]
        for one in waiting:
            one.result()
    for line in rows(arguments, every):
        print(line)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
