"""Fronts of finished searches beside each other: hypervolume, best reward, and the networks themselves.

python benchmarks/fronts.py runs/cifar10-ppo runs/cifar10-random
"""

import argparse
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from mnasnet.report.findings import Findings, find
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import TrialRecord


def hypervolume(front: tuple[TrialRecord, ...], *, slowest_ms: float) -> float:
    """Area that the front dominates up to `slowest_ms`, over that of a perfect network of no latency; 0 to 1."""
    area, best = 0.0, 0.0
    points = [(r.latency.median_ms, r.accuracy.top1) for r in front if r.latency and r.accuracy]
    for (latency_ms, top1), (next_ms, _) in zip(points, [*points[1:], (slowest_ms, 0.0)], strict=True):
        best = max(best, top1)
        area += best * max(0.0, min(next_ms, slowest_ms) - latency_ms)
    return area / slowest_ms


def row(found: Findings, name: str, *, slowest_ms: float) -> str:
    """One search as a line of a Markdown table."""
    best = found.best
    assert best is not None
    assert best.accuracy
    assert best.latency
    counts = found.counts
    return (
        f"| {name} | {counts['trained']} | {counts['copies']} | {counts['too slow']} | {counts['interrupted']} "
        f"| {hypervolume(found.front, slowest_ms=slowest_ms):.4f} | {found.reward(best):.4f} "
        f"| {best.accuracy.top1:.1%} at {best.latency.median_ms:.4f} ms |"
    )


def halves(found: Findings, name: str) -> str:
    """The mean reward, with its standard error, of the networks trained first and last, as a line of a table."""
    rewards = [reward for record in found.trained if (reward := found.reward(record)) is not None]
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
        "searches", nargs="+", type=Path, help="folders of searches with one and the same limit"
    )
    searches = {out: find(load_study(place_of(out, None)), out) for out in parser.parse_args().searches}
    slowest_ms = max(found.setup.max_ms for found in searches.values() if found.setup is not None)
    print(f"Hypervolume up to {slowest_ms:.4f} ms.\n")
    print("| search | trained | copies | too slow | interrupted | hypervolume | best reward | which is |")
    print("|---|---|---|---|---|---|---|---|")
    for out, found in searches.items():
        print(row(found, out.name, slowest_ms=slowest_ms))
    print("\n| mean reward of | first half trained | second half trained |\n|---|---|---|")
    for out, found in searches.items():
        print(halves(found, out.name))
    for out, found in searches.items():
        print(
            f"\n{out.name}\n\n| trial | latency, ms | accuracy | multiply-adds | digest |\n|---|---|---|---|---|"
        )
        for record in found.front:
            assert record.latency
            assert record.accuracy
            low, high = record.accuracy.interval
            print(
                f"| {record.number} | {record.latency.median_ms:.4f} | {record.accuracy.top1:.1%} "
                f"[{low:.1%}, {high:.1%}] | {(record.multiply_adds or 0) / 1e6:.1f} M | {record.digest} |"
            )


if __name__ == "__main__":
    main()
