"""What an ask and a tell of PPO and of evolution cost, and the first ask when a search goes on.

    OMP_NUM_THREADS=1 python benchmarks/samplers/cost.py

Six minutes. It takes the mean over 2,000 trials, all updates included, and the first ask of a new sampler
after 8,000 trials. The study lies in memory and has the choices of the paper's space; accuracy and latency
are made up.

Wanted: at most 50 ms an ask and tell, and at most 60 s for the first ask.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import tyro
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler

from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.ppo import PPOSampler
from mnasnet.space.hierarchical import mnasnet_space

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import machine

SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "ppo": lambda: PPOSampler(0, reward=lambda values: values[0]),
    "evolution": lambda: EvolutionSampler(0, reward=lambda values: values[0]),
}


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    trials: int = 2000
    replayed: int = 8000


def run(study: optuna.Study, trials: int) -> float:
    """Seconds of asking and telling."""
    choices: dict[str, BaseDistribution] = {
        **mnasnet_space(image_size=224, classes=1000, width=1.0).distributions
    }
    generator = random.Random(0)
    begun = time.perf_counter()
    for _ in range(trials):
        trial = study.ask(choices)
        study.tell(trial, (generator.random(), generator.random()))
    return time.perf_counter() - begun


def main(arguments: Arguments) -> None:
    """Print what they cost."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(machine("optuna", "torch"))
    for name, make in SAMPLERS.items():
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=make())
        each_ms = 1000 * run(study, arguments.trials) / arguments.trials
        run(study, arguments.replayed - arguments.trials)
        study.sampler = make()
        replay_s = run(study, 1)
        print(
            f"{name}: {each_ms:.1f} ms an ask and tell over {arguments.trials} trials; the first ask of a new "
            f"sampler after {arguments.replayed}: {replay_s:.1f} s"
        )


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
