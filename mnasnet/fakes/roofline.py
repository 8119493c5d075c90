"""A device whose truth is known: for tests of what is learned from measurements."""

import math

import numpy as np

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact
from mnasnet.devices.timing import Timings
from mnasnet.fakes.recorded import RecordedDevice
from mnasnet.meters.operators import Operator, Sort, operators

PER_US: dict[Sort, float] = {
    "pointwise": 14e3,
    "spatial": 11e3,
    "depthwise": 3.5e3,
    "pool": 2.5e3,
    "dense": 3e3,
    "elementwise": 2.5e3,
}
"""Multiply-adds in a microsecond, of kernels that compute 8 channels of 6 pixels at a time."""


def truth_ms(architecture: Architecture) -> float:
    """What the device takes for a network, exactly.

    Each operator takes an overhead and the longer of computing and of reading and writing. All of them are slower
    when the weights do not stay in the cache (by up to 15 %) and when the largest map does not (by 8 %): what a
    network takes is not the sum of what its operators take alone.
    """
    found = operators(architecture)
    weights_bytes = 4 * sum(operator.weights for operator in found)
    map_bytes = 4 * max(operator.values for operator in found)
    crowded = 1 + 0.15 / (1 + math.exp(-(weights_bytes - 1.5e6) / 4e5))
    return sum(map(_us, found)) * crowded * (1.08 if map_bytes > 2e5 else 1.0) / 1000


def _us(operator: Operator) -> float:
    def whole(count: int, at_a_time: int) -> float:
        return math.ceil(count / at_a_time) * at_a_time / count

    waste = whole(operator.outputs, 8) * whole(operator.out_size**2, 6)
    if operator.sort in ("pointwise", "spatial"):
        waste *= whole(operator.inputs, 8)
    computing_us = operator.multiply_adds * waste / PER_US[operator.sort]
    moving_us = 4 * (operator.values / 8e3 + operator.weights / 4e3)
    return 1.5 + max(computing_us, moving_us)


class RooflineDevice(RecordedDevice):
    """Takes `truth_ms` with an error of 1 %, another one each time it is asked."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__(lambda digest: None)
        self._generator = np.random.default_rng(seed)

    def time_file(self, artifact: Artifact, *, reference: Artifact, launches: int = 1) -> Timings:
        """As the protocol says, of files written here; they are not opened."""
        own_ms = self._ms(artifact) * math.exp(0.01 * self._generator.standard_normal())
        if artifact.digest == reference.digest:
            own_ms = self._ms(reference)
        recorded = RecordedDevice({artifact.digest: own_ms, reference.digest: self._ms(reference)}.get)
        return recorded.time_file(artifact, reference=reference, launches=launches)

    def _ms(self, artifact: Artifact) -> float:
        if artifact.architecture is None:
            raise ValueError(f"{artifact.path} is not of a network that was written here")
        return truth_ms(artifact.architecture)
