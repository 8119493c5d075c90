"""Tests of the formats of extras: the real exporters, run by the real runtimes, and what is said without them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mnasnet
from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.records import Format, Learned
from mnasnet.base.errors import RequestError
from mnasnet.base.libraries import quiet
from mnasnet.deploy.export import SUFFIXES, card_lines, export
from mnasnet.deploy.images import photographs
from mnasnet.devices.model_file import ModelFileError, agreement, open_model_file
from mnasnet.export.metadata import MetadataError
from mnasnet.nn.model import Model
from mnasnet.nn.network_test import randomised

EVERY_OPERATOR = Architecture(
    blocks=tuple(
        parse_block(notation)
        for notation in ("mb_k5_s2_e3_c16_n1_se0.25_pool", "sep_k3_s1_c16_n2", "conv_k3_s1_c8_n1_pool")
    ),
    image_size=32,
    classes=10,
    stem=8,
    head=64,
)


def model_of(architecture: Architecture) -> Model:
    """A network whose batch normalisations have something to fold."""
    channels = architecture.in_channels
    classes = ("Käfer", "虫", *map(str, range(architecture.classes - 2)))
    learned = Learned(classes=classes, mean=(0.5,) * channels, std=(0.25,) * channels)
    return Model(name="tiny", network=randomised(architecture), trained=True, learned=learned)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "executorch"])
@pytest.mark.parametrize(
    "architecture",
    [
        EVERY_OPERATOR,
        replace(EVERY_OPERATOR, padding="symmetric", activation="relu6"),
        replace(EVERY_OPERATOR, in_channels=1),
        replace(EVERY_OPERATOR, activation="hard-swish", gate="hard-sigmoid", hidden=32),
    ],
    ids=["SAME", "symmetric", "grey", "hard"],
)
def test_a_file_of_an_extra_gives_torchs_logits_and_says_what_it_is(
    tmp_path: Path, format: Format, architecture: Architecture
) -> None:
    model = model_of(architecture)
    images = photographs(model)
    path = tmp_path / f"network{SUFFIXES[format]}"
    exported = export(model, path, format=format, calibration=images, images=images)
    assert exported.agreement.largest_difference <= 1e-4
    assert exported.agreement.same_top1 == 1.0
    assert exported.artifact.size_bytes == path.stat().st_size
    file = open_model_file(path)
    assert file.image_shape == (32, 32, architecture.in_channels)
    assert file.classes == 10
    assert file.metadata.learned == model.learned
    assert "BatchNormalization" not in file.operators
    convolutions = [count for name, count in exported.operators.items() if "conv" in name.lower()]
    # Stem, head, three of MBConv and two of SE, twice two separable ones, one regular.
    assert sum(convolutions) == 2 + 3 + 2 + 4 + 1
    assert list(tmp_path.iterdir()) == [path]
    said = " ".join(card_lines(exported))
    for words in (format, "10 labels inside", file.runtime):
        assert words in said


@pytest.mark.slow
def test_executorch_leaves_out_the_average_pool_and_nothing_else(tmp_path: Path) -> None:
    for name, skip, left_out in (("pool", "_pool", ("aten::avg_pool2d",)), ("identity", "", ())):
        blocks = (parse_block(f"mb_k3_s1_e3_c8_n2_se0.25{skip}"),)
        model = model_of(replace(EVERY_OPERATOR, blocks=blocks))
        images = photographs(model)
        path = tmp_path / f"{name}.pte"
        assert (
            export(model, path, format="executorch", calibration=images, images=images).not_delegated
            == left_out
        )


@pytest.mark.slow
def test_an_onnx_file_takes_one_image_or_any_number(tmp_path: Path) -> None:
    import onnxruntime

    model = model_of(EVERY_OPERATOR)
    images = photographs(model)
    pixels = images.transpose(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.network(torch.from_numpy(pixels)).numpy()
    for dynamic in (True, False):
        path = tmp_path / f"{dynamic}.onnx"
        export(model, path, format="onnx", dynamic_batch=dynamic, calibration=images, images=images)
        session = onnxruntime.InferenceSession(path)
        counts = (1, 3, 16) if dynamic else (1,)
        for count in counts:
            (found,) = session.run(None, {"image": pixels[:count]})
            np.testing.assert_allclose(found, expected[:count], atol=1e-4)
        assert agreement(open_model_file(path), images, expected).largest_difference <= 1e-4
    assert session.get_inputs()[0].shape == [1, 3, 32, 32]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pte"])
def test_what_is_no_network_of_an_extra_is_named_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"text{suffix}"
    path.write_text("hello")
    with pytest.raises(ModelFileError, match="cannot be run") as refused:
        open_model_file(path)
    assert path.name in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_another_tools_file_has_no_labels_inside(tmp_path: Path) -> None:
    network = model_of(EVERY_OPERATOR).network
    with quiet():
        torch.onnx.export(network, (torch.zeros(1, 3, 32, 32),), tmp_path / "other.onnx", verbose=False)
    file = open_model_file(tmp_path / "other.onnx")
    assert file.classes == 10
    with pytest.raises(MetadataError, match=r"other\.onnx has no labels"):
        _ = file.metadata


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_a_file_says_nothing_of_the_machine_that_wrote_it(tmp_path: Path, format: Format) -> None:
    model = model_of(EVERY_OPERATOR)
    images = photographs(model)
    path = tmp_path / f"network{SUFFIXES[format]}"
    export(model, path, format=format, calibration=images, images=images)
    content = path.read_bytes()
    for module in (torch, mnasnet):  # whose folders torch notes at every operator
        assert str(Path(str(module.__file__)).parent).encode() not in content


@pytest.mark.slow
def test_only_the_number_of_images_may_be_left_open(tmp_path: Path) -> None:
    class AnySize(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

    sides = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height"), 3: torch.export.Dim("width")}
    for name, count, open_sides in (("size", 2, (sides,)), ("three", 3, None)):
        path, images = tmp_path / f"{name}.onnx", torch.zeros(count, 3, 32, 32)
        with quiet():
            torch.onnx.export(AnySize(), (images,), path, dynamic_shapes=open_sides, verbose=False)
        with pytest.raises(ModelFileError, match=rf"{name}\.onnx does not classify images"):
            open_model_file(path)


@pytest.mark.slow
def test_an_onnx_file_is_opened_without_torch(tmp_path: Path) -> None:
    model = model_of(EVERY_OPERATOR)
    images = photographs(model)
    export(model, tmp_path / "n.onnx", format="onnx", calibration=images, images=images)
    code = (
        "import sys, pathlib, mnasnet.devices.model_file as m; "
        "m.open_model_file(pathlib.Path(sys.argv[1])).metadata; sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "n.onnx")]
    assert subprocess.run(command, check=False).returncode == 0


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("onnx", "onnxruntime", "executorch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from mnasnet.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""Runs `mnasnet` where the extras are not installed, whether they are or not."""


