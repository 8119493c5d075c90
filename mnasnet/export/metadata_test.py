"""Tests of metadata.py: labels and normalisation come back, and what a file computes does not change."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from mnasnet.arch.architecture import Architecture
from mnasnet.arch.block import parse_block
from mnasnet.arch.records import Artifact, Learned
from mnasnet.export.metadata import (
    Metadata,
    MetadataError,
    attach_metadata,
    metadata_from_json,
    read_metadata,
)
from mnasnet.export.quantize import to_float16, to_int8
from mnasnet.export.tflite import write_tflite
from mnasnet.graph.weights import draw_weights

CLASSES = ("cat", 'dog, or "hound"', "Käfer", "虫")
MEAN, STD = (0.5, 0.25, 0.125), (0.5, 0.25, 1.0)
METADATA = Metadata(name="small", description="a test", learned=Learned(classes=CLASSES, mean=MEAN, std=STD))

ARCHITECTURE = Architecture(
    blocks=(parse_block("mb_k3_s2_e3_c16_n1_se0.25"),), image_size=32, classes=len(CLASSES), stem=8, head=32
)
IMAGES = np.random.default_rng(1).standard_normal((4, 1, 32, 32, 3), dtype=np.float32)

READER = """
import json, sys, zipfile
from tensorflow_lite_support.metadata import metadata_schema_py_generated as fb
from tensorflow_lite_support.metadata import schema_py_generated as model_fb
content = open(sys.argv[1], "rb").read()
model = model_fb.Model.GetRootAsModel(content, 0)
(place,) = [model.Metadata(i).Buffer() for i in range(model.MetadataLength())
            if model.Metadata(i).Name() == b"TFLITE_METADATA"]
