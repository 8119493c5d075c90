"""All tables of docs/samplers-tables.md, as lines of Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from comparison import (
    ROUNDING,
    TESTED_AT,
    count_text,
    hypervolume_shares,
    latency_of_best,
    mean_text,
    median_text,
    named_rewards,
    p_better,
    p_sooner,
    p_text,
    recommended_gains,
    regrets_of,
)
from contenders import CONTENDERS, contender_named, tuned
from problems import Problem
from results import CHECKPOINTS, NAMED_AT, Runs

SEEDS = 30
"""Of each sampler on each problem, at least."""
CHAMPION = "bayesian"
"""Whose differences from all others are tested."""
SUMMARY_AT = min(one.most for one in CONTENDERS.values())
"""Different networks that all samplers are run to."""
FRONTS_TESTED_AT = ((200, 200), (500, 1000))
"""Different networks: its own, and those of all others."""
LANDED_SHARE = 0.95
"""Of the target, which the latency of a search that lands on it reaches at least."""
CERTAIN_P = 0.05
"""The highest p of a difference that counts as one."""

Found = Mapping[str, Mapping[str, Runs]]
"""By problem and sampler."""


def head_lines(heads: Sequence[str]) -> Iterator[str]:
    """Those that a table begins with."""
    yield row_line(heads)
    yield "|---" * len(heads) + "|"


def row_line(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def checkpoints_of(runs: Mapping[str, Runs]) -> list[int]:
    """Those that any run gets to."""
    return [n for n in CHECKPOINTS if any(some.first(n) for some in runs.values())]


def first_cells(sampler: str, some: Runs) -> list[str]:
    """Of its row in a table: the name, the seeds, and how many of them ended in repeats."""
    return [sampler, str(len(some.values)), str(some.repeating or "")]


def summary_lines(rewarded: Found, best: Mapping[str, float]) -> Iterator[str]:
    """Mean regret of all samplers on all problems, after `SUMMARY_AT` networks."""
    found = {
        name: {sampler: rewards for sampler, some in runs.items() if (rewards := some.found(SUMMARY_AT))}
        for name, runs in rewarded.items()
    }
    cells: dict[str, dict[str, str]] = {}
    for name, by_sampler in found.items():
        regrets = {
            sampler: fmean(max(0.0, best[name] - one) for one in rewards.values())
            for sampler, rewards in by_sampler.items()
        }
        lowest = min(regrets, key=regrets.__getitem__, default="")
        for sampler, regret in regrets.items():
            p = p_better(by_sampler[lowest], by_sampler[sampler])
            shared = len(by_sampler[lowest].keys() & by_sampler[sampler].keys())
            alike = sampler == lowest or (p is not None and p > CERTAIN_P >= 0.5**shared)
            mark = "**" if alike and len(regrets) > 1 else ""
            few = count_text(len(by_sampler[sampler]), SEEDS)
            cells.setdefault(sampler, {})[name] = f"{mark}{regret:.3f}{mark}{few}"
    yield from head_lines(["sampler", *rewarded])
    for sampler, row in cells.items():
        yield row_line([sampler, *(row.get(name, "") for name in rewarded)])


def regret_lines(problem: Problem, runs: Mapping[str, Runs], best: float) -> Iterator[str]:
    """A table of one problem."""
    yield f"### {problem.name}\n\nThe best known reward is {best:.3f}.\n"
    at = checkpoints_of(runs)
    tests = [f"{CHAMPION} better at {one}, p" for one in TESTED_AT] if CHAMPION in runs else []
    reached = ["to the best"] if problem.best is not None else []
    heads = ["sampler", "seeds", "repeating", *(f"at {one}" for one in at)]
    heads += [*reached, f"named, at {NAMED_AT}", "ms an ask"]
    heads += [*tests, f"{CHAMPION} better named, p"] if tests else []
    heads += [f"{CHAMPION} sooner at the best, p"] if tests and reached else []
    yield from head_lines(heads)
    for sampler, some in runs.items():
        seeds = len(some.values)
        cells = [mean_text(regrets_of(some, best, n), seeds) for n in at]
        named = mean_text((max(0.0, best - one) for one in named_rewards(some).values()), seeds)
        needed = [median_text(some.reached(best - ROUNDING).values())] if reached else []
        row = [*first_cells(sampler, some), *cells, *needed, named, f"{some.each_ms:.0f}"]
        if tests:
            row += p_cells(runs[CHAMPION], some, best if reached else None, same=sampler == CHAMPION)
        yield row_line(row)


def p_cells(ours: Runs, other: Runs, best: float | None, *, same: bool) -> list[str]:
    """Whether ours found and named better ones, and was sooner at the `best` where that is known."""
    pairs = [(ours.found(n), other.found(n)) for n in TESTED_AT]
    pairs.append((named_rewards(ours), named_rewards(other)))
    if same:
        return [""] * (len(pairs) + (best is not None))
    cells = [p_text(p_better(mine, theirs)) for mine, theirs in pairs]
    return cells if best is None else [*cells, p_text(p_sooner(ours, other, best))]


def front_lines(problem: Problem, runs: Mapping[str, Runs]) -> Iterator[str]:
    """A table of the hypervolumes of one problem."""
    accuracy, latency = problem.reference
    unit = "ms" if problem.family == "accel" else "multiply-adds"
    yield f"### {problem.name}\n\nThe table's worst values are {accuracy:.2f} % and {latency:.4g} {unit}.\n"
    at = checkpoints_of(runs)
    heads = ["sampler", "seeds", "repeating", *(f"at {one}, %" for one in at), "ms an ask"]
    if CHAMPION in runs:
        heads += [
            f"{CHAMPION} at {mine} better than this at {theirs}, p" for mine, theirs in FRONTS_TESTED_AT
        ]
    yield from head_lines(heads)

    def shares(some: Runs, n: int) -> dict[int, float]:
        return hypervolume_shares(problem, runs, some, n)

    for sampler, some in runs.items():
        cells = [mean_text(shares(some, n).values(), len(some.values)) for n in at]
        row = [*first_cells(sampler, some), *cells, f"{some.each_ms:.0f}"]
        if CHAMPION in runs:
            p_values = [
                p_better(shares(runs[CHAMPION], mine), shares(some, theirs))
                for mine, theirs in FRONTS_TESTED_AT
            ]
            row += map(p_text, p_values) if sampler != CHAMPION else [""] * len(p_values)
        yield row_line(row)


def recommended_lines(rewarded: Found) -> Iterator[str]:
    """How much better is what is expected to be the best than what seemed to be; nothing where none was asked."""
    rows = []
    for name, runs in rewarded.items():
        for sampler, some in runs.items():
            seeds = len(some.values)
            cells = [mean_text(recommended_gains(some, n), seeds) for n in CHECKPOINTS]
            if any(cells):
                rows.append([name, sampler, str(seeds), *cells])
    if rows:
        yield from head_lines(["problem", "sampler", "seeds", *(f"at {n}" for n in CHECKPOINTS)])
        yield from map(row_line, rows)


def landing_lines(rewarded: Found, every: Mapping[str, Problem]) -> Iterator[str]:
    """How often one search lands on its target."""
    at = CHECKPOINTS
    heads = ["problem", "best known", "sampler", "accuracy", "seeds"]
    heads += [f"{which}, at {n}" for which in ("highest reward", "within the target") for n in at]
    yield from head_lines(heads)
    for name, runs in rewarded.items():
        target, best = every[name].target, latency_of_best(every[name], runs)
        for sampler, some in runs.items():
            if target is None or not contender_named(sampler).ours or not some.first(min(at)):
                continue
            seeds = len(some.values)
            for by, named, within in (
                ("seen", some.named, some.within),
                ("expected", some.recommended, some.recommended_within),
            ):
                latencies = [[latency for _, latency in named(n).values()] for n in at]
                latencies += [within(n) for n in at]
                shares = [landed_text(some_of, target, seeds) for some_of in latencies]
                if any(shares):
                    yield row_line([name, f"{best / target:.4f}", sampler, by, str(seeds), *shares])


def further_lines(further: Mapping[str, Runs]) -> Iterator[str]:
    """What further runs recommend, by problem; nothing where there are none."""
    if not further:
        return
    at = checkpoints_of(further)
    yield from head_lines(
        ["problem", "seeds", *(f"{what}, at {n}" for what in ("landed", "better") for n in at)]
    )
    for name, some in further.items():
        target, seeds = some.problem.target, len(some.values)
        assert target is not None
        latencies = [[latency for _, latency in some.recommended(n).values()] for n in at]
        landed = [landed_text(some_of, target, seeds) for some_of in latencies]
        gains = [mean_text(recommended_gains(some, n), seeds) for n in at]
        yield row_line([name, str(seeds), *landed, *gains])


def landed_text(latencies: Sequence[float], target: float, seeds: int) -> str:
    """In percent, and of how many where that is not all `seeds`; empty of none."""
    if not latencies:
        return ""
    landed = fmean(LANDED_SHARE <= latency / target <= 1 for latency in latencies)
    return f"{100 * landed:.0f}{count_text(len(latencies), seeds)}"


def settings_lines() -> Iterator[str]:
    """The grids, and what did best of each."""
    yield from head_lines(["chosen on", "sampler", "seeds", "settings", "reward"])
    for family in tuned().values():
        for sampler, found in family.items():
            for row in found["grid"]:
                settings = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
                best = row["reward"] == max(one["reward"] for one in found["grid"])
                mark = "**" if best else ""
                chosen_on = f"{found['on']}, after {found['after']}"
                reward = f"{row['reward']:.3f} ± {row['error']:.3f}"
                yield row_line([chosen_on, sampler, str(found["seeds"]), f"{mark}{settings}{mark}", reward])
