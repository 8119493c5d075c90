"""The samplers that are compared, at their defaults and at settings chosen on another problem than is shown."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from problems import Problem

from mnasnet.samplers.bayesian import BayesianSampler
from mnasnet.samplers.evolution import EvolutionSampler
from mnasnet.samplers.ppo import NASNET, REINFORCE, PPOSampler, PPOSettings

TUNED = Path(__file__).with_name("tuned.json")
"""By family of problems and sampler the settings that did best there, and how all of the grid did."""

ON = {"macro": "macro soft", "accel": "accel soft 4 ms"}
"""By family of problems the one on which settings are chosen."""

Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A sampler, how far it is run, and what of it can be set."""

    make: Callable[[int, Problem, Settings], BaseSampler]
    """With a seed, and with what it may know of a problem."""
    most: int
    """Different networks."""
    asks: int = 2
    """For each of these at most: a run that has repeated itself so often goes no further."""
    ours: bool = False
    """Whether it sees both values, the shape of the reward and which choices are the same network, as in a search;
    others are told the reward."""
    limited: bool = False
    """Whether it is told accuracy and, as a constraint, that latency has a limit, instead of the reward."""
    fronts: bool = True
    """Whether it also serves two objectives without a reward."""
    grid: Mapping[str, Sequence[Any]] | None = None
    """Values of each setting; all combinations are tried. Defaults are the first ones."""
    horizon: int = 200
    """Different networks after which settings are compared."""

    def serves(self, problem: Problem) -> bool:
        """Whether it can be told what the problem asks for."""
        if self.limited:
            return problem.limit is not None
        return problem.reward is not None or self.fronts

    def combinations(self) -> Iterator[dict[str, Any]]:
        """All of the grid."""
        grid = self.grid or {}
        for values in itertools.product(*grid.values()):
            yield dict(zip(grid, values, strict=True))


def _preset(settings: PPOSettings) -> Contender:
    return Contender(
        make=lambda seed, problem, _: PPOSampler(seed, problem.reward, problem.canonical, settings=settings),
        most=2000,
        ours=True,
        fronts=False,
    )


def _ppo(seed: int, problem: Problem, settings: Settings) -> BaseSampler:
    return PPOSampler(
        seed, problem.reward, problem.canonical, PPOSettings(**{**asdict(PPOSettings()), **settings})
    )


PLAIN: Mapping[str, Contender] = {
    "bayesian": Contender(
        make=lambda seed, problem, settings: BayesianSampler(
            seed, problem.reward, problem.canonical, **settings
        ),
        most=2000,
        ours=True,
        grid={"initial": (20, 10, 40)},
    ),
    "ppo": Contender(
        make=_ppo,
        most=2000,
        ours=True,
        fronts=False,
        grid={
            "batch": (5, 10),
            "entropy_weight": (0.1, 0.2, 0.05),
            "epochs": (4, 1),
        },
        horizon=500,
    ),
    "ppo, NASNet's constants": _preset(NASNET),
    "reinforce, NASNet's constants": _preset(REINFORCE),
    "evolution": Contender(
        make=lambda seed, problem, settings: EvolutionSampler(
            seed, problem.reward, problem.canonical, **settings
        ),
        most=2000,
        ours=True,
        fronts=False,
        grid={"population": (50, 20, 100), "tournament": (10, 5, 20)},
    ),
    "random": Contender(make=lambda seed, problem, _: RandomSampler(seed=seed), most=1000),
    "tpe": Contender(
        make=lambda seed, problem, settings: TPESampler(seed=seed, **settings),
        most=1000,
        grid={"multivariate": (True, False), "n_startup_trials": (10, 40), "n_ei_candidates": (24, 100)},
    ),
    "nsga2": Contender(
        make=lambda seed, problem, settings: NSGAIISampler(seed=seed, **settings),
        most=1000,
        asks=10,  # they cost little, and it may need six (`benchmarks/evidence.jsonl`, nsga2-asks)
        grid={"population_size": (50, 20), "mutation_prob": (None, 0.1, 0.2)},
    ),
    "gp": Contender(
        make=lambda seed, problem, settings: GPSampler(seed=seed, **settings),
        most=200,
        grid={"n_startup_trials": (10, 20), "deterministic_objective": (False, True)},
        horizon=60,
    ),
}
"""Ours, and Optuna's: random, TPE, NSGA-II and its Gaussian process."""

TUNED_SUFFIX = ", tuned"
LIMITED_SUFFIX = ", limited"

CONTENDERS: Mapping[str, Contender] = {
    **PLAIN,
    **{
        name + LIMITED_SUFFIX: replace(PLAIN[name], limited=True, grid=None)
        for name in ("tpe", "nsga2", "gp")
    },
}
"""These, and of Optuna's those that take a constraint once more with one."""


def names() -> list[str]:
    """Of all, and of those with settings once more for the tuned ones."""
    return [
        name + suffix
        for name, one in CONTENDERS.items()
        for suffix in (("", TUNED_SUFFIX) if one.grid else ("",))
    ]


def contender_named(name: str) -> Contender:
    """That of `names`."""
    return CONTENDERS[name.removesuffix(TUNED_SUFFIX)]


def settings_of(name: str, family: str) -> Settings | None:
    """What is set of it on a problem of this family: nothing, or what did best on the other one.

    None where the latter is nothing too: that row is there already.
    """
    if not name.endswith(TUNED_SUFFIX):
        return {}
    (other,) = (one for one in ("macro", "accel") if one != family)
    found: Settings = tuned()[other][name.removesuffix(TUNED_SUFFIX)]["settings"]
    return found or None


def tuned() -> dict[str, Any]:
    """What is in `TUNED`."""
    found: dict[str, Any] = json.loads(TUNED.read_text()) if TUNED.exists() else {"macro": {}, "accel": {}}
    return found
