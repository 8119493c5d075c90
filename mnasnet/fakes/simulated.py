"""A machine whose truth is known: it drifts, is disturbed in bursts, and differs by launch and by load."""

import math
from dataclasses import dataclass

import numpy as np

from mnasnet.devices.timing import LOAD_BLOCKS, Load, TimedBlock, TimeLoad


@dataclass(frozen=True, kw_only=True)
class Disorder:
    """How far times are off, each as the standard deviation of a logarithm, but for the bursts."""

    launch: float = 0.005
    """Of each network, for as long as a process lives."""
    load: float = 0.007
    """Of each network, for as long as it is loaded."""
    run: float = 0.01
    """Of each network in each block."""
    drift: float = 0.005
    """Of the machine's speed from one block to the next: tens of per cent within minutes."""
    burst_begins: float = 0.03
    burst_ends: float = 0.3
    """Chances, before each network's turn, that something else begins or ends to disturb it."""
    burst: float = 1.6
    """How many times as long everything takes in a burst."""


class SimulatedMachine:
    """Times a candidate that in truth takes `ratio` times as long as its reference."""

    def __init__(
        self, generator: np.random.Generator, *, ratio: float, disorder: Disorder = Disorder()
    ) -> None:
        self._generator, self._ratio, self._disorder = generator, ratio, disorder
        self._speed, self._disturbed = 1.0, False

    def launch(self) -> TimeLoad:
        """A new process; what it returns is for `timing.time_launches`."""
        of_launch = self._off(self._disorder.launch, 2)

        def time_load(candidate_first: bool) -> Load:
            of_load = of_launch + self._off(self._disorder.load, 2)
            return [
                TimedBlock(
                    reference_ms=(self._run_ms(1.0, of_load[0]),),
                    candidate_ms=(self._run_ms(self._ratio, of_load[1]),),
                )
                for _ in range(LOAD_BLOCKS)
            ]

        return time_load

    def _off(self, deviation: float, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return deviation * self._generator.standard_normal(count)

    def _run_ms(self, truth_ms: float, off: float) -> float:
        disorder = self._disorder
        change = disorder.burst_ends if self._disturbed else disorder.burst_begins
        if self._generator.random() < change:
            self._disturbed = not self._disturbed
        self._speed *= math.exp(self._off(disorder.drift, 1)[0])
        slow = disorder.burst if self._disturbed else 1.0
        return slow * self._speed * truth_ms * math.exp(off + self._off(disorder.run, 1)[0])
