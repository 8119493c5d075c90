"""The settings of each sampler that do best on one problem, to be shown on the others: `tuned.json`.

    python benchmarks/samplers/tune.py --macro PATH/nas-bench-macro_cifar10.json

An hour. What is chosen on NAS-Bench-Macro is shown on Accel-NASBench's space, and the other way round. The
seeds are none of those that are shown.
"""

import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import tyro
from contenders import CONTENDERS, ON, TUNED, Contender, tuned
from problems import problems
from run import create_pool, problems_of, run

FIRST_SEED = 1000


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is asked."""

    macro: Path
    """nas-bench-macro_cifar10.json."""
    samplers: tuple[str, ...] = tuple(name for name, one in CONTENDERS.items() if one.grid)
    seeds: int = 6
    processes: int = 1


def reached(macro: Path, family: str, name: str, settings: dict[str, Any], seed: int) -> float:
    """The best reward without noise that a run has found at the sampler's horizon."""
    problem, contender = problems(macro)[ON[family]], CONTENDERS[name]
    reward = problem.reward
    assert reward is not None
    sampler = contender.make(seed, problem, settings)
    # All with the asks that the costliest have, as docs/samplers.md says of what was chosen.
    record = run(problem, replace(contender, asks=Contender.asks), sampler, seed=seed, most=contender.horizon)
    return max(reward(values[:2]) for values in record["values"])


def main(arguments: Arguments) -> None:
    """Runs the grids, and keeps what did best."""
    problems_of(arguments.macro)  # a wrong one is said here and not by each worker
    with create_pool(arguments.processes) as pool:
        for family in ON:
            for name in arguments.samplers:
                combinations = list(CONTENDERS[name].combinations())
                runs = [
                    [
                        pool.submit(reached, arguments.macro, family, name, settings, FIRST_SEED + seed)
                        for seed in range(arguments.seeds)
                    ]
                    for settings in combinations
                ]
                rewards = [[one.result() for one in some] for some in runs]
                rows: list[dict[str, Any]] = [
                    {
                        "settings": settings,
                        "reward": round(fmean(some), 4),
                        "error": round(stdev(some) / math.sqrt(len(some)), 4),
                    }
                    for settings, some in zip(combinations, rewards, strict=True)
                ]
                best = max(rows, key=lambda row: row["reward"])
                defaults = combinations[0]
                found = tuned()
                found[family][name] = {
                    # What is not set is as it comes.
                    "settings": {k: v for k, v in best["settings"].items() if v != defaults[k]},
                    "on": ON[family],
                    "after": CONTENDERS[name].horizon,
                    "seeds": arguments.seeds,
                    "grid": rows,
                }
                TUNED.write_text(json.dumps(found, indent=1) + "\n")
                print(family, name, best, file=sys.stderr)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
