"""Whether a search of fifty networks loses or makes up anything on a phone or a board that goes wrong all the time.

    python benchmarks/faults.py --device android
    python benchmarks/faults.py --device ssh

Four to twenty minutes each. `mnasnet search` runs as people run it, against a loopback phone behind the real
adb client, or a real sshd. At random the cable comes out, programs crash, hang and are cut short, the storage
is full, the server is stopped and started again. The search itself is killed (SIGKILL) and called again,
until all networks are trained.

Wanted: fifty networks trained, each once; what was finished before a kill is unchanged at the end; every
latency in the study has timed blocks behind it, on that device; no failed trial has one.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
import tyro
from figures import machine
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from mnasnet.fakes.loopback_adbd import LoopbackPhone, private_adb_server
from mnasnet.fakes.loopback_sshd import LoopbackSshd
from mnasnet.study.trial import FailedTrial, RefusedTrial, TrainedTrial, charged_trials, read_trials

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
TINY = (
    *(
        "--data",
        "digits",
        "--image-size",
        "16",
        "--width",
        "0.35",
        "--max-images",
        "200",
        "--sampler",
        "random",
    ),
    *("--epochs", "1", "--finalists", "1", "--final-epochs", "1", "--max-ms", "1000"),
)
MOST_CALLS = 200


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    device: Literal["android", "ssh"] = "android"
    trials: int = 50
    seed: int = 0
    """Of the faults."""
    fault_s: float = 4.0
    """Mean time between two faults."""
    kill_s: float = 60.0
    """Mean time between two kills of the search."""


Fault = Callable[[], None]


@contextlib.contextmanager
def phone(generator: random.Random) -> Iterator[tuple[Sequence[str], dict[str, Fault], dict[str, str]]]:
    """The options that name a phone, what may happen to it, and the environment of the search."""
    with private_adb_server(), LoopbackPhone() as there:
        hangs = 1

        def order(fault: str) -> Fault:
            def happen() -> None:
                there.away_s = generator.uniform(0.0, 4.0)
                there.faults[fault] = 1

            return happen

        def away() -> None:
            there.unplug()
            time.sleep(generator.uniform(0.5, 6.0))
            there.plug_in()

        def hang() -> None:  # each costs the two minutes after which it is given up
            nonlocal hangs
            there.faults["hang"] = hangs
            hangs = 0

        names = [fault for fault in there.faults if fault not in ("hang", "unauthorized")]
        faults = {name: order(name) for name in names} | {"unplugged": away, "hang": hang}
        options = ("--device", f"android:{there.address}", "--benchmark-model", str(there.benchmark_model))
        yield options, faults, {}


@contextlib.contextmanager
def board(generator: random.Random) -> Iterator[tuple[Sequence[str], dict[str, Fault], dict[str, str]]]:
    """The same of a board."""
    with LoopbackSshd() as there:
        shim = there.folder / "bin"
        shim.mkdir()
        ssh = shim / "ssh"
        real = shutil.which("ssh")
        ssh.write_text(f'#!/bin/sh\nexec {real} -F {there.folder}/ssh_config "$@"\n', encoding="utf-8")
        ssh.chmod(0o755)

        def away() -> None:
            there.stop()
            time.sleep(generator.uniform(0.5, 6.0))
            there.start()

        faults = {"connection lost": there.drop, "server stopped": away, "silence": there.freeze}
        options = ("--device", f"ssh:{there.address}", "--python", sys.executable)
        yield options, faults, {"PATH": f"{shim}{os.pathsep}{os.environ['PATH']}"}


def main(arguments: Arguments) -> None:
    """Runs the search to its end and judges what it left."""
    generator = random.Random(arguments.seed)
    happened: Counter[str] = Counter()
    done = threading.Event()
    place = {"android": phone, "ssh": board}[arguments.device]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, place(generator) as (options, faults, environment):
        storage = f"sqlite:///{folder}/out/study.db"

        broken: list[Exception] = []

        def trouble() -> None:
            try:
                make_trouble()
            except Exception as error:  # without faults the search proves nothing
                broken.append(error)

        def make_trouble() -> None:
            while not done.wait(generator.expovariate(1 / arguments.fault_s)):
                states = Counter(state for state, *_ in ended(storage).values())
                if states[TrialState.COMPLETE] >= arguments.trials:
                    return  # a finalist takes a minute, which no four seconds leave it
                name = generator.choice(sorted(faults))
                happened[name] += 1
                faults[name]()

        troubling = threading.Thread(target=trouble, daemon=True)
        troubling.start()
        finished: dict[int, object] = {}
        changed: list[int] = []
        said: Counter[str] = Counter()
        for _ in range(MOST_CALLS):
            command = [sys.executable, "-m", "mnasnet.cli.main", "search", *TINY, *options]
            command += ["--trials", str(arguments.trials), "--out", f"{folder}/out"]
            search = subprocess.Popen(
                command,
                env=os.environ | environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            try:
                _, errors = search.communicate(timeout=generator.expovariate(1 / arguments.kill_s))
            except subprocess.TimeoutExpired:
                search.kill()
                _, errors = search.communicate()
                happened["search killed"] += 1
            said[f"exit {search.returncode}"] += 1
            for number, trial in ended(storage).items():
                if finished.setdefault(number, trial) != trial:
                    changed.append(number)
            if search.returncode == 0:
                break
            if search.returncode != -9:
                print(f"  ended with: {errors.strip()[:240]}", flush=True)
        done.set()
        troubling.join()
        records = read_trials(optuna.load_study(study_name="search", storage=storage))
    trained = charged_trials(records)
    outcomes = Counter(type(record).__name__ for record in records)
    unmeasured = [
        record.number
        for record in records
        if isinstance(record, TrainedTrial | RefusedTrial | FailedTrial)
        and record.latency is not None
        and (
            record.latency.predicted
            or not record.latency.raw_ms
            or record.latency.runs == 0
            or record.latency.not_delegated
            or not record.latency.device.startswith(arguments.device)
        )
    ]
    failed = [record for record in records if isinstance(record, FailedTrial)]
    failed_with_latency = [
        record.number
        for record in failed
        if record.latency is not None
        and not record.reason.startswith("interrupted")  # killed in its training, after it was measured
    ]
    digests = [record.network.digest for record in trained]
    print(f"{machine('ai-edge-litert')}; {arguments.device}, {(time.monotonic() - begun) / 60:.1f} min")
    print(f"calls: {dict(said)}; happened: {dict(happened)}")
    print(f"trials: {dict(outcomes)}; trained {len(trained)}, different {len(set(digests))}")
    print(f"finished trials that changed: {changed}; latencies without timed blocks: {unmeasured}")
    print(f"failed trials with a latency: {failed_with_latency}")
    right = len(trained) == len(set(digests)) == arguments.trials
    if broken:
        sys.exit(f"the faults stopped: {broken[0]!r}")
    if not right or changed or unmeasured or failed_with_latency:
        sys.exit("something was lost, repeated, changed or made up")
    reasons = Counter(record.reason[:100] for record in failed)
    for reason, count in reasons.most_common(12):
        print(f"  {count} × {reason}")


def ended(storage: str) -> dict[int, tuple[Any, ...]]:
    """What the study says of every trial that has ended, by number."""
    try:
        study = optuna.load_study(study_name="search", storage=storage)
    except KeyError:
        return {}
    except OperationalError:  # there is no file yet, or no tables in it
        return {}
    return {
        trial.number: (trial.state, trial.values, trial.params, trial.user_attrs)
        for trial in study.get_trials(states=ENDED)
    }


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    main(tyro.cli(Arguments, description=__doc__))
