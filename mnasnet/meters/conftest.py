"""A calibration of a device whose truth is known, beside the small model files for the tests of devices."""

from pathlib import Path

import pytest

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.records import Artifact, Latency
from mnasnet.devices.conftest import artifact as artifact
from mnasnet.devices.conftest import broken as broken
from mnasnet.devices.conftest import reference as reference
from mnasnet.fakes.roofline import RooflineDevice
from mnasnet.meters.calibrate import measure_networks
from mnasnet.meters.calibration import Calibration, CalibrationRequest
from mnasnet.meters.latency import measure_latency
from mnasnet.meters.network_size import NetworkSize
from mnasnet.meters.table_fit import fit_table
from mnasnet.space.hierarchical import mnasnet_space


def unwritten(architecture: Architecture) -> Artifact:
    """A file of a network that nobody has to open."""
    digest = architecture.digest()
    path = Path(f"{digest}.tflite")
    return Artifact(path=path, format="tflite", digest=digest, size_bytes=1, architecture=architecture)


@pytest.fixture(scope="session")
def calibration() -> Calibration:
    """Of a simulated device that takes a second for each measurement, in four minutes."""
    request = CalibrationRequest(
        device_name="roofline",
        space=mnasnet_space(image_size=64, classes=10, width=0.5),
        size=NetworkSize(image_size=64, width=0.5, classes=10, in_channels=3),
        minutes=4,
    )
    device = RooflineDevice()
    reference = unwritten(request.size.reference)
    unit = measure_latency(device, reference, reference=reference, unit=None, launches=5)
    seconds = [0.0]

    def time_one(architecture: Architecture) -> Latency:
        seconds[0] += 1
        return measure_latency(device, unwritten(architecture), reference=reference, unit=unit)

    measurements = measure_networks(
        time_one,
        request,
        begun_s=0.0,
        progress=lambda stage, done, total: None,
        clock_s=lambda: seconds[0],
    )
    return fit_table(measurements, request, format="tflite", card=device.read_card(), unit=unit)
