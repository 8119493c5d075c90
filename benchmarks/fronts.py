"""Fronts of finished searches beside each other: hypervolume, best reward, and the networks themselves.

    python benchmarks/fronts.py runs/cifar10-*-*

A second a search. A latency is given in targets of its search, since milliseconds of two searches on one
machine differ by what else it did. The target is what MobileNetV2 took when the search began, unless one was
given. Searches of one sampler with several seeds are summed up, and compared with random search.
"""

import argparse
from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t

from mnasnet.analysis.findings import Findings, read_findings
from mnasnet.analysis.recommendation import find_best
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import TrainedTrial

CONTROL = "random"


def target_ms(found: Findings) -> float:
    """What the search aimed at."""
    assert found.setup is not None
    return found.setup.target_ms


def sampler(found: Findings) -> str:
    """Who chose the networks."""
    assert found.setup is not None
    return str(found.setup.identity["sampler"])


def best_reward(found: Findings) -> float:
    """The highest of all trained."""
    reward = found.reward_of(best_of(found))
    assert reward is not None
    return reward


def best_of(found: Findings) -> TrainedTrial:
    """The network of the highest reward."""
    best = find_best(found)
    assert best is not None
    return best


def hours(found: Findings) -> float:
    """That its trainings took."""
    return sum(record.quality.seconds for record in found.trained) / 3600


def hypervolume(front: tuple[TrainedTrial, ...], *, slowest_ms: float) -> float:
    """Area that the front dominates up to `slowest_ms`, over that of a perfect network of no latency; 0 to 1."""
    area, best = 0.0, 0.0
    points = [(one.latency.median_ms, one.quality.value) for one in front]
    for (latency_ms, top1), (next_ms, _) in zip(points, [*points[1:], (slowest_ms, 0.0)], strict=True):
        best = max(best, top1)
        area += best * max(0.0, min(next_ms, slowest_ms) - latency_ms)
    return area / slowest_ms


def row(found: Findings, name: str, *, slowest: float) -> str:
    """One search as a line of a Markdown table; `slowest` in targets."""
    best = best_of(found)
    counts, target = found.counts, target_ms(found)
    return (
        f"| {name} | {counts['trained']} | {counts['copies']} | {counts['too slow']} | {counts['interrupted']} "
        f"| {hours(found):.2f} | {hypervolume(found.front, slowest_ms=slowest * target):.4f} "
        f"| {best_reward(found):.4f} | {best.quality.value:.1%} at {best.latency.median_ms / target:.3f} |"
    )


def mean_interval(values: Sequence[float]) -> str:
    """Mean and its 95 % interval by Student's t; the mean alone of one value."""
    if len(values) < 2:
        return f"{values[0]:.4f}"
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return f"{fmean(values):.4f} ± {half:.4f}"


def sums(searches: Sequence[Findings], *, slowest: float) -> Iterator[str]:
    """The samplers as lines of a Markdown table, each less the control where both have as many searches."""
    by_sampler: dict[str, list[Findings]] = {}
    for found in searches:
        by_sampler.setdefault(sampler(found), []).append(found)
    control = by_sampler.get(CONTROL, [])
    for name, some in by_sampler.items():
        rewards = [best_reward(found) for found in some]
        volumes = [hypervolume(found.front, slowest_ms=slowest * target_ms(found)) for found in some]
        less = ""
        if name != CONTROL and len(some) == len(control):
            less = mean_interval([a - best_reward(b) for a, b in zip(rewards, control, strict=True)])
        yield (
            f"| {name} | {len(some)} | {mean_interval(rewards)} | {less} | {mean_interval(volumes)} "
            f"| {sum(map(hours, some)):.1f} |"
        )


def halves(found: Findings, name: str) -> str:
    """The mean reward, with its standard error, of the networks trained first and last, as a line of a table."""
    rewards = [reward for record in found.trained if (reward := found.reward_of(record)) is not None]
    middle = len(rewards) // 2
    means = [
        f"{fmean(part):.3f} ± {stdev(part) / sqrt(len(part)):.3f}"
        for part in (rewards[:middle], rewards[middle:])
    ]
    return f"| {name} | {' | '.join(means)} |"


def main() -> None:
    """Read the searches and print their fronts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "searches", nargs="+", type=Path, help="folders of searches that differ in sampler and seed"
    )
    searches = {
        out: read_findings(load_study(place_of(out, None)), out) for out in parser.parse_args().searches
    }
    slowest = max(found.setup.max_ms / target_ms(found) for found in searches.values() if found.setup)
    print(f"Latency in targets; hypervolume up to {slowest:.2f}; hours of training.\n")
    print(
        "| search | trained | copies | too slow | interrupted | hours | hypervolume | best reward | which is |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for out, found in searches.items():
        print(row(found, out.name, slowest=slowest))
    print(f"\n| sampler | searches | best reward | less {CONTROL}'s | hypervolume | hours |")
    print("|---|---|---|---|---|---|")
    for line in sums(list(searches.values()), slowest=slowest):
        print(line)
    print("\n| mean reward of | first half trained | second half trained |\n|---|---|---|")
    for out, found in searches.items():
        print(halves(found, out.name))
    for out, found in searches.items():
        print(
            f"\n{out.name}\n\n| trial | latency | accuracy | multiply-adds | digest |\n|---|---|---|---|---|"
        )
        for record in found.front:
            low, high = record.quality.interval
            latency = record.latency.median_ms / target_ms(found)
            print(
                f"| {record.number} | {latency:.3f} | {record.quality.value:.1%} "
                f"[{low:.1%}, {high:.1%}] | {record.network.multiply_adds / 1e6:.1f} M | {record.network.digest} |"
            )


if __name__ == "__main__":
    main()
