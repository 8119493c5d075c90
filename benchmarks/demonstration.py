"""How long `mnasnet search` without arguments takes, and what it finds.

    python benchmarks/demonstration.py

Four minutes a run on two cores that have nothing else to do, and two runs.

Wanted: 240 s at most; at least 12 networks trained; the controller has learned at least twice; 90 % on
held-out images for the best trial, 95 % on the test images for the best finalist.
"""

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from figures import machine, table

from mnasnet.study.card import read_cards
from mnasnet.study.storage import load_study, place_of
from mnasnet.study.trial import charged_trials, read_trials


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the benchmark is asked."""

    runs: int = 2
    """Whole searches, each with another seed; at least 2."""


def main(arguments: Arguments) -> None:
    """Search, and print what it took and gave."""
    print(machine("torch", "ai-edge-litert"))
    rows: dict[str, list[float]] = {}
    for seed in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "digits"
            begun = time.monotonic()
            ended = subprocess.run(
                [sys.executable, "-m", "mnasnet.cli.main", "search", "--seed", str(seed), "--out", str(out)],
                capture_output=True,
                text=True,
                check=True,
            )
            seconds = time.monotonic() - begun
            trained = charged_trials(read_trials(load_study(place_of(out, None))))
            finalists = [card for card in read_cards(out) if not card.control]
            lessons = re.search(r"the controller learned (\d+) time", ended.stdout)
            for name, value in {
                "seconds": seconds,
                "networks trained": len(trained),
                "best trial, % held out": 100 * max(record.quality.value for record in trained),
                "best finalist, % on the test images": 100 * max(card.quality.value for card in finalists),
                "lessons of the controller": float(lessons[1]) if lessons else 0.0,
            }.items():
                rows.setdefault(name, []).append(value)
    print(table("as named", rows, decimals=1))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
