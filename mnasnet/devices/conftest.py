"""Small model files for the tests of devices, and a calibration of a device whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices.calibrate import Calibration, fit, measure
from mnasnet.export.tflite import write_tflite
from mnasnet.fakes.roofline import RooflineDevice
from mnasnet.graph.weights import draw_weights
from mnasnet.space.hierarchical import mnasnet_space


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


def unwritten(architecture: Architecture) -> Artifact:
    """A file of a network that nobody has to open."""
    digest = architecture.digest()
    path = Path(f"{digest}.tflite")
    return Artifact(path=path, format="tflite", digest=digest, size_bytes=1, architecture=architecture)


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    """Of a simulated device that takes a second for each measurement, in four minutes."""
    space = mnasnet_space(image_size=64, classes=10, width=0.5)
    control = replace(MOBILENET_V2.scaled(0.5).fitted(64), classes=10)
    device = RooflineDevice()
    agreed = device.measure(unwritten(control), reference=unwritten(control), agreed=None, launches=5)
    seconds = [0.0]

    def time_one(architecture: Architecture) -> Latency:
        seconds[0] += 1
        return device.measure(unwritten(architecture), reference=unwritten(control), agreed=agreed)

    measured = measure(
        time_one,
        space=space,
        minutes=4,
        begun=0.0,
        seed=0,
        step=lambda what, done, total: None,
        clock=lambda: seconds[0],
    )
    return fit(
        measured,
        called="roofline",
        space=space,
        width=0.5,
        precision="fp32",
        format="tflite",
        card=device.card(),
        reference=control,
        agreed=agreed,
    )