data = model.Buffers(place).DataAsNumpy().tobytes()
assert fb.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0)
found = fb.ModelMetadataT.InitFromObj(fb.ModelMetadata.GetRootAsModelMetadata(data, 0))
(graph,) = found.subgraphMetadata
(image,), (logits,) = graph.inputTensorMetadata, graph.outputTensorMetadata
(unit,), (labels,) = image.processUnits, logits.associatedFiles
print(json.dumps({
    "name": found.name.decode(), "parser": found.minParserVersion.decode(),
    "rgb": image.content.contentProperties.colorSpace == fb.ColorSpaceType.RGB,
    "normalises": type(unit.options).__name__, "mean": list(map(float, unit.options.mean)),
    "std": list(map(float, unit.options.std)), "min": list(map(float, image.stats.min)),
    "max": list(map(float, image.stats.max)),
    "axis": labels.type == fb.AssociatedFileType.TENSOR_AXIS_LABELS,
    "labels": zipfile.ZipFile(sys.argv[1]).read(labels.name.decode()).decode().splitlines(),
}))
"""
"""Reads a file with the classes that Google generated from the schema."""


@pytest.fixture(params=["fp32", "fp16", "int8"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    """A file of each precision."""
    weights = draw_weights(ARCHITECTURE.lowered(), np.random.default_rng(0))
    written = write_tflite(ARCHITECTURE, weights, tmp_path / "plain.tflite")
    if request.param == "fp16":
        return to_float16(written, tmp_path / "half.tflite")
    return written if request.param == "fp32" else to_int8(written, list(IMAGES), tmp_path / "small.tflite")


def attached(artifact: Artifact, path: Path, classes: tuple[str, ...] = CLASSES) -> Artifact:
    """The same file with metadata, at `path`."""
    learned = Learned(classes=classes, mean=MEAN, std=STD)
    return attach_metadata(artifact, Metadata(name="small", description="a test", learned=learned), path)


def test_what_is_put_in_comes_out(artifact: Artifact, tmp_path: Path) -> None:
    described = attached(artifact, tmp_path / "described.tflite")
    assert described.size_bytes == described.path.stat().st_size
    assert described.digest == artifact.digest
    found = read_metadata(described.path)
    assert found == METADATA


def test_what_it_computes_is_the_same_to_the_bit(artifact: Artifact, tmp_path: Path) -> None:
    described = attached(artifact, tmp_path / "described.tflite")
    np.testing.assert_array_equal(logits(described.path), logits(artifact.path))
    assert (
        Interpreter(str(described.path)).get_signature_list()
        == Interpreter(str(artifact.path)).get_signature_list()
    )


def test_the_labels_are_in_an_archive_that_any_tool_opens(artifact: Artifact, tmp_path: Path) -> None:
    described = attached(artifact, tmp_path / "described.tflite")
    with zipfile.ZipFile(described.path) as archive:
        assert archive.namelist() == ["labels.txt", "mnasnet.json"]
        assert metadata_from_json(archive.read("mnasnet.json").decode(), described.path) == METADATA
        assert archive.read("labels.txt").decode() == "".join(f"{label}\n" for label in CLASSES)


def test_metadata_that_were_there_are_replaced(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "described.tflite"
    once = attached(artifact, path).path.read_bytes()
    other = attached(attached(artifact, path), path, ("a", "b", "c", "d"))
    assert read_metadata(path).learned.classes == ("a", "b", "c", "d")
    entries = schema.ModelT.InitFromPackedBuf(path.read_bytes()).metadata
    assert [entry.name for entry in entries].count(b"TFLITE_METADATA") == 1
    assert zipfile.ZipFile(path).namelist() == ["labels.txt", "mnasnet.json"]
    assert read_metadata(attached(other, path).path).learned.classes == CLASSES
    assert attached(artifact, path).path.read_bytes() == once  # the same network gives the same file


def test_buffers_still_lie_on_16_bytes(artifact: Artifact, tmp_path: Path) -> None:
    content = attached(artifact, tmp_path / "described.tflite").path.read_bytes()
    model = schema.Model.GetRootAs(content)
    start = np.frombuffer(content, np.uint8).ctypes.data
    buffers = [model.Buffers(index) for index in range(model.BuffersLength())]
    filled = [buffer.DataAsNumpy() for buffer in buffers if buffer.DataLength()]
    assert len(filled) > 10
    assert all((data.ctypes.data - start) % 16 == 0 for data in filled)


@pytest.mark.parametrize("label", ["two\nlines", ""])
def test_a_class_of_no_line_or_two_is_refused(tmp_path: Path, label: str) -> None:
    weights = draw_weights(ARCHITECTURE.lowered(), np.random.default_rng(0))
    artifact = write_tflite(ARCHITECTURE, weights, tmp_path / "plain.tflite")
    with pytest.raises(ValueError, match="named in one line"):
        attached(artifact, tmp_path / "described.tflite", ("a", "b", "c", label))
    assert not (tmp_path / "described.tflite").exists()


def test_a_file_without_metadata_is_named(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("hello")
    for path in (artifact.path, tmp_path / "text.tflite", tmp_path / "none.tflite"):
        with pytest.raises(MetadataError, match=path.name):
            read_metadata(path)


def test_json_says_the_same() -> None:
    assert metadata_from_json(METADATA.to_json(), Path("n.onnx")) == METADATA
    for text in (None, "", "{}", "[]", '{"name": "a", "description": "b", "learned": {"classes": ["c"]}}'):
        with pytest.raises(MetadataError, match=r"n\.onnx has no labels and normalisation inside"):
            metadata_from_json(text, Path("n.onnx"))


@pytest.mark.slow
def test_googles_own_classes_read_the_same(artifact: Artifact, tmp_path: Path) -> None:
    support = tmp_path / "support"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(support)]
    subprocess.run([*install, "tflite-support==0.4.4"], check=True)
    described = attached(artifact, tmp_path / "described.tflite")
    ended = subprocess.run(
        [sys.executable, "-c", READER, str(described.path)],
        env=os.environ | {"PYTHONPATH": str(support)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ended.stdout) == {
        "name": "small",
        "parser": "1.0.0",
        "rgb": True,
        "normalises": "NormalizationOptionsT",
        "mean": [127.5, 63.75, 31.875],  # the schema's pixels are of 0 to 255
        "std": [127.5, 63.75, 255.0],
        "min": [-1.0, -1.0, -0.125],
        "max": [1.0, 3.0, 0.875],
        "axis": True,
        "labels": list(CLASSES),
    }


def logits(path: Path) -> Any:
    """Of the first image, or of the same bytes where the file takes integers."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    image = IMAGES[0] if entry["dtype"] == np.float32 else (IMAGES[0] * 40).clip(-128, 127).astype(np.int8)
    interpreter.set_tensor(entry["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(exit_["index"])
