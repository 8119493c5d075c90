"""The table of docs/samplers.md: which sampler for which search, with the figures that say so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from comparison import hypervolume_shares, mean_text, p_better, p_text, regrets_of
from results import Runs
from tables import Found, head_lines, row_line


@dataclass(frozen=True, kw_only=True)
class Case:
    """A search that somebody has in mind."""

    search: str
    """Its words, behind "a search that"."""
    sampler: str
    """The one to use."""
    problem: str
    """That is most like it."""
    networks: int
    """Different ones after which samplers are compared."""
    others: tuple[str, ...]
    """Samplers to compare with: the best one of others where it is not ours, and those that people expect."""


CASES = (
    Case(
        search="aims at a latency (soft reward)",
        sampler="bayesian",
        problem="accel soft 4 ms",
        networks=200,
        others=("gp", "tpe", "random"),
    ),
    Case(
        search="must keep to a latency (hard reward)",
        sampler="bayesian",
        problem="accel hard 4 ms",
        networks=200,
        others=("gp, limited", "tpe", "random"),
    ),
    Case(
        search="runs many trials at a time",
        sampler="bayesian",
        problem="accel soft 4 ms, 32 ahead",
        networks=200,
        others=("gp, tuned", "tpe", "random"),
    ),
    Case(
        search="looks for the whole front",
        sampler="bayesian",
        problem="accel front",
        networks=200,
        others=("gp", "nsga2", "random"),
    ),
    Case(
        search="has thousands of trials of a second or less",
        sampler="evolution",
        problem="accel soft 4 ms",
        networks=2000,
        others=("bayesian", "ppo"),
    ),
    Case(
        search="repeats the paper",
        sampler="ppo",
        problem="accel soft 4 ms",
        networks=200,
        others=("bayesian", "random"),
    ),
)


def choosing_lines(found: Found, best: Mapping[str, float]) -> Iterator[str]:
    """The cases for which there are runs."""
    yield from head_lines(
        ["a search that", "sampler", "ms an ask", "problem, networks", "its result", "results of others"]
    )
    for case in CASES:
        runs = found.get(case.problem, {})
        if case.sampler in runs:
            ours = runs[case.sampler]
            compared = [other_text(case, runs, name, best) for name in case.others if name in runs]
            yield row_line(
                [
                    case.search,
                    f"`{case.sampler}`",
                    f"{ours.each_ms:.0f}",
                    f"*{case.problem}*, {case.networks}",
                    f"{mean_text(results_of(case, runs, ours, best), len(ours.values))} {unit_of(ours)}",
                    "; ".join(compared),
                ]
            )


def results_of(case: Case, runs: Mapping[str, Runs], some: Runs, best: Mapping[str, float]) -> list[float]:
    """Regrets, or where there is no reward shares of the hypervolume."""
    if some.problem.reward is None:
        return list(hypervolume_shares(some.problem, runs, some, case.networks).values())
    return regrets_of(some, best[case.problem], case.networks)


def other_text(case: Case, runs: Mapping[str, Runs], name: str, best: Mapping[str, float]) -> str:
    """Another sampler's mean, and p where the one to use did better."""
    ours, other = runs[case.sampler], runs[name]
    mean = f"`{name}` {fmean(results_of(case, runs, other, best)):.3f}"
    if ours.problem.reward is None:
        pair = [hypervolume_shares(ours.problem, runs, one, case.networks) for one in (ours, other)]
    else:
        pair = [one.found(case.networks) for one in (ours, other)]
    is_better = fmean(pair[0].values()) > fmean(pair[1].values())
    return f"{mean} (p {p_text(p_better(*pair))})" if is_better else mean


def unit_of(some: Runs) -> str:
    """Of its results."""
    return "%" if some.problem.reward is None else "points"
