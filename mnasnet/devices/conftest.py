"""Small model files for the tests of devices, and what these tests look at in timings."""

from pathlib import Path
from statistics import median

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.records import Artifact
from mnasnet.devices.timing import TimedBlock, Timings
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights


def _written(path: Path, *blocks: str) -> Artifact:
    architecture = Architecture(
        blocks=tuple(parse_block(block) for block in blocks), image_size=16, classes=10, stem=8, head=16
    )
    return write_tflite(architecture, draw_weights(architecture.lowered(), np.random.default_rng(0)), path)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A network some tens of microseconds long."""
    return _written(tmp_path_factory.mktemp("models") / "candidate.tflite", "mb_k3_s1_e6_c16_n4")


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A shorter one."""
    return _written(tmp_path_factory.mktemp("models") / "reference.tflite", "mb_k3_s1_e3_c16_n2")


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A file that is no model."""
    path = tmp_path_factory.mktemp("models") / "broken.tflite"
    path.write_text("no flatbuffer")
    return Artifact(path=path, format="tflite", digest="broken", size_bytes=path.stat().st_size)


def blocks_of(timings: Timings) -> list[TimedBlock]:
    """All blocks, of whatever load and launch."""
    return [block for launch in timings.launches for load in launch for block in load]


def median_ratio(timings: Timings) -> float:
    """Candidate over reference, over all blocks."""
    return median(block.ratio for block in blocks_of(timings))
