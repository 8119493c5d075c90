"""Which sampler finds good networks in few trials, on tables and models of networks that others trained.

    python benchmarks/samplers/run.py --macro PATH/nas-bench-macro_cifar10.json

Days for all runs. It goes on where it was stopped; `--only` and `--samplers` take a part, and `--seeds 0`
runs nothing and writes the pages from the records. `samplers/records.py` says where the records of the runs
are.
"""

import json
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
import tyro
from contenders import Contender, contender_named, names, settings_of
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from problems import Problem, problems
from records import RECORDS, RunRecord, append_record, last_runs, read_records
from report import PAGES, write_pages
from results import CHECKPOINTS, CONVERGED_AFTER, NAMED_AT, Outcome, improvements, recommend
from tables import SEEDS


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    macro: Path
    """nas-bench-macro_cifar10.json."""
    records: Path = RECORDS
    """The compressed file of the runs; new ones go to the journal beside it."""
    pages: Path | None = None
    """The folder of the pages that are written. None: docs, of other records the folder where they are."""
    seeds: int = SEEDS
    """Of each sampler on each problem."""
    exact_seeds: int = 100
    """Of each on macro accuracy, the table without noise."""
    only: tuple[str, ...] = ()
    """Names of problems; parts of them take all that have it; none for all."""
    samplers: tuple[str, ...] = ()
    """The same of samplers; a whole name takes that one alone."""
    most: int = 2000
    """Different networks a run, at most."""
    processes: int = 1
    """Runs at once."""


def run(
    problem: Problem, contender: Contender, sampler: BaseSampler, *, seed: int, most: int
) -> dict[str, Any]:
    """One record: accuracy and latency without noise of each different network, in order, and the accuracy seen.

    A sampler is asked through an Optuna study in memory: one objective, the reward of what is seen, or both values
    where it is ours or the front is wanted; where it is limited the accuracy, and latency as a constraint. A repeat
    is told what was recorded, and not charged. With `problem.ahead` above 1 so many trials run at a time, and end
    in any order.

    A run has ended, and its best stays what it is, after `CONVERGED_AFTER` repeats in a row, or when it found the
    best there is, where that is known; where what it sees is not the truth not before `NAMED_AT` networks. After
    `contender.asks` for each of `most` networks it goes no further, and is held to what it found until then.

    Where there is noise, ours, which are told both values, recommend a network at `CHECKPOINTS`; and at later ones
    the last where they ended in repeats, as a search would, which does not know that it has found the best.
    """
    reward = problem.reward
    both = reward is None or contender.ours
    recommends = reward is not None and contender.ours and problem.noisy
    study = optuna.create_study(
        directions=["maximize", "minimize"] if both else ["maximize"], sampler=sampler
    )
    order = np.random.default_rng(seed)
    told: dict[str, tuple[float, float]] = {}
    trained: list[FrozenTrial] = []
    recommended: dict[int, tuple[Outcome, Outcome | None]] = {}
    values: list[tuple[float, float, float]] = []
    running: deque[optuna.Trial] = deque()
    asks, repeats, seconds, found_all, ended = 0, 0, 0.0, False, False
    while len(values) < most and asks < contender.asks * most and not ended:
        begun = time.perf_counter()
        while len(running) < problem.ahead:
            running.append(study.ask(dict(problem.choices)))
            asks += 1
        seconds += time.perf_counter() - begun
        running.rotate(int(order.integers(problem.ahead)))
        trial = running.popleft()
        key = json.dumps(problem.canonical(trial.params))
        is_new = key not in told
        repeats = 0 if is_new else repeats + 1
        if is_new:
            # The noise is the network's in this run, however it was come by.
            told[key] = problem.seen(trial.params, np.random.default_rng([seed, *key.encode()]))
            values.append((*problem.values(trial.params), told[key][0]))
        begun = time.perf_counter()
        if contender.limited:
            assert problem.limit is not None
            trial.set_constraint("latency", told[key][1] / problem.limit - 1)
            finished = study.tell(trial, told[key][0])
        else:
            finished = study.tell(trial, told[key] if reward is None or contender.ours else reward(told[key]))
        seconds += time.perf_counter() - begun
        if is_new:
            trained.append(finished)
            if recommends and len(values) in CHECKPOINTS:
                recommended[len(values)] = recommend(trained, values, problem)
        found_all = found_all or (reward is not None and reward(values[-1][:2]) == problem.best)
        ended = repeats >= CONVERGED_AFTER or (found_all and (not problem.noisy or len(values) >= NAMED_AT))
    if recommends and repeats >= CONVERGED_AFTER:
        later = [at for at in CHECKPOINTS if len(values) < at <= most]
        recommended |= dict.fromkeys(later, recommend(trained, values, problem))
    record = {"most": most, "asks": asks, "seconds": seconds, "values": values, "ended": ended}
    return {**record, "recommended": recommended} if recommends else record


