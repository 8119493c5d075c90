"""What it costs that torch's threads wait for each other, beside one busy core and on an idle machine.

    python benchmarks/waiting.py

Two minutes. It takes steps of a small training in processes of their own, in turn: with `OMP_WAIT_POLICY` as
it comes, where threads spin, and as `mnasnet` sets it, where they sleep.
"""

import os
import subprocess
import sys
from statistics import median

ROUNDS = 3
SECONDS = 6
POLICIES: dict[str, dict[str, str]] = {"as it comes": {}, "sleeping": {"OMP_WAIT_POLICY": "PASSIVE"}}

STEPS = f"""
import time, torch
from torch import nn

def layer(channels):
    return [nn.Conv2d(channels, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU()]

network = nn.Sequential(*layer(3), *layer(16), *layer(16), *layer(16))
network = nn.Sequential(network, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
images, labels = torch.randn(48, 3, 32, 32), torch.randint(0, 10, (48,))
ended = []
begun = time.perf_counter()
while time.perf_counter() - begun < {SECONDS}:
    nn.functional.cross_entropy(network(images), labels).backward()
    ended.append(time.perf_counter())
print(1000 * (ended[-1] - ended[0]) / (len(ended) - 1))
"""


def step_ms(policy: dict[str, str]) -> float:
    """Mean time of a step, in a new process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")} | policy
    said = subprocess.run(
        [sys.executable, "-c", STEPS], env=environment, check=True, capture_output=True, text=True
    )
    return float(said.stdout)


def main() -> None:
    """Prints the median, the least and the most of each."""
    for beside in ("nothing", "one busy process"):
        other = None if beside == "nothing" else subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            found: dict[str, list[float]] = {name: [] for name in POLICIES}
            for _ in range(ROUNDS):
                for policy, times in found.items():
                    times.append(step_ms(POLICIES[policy]))
        finally:
            if other is not None:
                other.kill()
                other.wait()
        for policy, times in found.items():
            print(
                f"beside {beside}, {policy}: {median(times):.0f} [{min(times):.0f}, {max(times):.0f}] ms a step"
            )


if __name__ == "__main__":
    main()
