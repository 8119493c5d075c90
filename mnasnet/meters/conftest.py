"""A calibration of a device whose truth is known, beside the small model files for the tests of devices."""

from dataclasses import replace
from pathlib import Path

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.networks import MOBILENET_V2
from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices.conftest import artifact as artifact
from mnasnet.devices.conftest import broken as broken
from mnasnet.devices.conftest import reference as reference
from mnasnet.fakes.roofline import RooflineDevice
from mnasnet.meters.calibrate import Calibration, fit, measure
from mnasnet.space.hierarchical import mnasnet_space


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
