"""Whether finalists chosen by expected accuracies are better than those chosen by accuracies as seen.

    python benchmarks/recommended.py PATH/cifar10 runs/cifar10-*-* --max-images 3000

An hour. With `--kept docs/studies/recommended.jsonl`, which has the trainings of the searches in
docs/studies, there is nothing to train. The networks that only one of the two choices takes are trained anew
as candidates were, with other seeds. They are tested on the test images, which no search saw. Trainings are
appended to the file of `--kept`, and the command goes on where it was stopped.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from fronts import mean_interval

from mnasnet.analysis.findings import Findings, read_findings
from mnasnet.analysis.recommendation import choose_finalists
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import TrainedTrial
from mnasnet.train.data import ImageData, load
from mnasnet.train.loop import Recipe, count_correct, train

COUNTS = (1, 3)
"""Finalists."""
SEEDS = (101, 102, 103, 104)
"""Of the new trainings."""

Key = tuple[str, str, str, int]
"""Data, recipe, network and seed of a training."""


def chosen(found: Findings, *, count: int) -> dict[str, list[TrainedTrial]]:
    """The finalists by the accuracies that were seen, and by those that are expected."""
    ways = {"seen": replace(found, expected={}), "expected": found}
    return {way: choose_finalists(some, count=count) for way, some in ways.items()}


def differing(found: Findings) -> list[TrainedTrial]:
    """Those that only one of the choices takes, of any number of finalists."""
    some: dict[int, TrainedTrial] = {}
    for count in COUNTS:
        seen, expected = chosen(found, count=count).values()
        some |= {one.number: one for one in (*seen, *expected) if (one in seen) != (one in expected)}
    return list(some.values())


def recipe_of(found: Findings) -> Recipe:
    """That of the search's candidates."""
    assert found.setup is not None
    settings = found.setup.identity
    return Recipe(**{name: settings[name] for name in ("epochs", "batch_size", "learning_rate", "flip")})


def key_of(found: Findings, record: TrainedTrial, *, seed: int) -> Key:
    """Of a new training of the trial's network."""
    assert found.setup is not None
    return found.setup.identity["data"], str(recipe_of(found)), record.network.digest, seed


def trained_anew(found: Findings, record: TrainedTrial, data: ImageData, *, seed: int) -> float:
    """Top-1 on the test images."""
    network = train(record.network.architecture, data, data.train, recipe_of(found), seed=seed)
    return count_correct(network, data, data.test) / len(data.test)


def read(kept: Path) -> dict[Key, float]:
    """Top-1 of the trainings that are there."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    return {tuple(key): top1 for key, top1 in map(json.loads, lines)}


def rows(searches: Mapping[str, Findings], told: Mapping[Key, float], *, count: int) -> Iterator[str]:
    """A Markdown table of the finalists that differ, and of their mean rewards when trained anew."""
    yield f"\n| {count} finalists | only as seen | only as expected | reward of those | of these | more |"
    yield "|---|---|---|---|---|---|"
    more = []
    for name, found in searches.items():
        seen, expected = chosen(found, count=count).values()
        only = [one for one in seen if one not in expected], [one for one in expected if one not in seen]
        if not all(only):
            continue
        means = [fmean(reward_anew(found, one, told) for one in some) for some in only]
        more.append(means[1] - means[0])
        numbers = [", ".join(str(one.number) for one in some) for some in only]
        yield f"| {name} | {' | '.join(numbers)} | {means[0]:.4f} | {means[1]:.4f} | {more[-1]:+.4f} |"
    yield f"| mean of {len(more)}, 95 % | | | | | {mean_interval(more) if more else ''} |"


def agreement(searches: Mapping[str, Findings], told: Mapping[Key, float]) -> str:
    """How the accuracies that were seen, and those that are expected, go with those of the new trainings."""
    seen, expected, anew = [], [], []
    for found in searches.values():
        for record in differing(found):
            seen.append(record.quality.value)
            expected.append(found.expected.get(record.number, record.quality.value))
            anew.append(top1_anew(found, record, told))
    correlations = [np.corrcoef(one, anew)[0, 1] for one in (seen, expected)]
    return (
        f"\nMean accuracy of {len(anew)} networks, and its correlation with that anew: as seen {fmean(seen):.4f}, "
        f"{correlations[0]:.2f}; as expected {fmean(expected):.4f}, {correlations[1]:.2f}; anew {fmean(anew):.4f}"
    )


def top1_anew(found: Findings, record: TrainedTrial, told: Mapping[Key, float]) -> float:
    """The mean of the new trainings."""
    return fmean(told[key_of(found, record, seed=seed)] for seed in SEEDS)


def reward_anew(found: Findings, record: TrainedTrial, told: Mapping[Key, float]) -> float:
    """With the mean top-1 of the new trainings, and the latency of the trial."""
    assert found.setup is not None
    reward = found.setup.make_reward()
    return reward(quality=top1_anew(found, record, told), latency_ms=record.latency.median_ms)


def main() -> None:
    """Train what is missing, and print the tables.

    Raises:
        SystemExit: a search has not begun, or is of other images.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("searches", nargs="+", type=Path, help="folders of searches")
    parser.add_argument("--max-images", type=int, help="as of the searches")
    parser.add_argument("--kept", type=Path, default=Path("runs/recommended.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    searches = {out.name: read_findings(load_study(place_of(out, None)), out) for out in arguments.searches}
    identities = [found.setup.identity for found in searches.values() if found.setup is not None]
    if len(identities) < len(arguments.searches):
        raise SystemExit(
            f"{arguments.searches}: give folders of other names each, of searches that have begun"
        )
    data = load(arguments.data, image_size=identities[0]["image_size"], max_images=arguments.max_images)
    if {one["data"] for one in identities} != {data.fingerprint}:
        raise SystemExit(f"{arguments.data}: give the images, and the --max-images, of all the searches")
    told = read(arguments.kept)
    todo = {
        key: (name, record)
        for seed in SEEDS
        for name, found in searches.items()
        for record in differing(found)
        if (key := key_of(found, record, seed=seed)) not in told
    }
    arguments.kept.parent.mkdir(parents=True, exist_ok=True)
    for number, (key, (name, record)) in enumerate(todo.items(), start=1):
        told[key] = trained_anew(searches[name], record, data, seed=key[-1])
        with arguments.kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, told[key]]) + "\n")
        said = f"[{number}/{len(todo)}] {name}, trial {record.number}, seed {key[-1]}: {told[key]:.2%}"
        print(said, flush=True)
    for count in COUNTS:
        print("\n".join(rows(searches, told, count=count)))
    print(agreement(searches, told))


if __name__ == "__main__":
    main()