def create_pool(processes: int) -> ProcessPoolExecutor:
    """Processes that say nothing, run torch on one thread each, and end with this one, however that ends."""
    return ProcessPoolExecutor(processes, initializer=_begin)


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def run_and_record(macro: Path, problem: str, name: str, seed: int, most: int, records: Path) -> None:
    """Append the record of a run."""
    contender, posed = contender_named(name), problems(macro)[problem]
    settings = settings_of(name, posed.family)
    assert settings is not None
    sampler = contender.make(seed, posed, settings)
    found = run(posed, contender, sampler, seed=seed, most=min(most, contender.most))
    found["values"] = improvements(found["values"], posed)
    append_record(records, RunRecord(problem=problem, sampler=name, seed=seed, settings=settings, **found))


def missing_runs(
    arguments: Arguments, posed: Sequence[Problem], samplers: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Problem, sampler and seed of the runs that are not there yet."""
    records = read_records(arguments.records)
    found = []
    for problem in posed:
        for name in samplers:
            settings, one = settings_of(name, problem.family), contender_named(name)
            if settings is None or not one.serves(problem):
                continue
            most = min(arguments.most, one.most)
            runs = last_runs(records, problem=problem.name, sampler=name, settings=settings)
            there = {seed for seed, record in runs.items() if record.ended or record.most >= most}
            seeds = range(arguments.seeds if problem.noisy else arguments.exact_seeds)
            found += [(problem.name, name, seed) for seed in seeds if seed not in there]
    return sorted(found, key=lambda one: one[2])


def select_names(flag: str, parts: Sequence[str], there: Sequence[str]) -> list[str]:
    """Of the names that are `there` those asked for: by name, else by a part of it; without `parts` all.

    Raises:
        SystemExit: a part is in no name.
    """
    for part in parts:
        if not any(part in name for name in there):
            raise SystemExit(f"{flag} {part}: give names, or parts, of {'; '.join(there)}")
    return [
        name
        for name in there
        if not parts or any(name == part if part in there else part in name for part in parts)
    ]


def problems_of(macro: Path) -> dict[str, Problem]:
    """By name.

    Raises:
        SystemExit: the file is not there, or another one.
    """
    try:
        return problems(macro)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SystemExit(f"--macro {macro}: give nas-bench-macro_cifar10.json; {error!r}") from error


def main(arguments: Arguments) -> None:
    """Runs what is not there yet, and writes the page.

    Raises:
        SystemExit: what is asked for makes no sense or is not there, with one line.
    """
    for flag, value, least in (
        ("--seeds", arguments.seeds, 0),
        ("--exact-seeds", arguments.exact_seeds, 0),
        ("--most", arguments.most, 1),
        ("--processes", arguments.processes, 1),
    ):
        if value < least:
            raise SystemExit(f"{flag} {value}: give at least {least}")
    every = problems_of(arguments.macro)
    posed = [every[name] for name in select_names("--only", arguments.only, list(every))]
    samplers = select_names("--samplers", arguments.samplers, names())
    records = arguments.records
    try:
        records.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"--records {records}: give a file in a folder that can be made; {error}") from error
    if records.is_dir():
        raise SystemExit(f"--records {records}: is a folder; give a file, such as records.jsonl.xz in it")
    pages = arguments.pages or (PAGES if records.resolve() == RECORDS.resolve() else records.parent)
    pool = create_pool(arguments.processes)
    try:
        runs = {}
        for problem, name, seed in missing_runs(arguments, posed, samplers):
            run = pool.submit(run_and_record, arguments.macro, problem, name, seed, arguments.most, records)
            runs[run] = f"{problem}, {name}, {seed}"
        for number, ended in enumerate(as_completed(runs), start=1):
            ended.result()
            print(f"[{number}/{len(runs)}] {time.strftime('%T')} {runs[ended]}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # on Ctrl-C only what has begun is waited for
    found = read_records(records)
    if not found:
        raise SystemExit(f"--records {records}: nothing to write pages from; give some --seeds")
    for page in write_pages(found, every, pages):
        print(f"wrote {page}")


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except KeyboardInterrupt:
        raise SystemExit("stopped; the runs that ended are kept, and the same command goes on") from None