@pytest.mark.slow
@pytest.mark.parametrize(("format", "suffix"), [("onnx", ".onnx"), ("executorch", ".pte")])
def test_a_missing_extra_is_one_line_that_says_what_to_install(
    tmp_path: Path, format: str, suffix: str
) -> None:
    small = ("mnasnet-small", "--width", "0.35", "--image-size", "32", "--weights", "random")
    (tmp_path / f"a{suffix}").write_text("hello")
    for arguments in (
        ("export", *small, "--format", format, "-o", tmp_path / f"b{suffix}"),
        ("predict", tmp_path / f"a{suffix}", "image.jpg"),
    ):
        command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert f"is not installed; it comes with: pip install 'mnasnet[{format}]'" in ended.stderr
    assert not (tmp_path / f"b{suffix}").exists()


def test_what_a_format_does_not_have_is_refused(tmp_path: Path) -> None:
    model = model_of(EVERY_OPERATOR)
    images = photographs(model)
    with pytest.raises(RequestError, match="onnx is written as fp32; int8 there is of tflite"):
        export(model, tmp_path / "a.onnx", format="onnx", precision="int8", calibration=images, images=images)
    with pytest.raises(
        RequestError, match=r"a\.onnx: the name of a file of the format executorch ends in \.pte"
    ):
        export(model, tmp_path / "a.onnx", format="executorch", calibration=images, images=images)
    assert not list(tmp_path.iterdir())
