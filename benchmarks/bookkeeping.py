"""What a trial costs without timing and training: asking PPO, the attributes, telling, on SQLite.

    python benchmarks/bookkeeping.py

Four minutes, nearly all of them for the trials before the last window. The path is that of a search:
`mnasnet.search.loop.run_trials` on the paper's space (7 blocks, 42 choices) with PPO. Latencies and
accuracies are made up, of the size of real records, and a third of the networks is too slow. Three searches
have a process and a SQLite file each. They are brought to the three windows and then run one trial in turn,
so that what disturbs the machine disturbs all three. The file system counts: `--folder` is where the files
lie.

Wanted: a median of at most 0.25 s a trial, and around trial 2,000 at most 1.2 times what it is around trial
20.
"""

import multiprocessing
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import optuna
import tyro
from figures import machine, table
from optuna.trial import FrozenTrial

from mnasnet.arch.architecture import Architecture
from mnasnet.devices.timing import LAUNCH_LOADS, LOAD_BLOCKS
from mnasnet.measures.accuracy import ACCURACY
from mnasnet.measures.latency import Latency
from mnasnet.measures.limits import LATENCY, limit_on
from mnasnet.measures.quality import Quality, judge_score
from mnasnet.measures.reward import Reward, soft
from mnasnet.measures.score import Score
from mnasnet.samplers.named import sampler_named
from mnasnet.search.loop import TrialSteps, run_trials
from mnasnet.space.hierarchical import mnasnet_space
from mnasnet.study.storage import create_study, place_of
from mnasnet.study.trial import TrialRecord

AROUND = (20, 200, 2_000)
"""Trials at the middle of the windows."""
HALF_WINDOW = 20
TARGET_MS = 10.0


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    folder: Path = Path(tempfile.gettempdir())
    """Where the SQLite files lie while it runs."""


def measure(architecture: Architecture) -> Latency:
    """A latency that the digest decides, evenly between half the target and 2.75 times it."""
    ratio = 0.5 + 2.25 * random.Random(architecture.digest()).random()
    return Latency(
        median_ms=ratio * TARGET_MS,
        low_ms=0.99 * ratio * TARGET_MS,
        high_ms=1.01 * ratio * TARGET_MS,
        ratio=ratio,
        reference_ms=TARGET_MS,
        raw_ms=tuple(ratio * TARGET_MS + block / 997 for block in range(LAUNCH_LOADS * LOAD_BLOCKS)),
        raw_reference_ms=tuple(TARGET_MS + block / 997 for block in range(LAUNCH_LOADS * LOAD_BLOCKS)),
        runs=LAUNCH_LOADS * LOAD_BLOCKS,
        blocks_discarded=0,
        launches=1,
        device="made up",
        runtime="made up",
        threads=1,
        cores=(0,),
        measured_at="2026-01-01T00:00:00+00:00",
    )


def estimate(architecture: Architecture) -> Quality:
    """An accuracy that the digest decides."""
    correct = random.Random(f"accuracy of {architecture.digest()}").randrange(500, 1_000)
    score = Score(correct=(correct,), in_top5=(correct,), images=(1_000,))
    return judge_score(ACCURACY, score, on="held-out", epochs=5, seed=0, train_images=9_000, seconds=0.0)


def worth(trial: FrozenTrial, reward: Reward) -> float | None:
    """The reward of a trained network, as the search gives it to its sampler."""
    return None if trial.values is None else reward(quality=trial.values[0], latency_ms=trial.values[1])


def searching(folder: Path, first: int, turns: Connection) -> None:
    """Search; from trial `first` on, wait for each turn and send the seconds that a trial took."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = mnasnet_space()
    study = create_study(place_of(folder, None))
    study.sampler = sampler_named(
        "ppo", seed=0, reward=partial(worth, reward=soft(TARGET_MS)), canonical=space.canonical
    )
    begun = time.perf_counter()

    def report_trial(record: TrialRecord) -> None:
        nonlocal begun
        if record.number >= first - 1:
            turns.send(time.perf_counter() - begun)
            if not turns.recv():
                sys.exit()
        begun = time.perf_counter()

    limits = {LATENCY: limit_on(LATENCY, 2 * TARGET_MS)}
    steps = TrialSteps(space=space, measure=measure, estimate=estimate, limits=limits)
    converged = run_trials(study, steps, trials=10 * max(AROUND), report_trial=report_trial)
    raise RuntimeError(f"the search ended before its window did: {converged}")


def main(arguments: Arguments) -> None:
    """Bring the searches to their windows, run them in turn and print the table."""
    print(f"{machine('optuna', 'sqlalchemy', 'torch')}, SQLite in {arguments.folder}\n", flush=True)
    # A new process each and not a fork: a search begins with nothing of another's in memory.
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        turns: dict[int, Connection] = {}
        for middle in AROUND:
            turns[middle], theirs = processes.Pipe()
            processes.Process(
                target=searching,
                args=(Path(folder) / str(middle), middle - HALF_WINDOW + 1, theirs),
                daemon=True,
            ).start()
            # Ends here, too, with an EOFError, when the search dies.
            theirs.close()
            turns[middle].recv()
        seconds: dict[int, list[float]] = {middle: [] for middle in AROUND}
        for _ in range(2 * HALF_WINDOW):
            for middle, turn in turns.items():
                turn.send(True)
                seconds[middle].append(turn.recv())
        for turn in turns.values():
            turn.send(False)
        for process in multiprocessing.active_children():
            process.join()

    rows = {f"trials around {middle:,}": [1e3 * s for s in seconds[middle]] for middle in AROUND}
    print(table("ms", rows, decimals=0))
    print(f"\ntrial 2,000 over trial 20: {median(seconds[2_000]) / median(seconds[20]):.2f}")


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
