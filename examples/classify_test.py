"""The example that needs no mnasnet says what mnasnet says, and loads nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from mnasnet.arch.records import Precision
from mnasnet.deploy.classifier import of_file, predict
from mnasnet.deploy.export import export
from mnasnet.deploy.images import photographs
from mnasnet.nn.model import open_model

RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"mnasnet", "torch", "sklearn"}, loaded
"""


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_file_is_used_with_nothing_but_litert_numpy_and_pillow(
    tmp_path: Path, precision: Precision
) -> None:
    model = open_model("mnasnet-small", weights="random", width=0.35, image_size=32)
    images = photographs(model)
    export(model, tmp_path / "n.tflite", precision=precision, calibration=images, images=images)
    # So small that nothing is cut off its edges, since a resized picture differs in its last bits.
    Image.fromarray(load_sample_images().images[1]).resize((32, 32)).save(tmp_path / "flower.png")
    example = Path(__file__).with_name("classify.py")
    command = [
        sys.executable,
        "-c",
        RUN,
        str(example),
        str(tmp_path / "n.tflite"),
        str(tmp_path / "flower.png"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    said = [line.strip() for line in ended.stdout.splitlines()]
    expected = [name for name, _ in predict(of_file(tmp_path / "n.tflite"), tmp_path / "flower.png")]
    assert said == [str(tmp_path / "flower.png"), *expected]
