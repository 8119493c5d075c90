"""Labels and normalisation inside a model file, where apps and tools look for them; no torch.

Of a `.tflite` file the form is tensorflow/tflite-support's `metadata_schema.fbs`, which has no kept package: a
second flatbuffer in a buffer of the model that the entry `TFLITE_METADATA` names, and `labels.txt` in a ZIP archive
behind the model.
"""

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import Float32Flags
from flatbuffers.table import Table

from mnasnet.arch.architecture import Architecture, architecture_from_json
from mnasnet.arch.records import Artifact, Learned, Precision
from mnasnet.base.errors import RequestError
from mnasnet.base.files import replace_file
from mnasnet.export.tflite import pack_model

JSON_ENTRY = "mnasnet"
"""Under which files of other formats have the JSON of `Metadata`."""

ENTRY = "TFLITE_METADATA"
"""Under which a `.tflite` model names its metadata."""

IDENTIFIER = b"M001"
"""Of the metadata's flatbuffer."""

LABELS, JSON = "labels.txt", "mnasnet.json"
"""Files in the archive behind a `.tflite` model: the labels as the schema wants them, and all of `Metadata` for
programs that read no flatbuffers."""

MIN_PARSER_VERSION = "1.0.0"
"""Of the schema: nothing here came later."""

AXIS_LABELS = 2
"""`AssociatedFileType.TENSOR_AXIS_LABELS`."""

RGB, GRAYSCALE = 1, 2
"""Of `ColorSpaceType`."""

IMAGE_PROPERTIES = 2
"""Of the union `ContentProperties`."""

NORMALIZATION_OPTIONS = 1
"""Of the union `ProcessUnitOptions`."""

# Places of the fields that are written, by table of the schema; a union takes two, its type and its value.
MODEL = {"name": 0, "description": 1, "subgraphs": 3, "min_parser_version": 7}
SUBGRAPH = {"inputs": 2, "outputs": 3}
TENSOR = {"name": 0, "description": 1, "content": 3, "process_units": 4, "stats": 5, "files": 6}
CONTENT = {"type": 0, "properties": 1}
IMAGE = {"color_space": 0}
PROCESS_UNIT = {"type": 0, "options": 1}
NORMALIZATION = {"mean": 0, "std": 1}
STATS = {"max": 0, "min": 1}
FILE = {"name": 0, "description": 1, "type": 2}


class MetadataError(RequestError):
    """A file has no such metadata; the message is one line that names it."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a model file says of itself."""

    name: str
    description: str
    """In a sentence."""
    learned: Learned
    architecture: Architecture | None = None
    """Of the network, so that a calibrated table knows the file; None in files of earlier versions."""
    precision: Precision = "fp32"

    def to_json(self) -> str:
        """As JSON, for the formats that have no form of their own for it."""
        own = None if self.architecture is None else self.architecture.to_json()
        return json.dumps(dataclasses.asdict(self) | {"architecture": own}, ensure_ascii=False)


def metadata_from_json(text: str | None, path: Path) -> Metadata:
    """The inverse of `Metadata.to_json`, of the file at `path`.

    Raises:
        MetadataError: there is none, or not this.
    """
    try:
        data = json.loads(text or "")
        learned = Learned(**{name: tuple(values) for name, values in data["learned"].items()})
        return Metadata(
            name=data["name"], description=data["description"], learned=learned, **_network_of(data)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MetadataError(f"{path} has no labels and normalisation inside") from error


def attach_metadata(artifact: Artifact, metadata: Metadata, path: Path) -> Artifact:
    """The `.tflite` model with labels and normalisation inside, at `path`; metadata that it had are replaced.

    What it computes is unchanged. The file has the normalisation for pixels of 0–255, as the schema wants.

    Raises:
        ValueError: the name of a class has more than one line, or none.
        OSError: the file cannot be written.
    """
    classes = metadata.learned.classes
    for label in classes:
        if len(label.splitlines()) != 1:
            raise ValueError(f"a class is named in one line, not {label!r}")
    old = artifact.path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(old)
    for buffer in model.buffers:
        if buffer.offset > 1:  # behind the flatbuffer, as the quantizer puts them
            buffer.data = np.frombuffer(old, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    kept = [entry for entry in model.metadata or [] if entry.name != ENTRY.encode()]
    entry = schema.MetadataT()
    entry.name, entry.buffer = ENTRY, len(model.buffers)
    model.buffers.append(schema.BufferT(data=_flatbuffer(metadata)))
    model.metadata = [*kept, entry]
    file = io.BytesIO(pack_model(model))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        # A fixed time, so that the same network gives the same file.
        archive.writestr(zipfile.ZipInfo(LABELS), "".join(f"{label}\n" for label in classes))
        archive.writestr(zipfile.ZipInfo(JSON), metadata.to_json())
    content = file.getvalue()
    replace_file(path, content)
    return dataclasses.replace(artifact, path=path, size_bytes=len(content))


def read_metadata(path: Path) -> Metadata:
    """What `attach_metadata` put into a `.tflite` file, or another tool into one that classifies images.

    Raises:
        MetadataError: there are none, or not these.
    """
    try:
        model = schema.Model.GetRootAs(path.read_bytes())
        entries = [model.Metadata(index) for index in range(model.MetadataLength())]
        places = [entry.Buffer() for entry in entries if entry.Name() == ENTRY.encode()]
        root = _root(model.Buffers(places[0]).DataAsNumpy().tobytes())
        subgraph = _tables(root, MODEL["subgraphs"])[0]
        unit = _tables(_tables(subgraph, SUBGRAPH["inputs"])[0], TENSOR["process_units"])[0]
        options = _table(unit, PROCESS_UNIT["options"])
        mean, std = (_floats(options, NORMALIZATION[field]) for field in ("mean", "std"))
        with zipfile.ZipFile(path) as archive:
            classes = archive.read(LABELS).decode("utf-8").splitlines()
            of_ours = json.loads(archive.read(JSON)) if JSON in archive.namelist() else {}
        name, description = (_string(root, MODEL[field]) for field in ("name", "description"))
    except Exception as error:  # a damaged flatbuffer fails in any way
        raise MetadataError(f"{path} has no labels and normalisation inside") from error
    return Metadata(
        name=name,
        description=description,
        learned=Learned(
            classes=tuple(classes),
            mean=tuple(value / 255 for value in mean),
            std=tuple(value / 255 for value in std),
        ),
        **_network_of(of_ours),
    )


def _network_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of the JSON of `Metadata` what it says of the network, which files of others and earlier ones do not."""
    own = data.get("architecture")
    return {
        "architecture": None if own is None else architecture_from_json(own),
        "precision": data.get("precision", "fp32"),
    }


def _flatbuffer(metadata: Metadata) -> bytes:
    name, description = metadata.name, metadata.description
    mean, std = metadata.learned.mean, metadata.learned.std
    builder = flatbuffers.Builder(1024)
    strings = {text: builder.CreateString(text) for text in (
        name, description, MIN_PARSER_VERSION, LABELS, "image", "logits", "names of the classes",
        "(pixel - mean) / std of an RGB or grey image", "one number a class, the largest for the likeliest",
    )}  # fmt: skip
    normalization = _write(
        builder,
        NORMALIZATION,
        mean=_vector_of_floats(builder, [255 * value for value in mean]),
        std=_vector_of_floats(builder, [255 * value for value in std]),
    )
    unit = _write(builder, PROCESS_UNIT, type=("byte", NORMALIZATION_OPTIONS), options=normalization)
    color_space = GRAYSCALE if len(mean) == 1 else RGB
    content = _write(
        builder,
        CONTENT,
        type=("byte", IMAGE_PROPERTIES),
        properties=_write(builder, IMAGE, color_space=("byte", color_space)),
    )
    stats = _write(
        builder,
        STATS,
        max=_vector_of_floats(builder, [(1 - m) / s for m, s in zip(mean, std, strict=True)]),
        min=_vector_of_floats(builder, [-m / s for m, s in zip(mean, std, strict=True)]),
    )
    image = _write(
        builder,
        TENSOR,
        name=strings["image"],
        description=strings["(pixel - mean) / std of an RGB or grey image"],
        content=content,
        process_units=_vector(builder, [unit]),
        stats=stats,
    )
    labels = _write(
        builder,
        FILE,
        name=strings[LABELS],
        description=strings["names of the classes"],
        type=("byte", AXIS_LABELS),
    )
    logits = _write(
        builder,
        TENSOR,
        name=strings["logits"],
        description=strings["one number a class, the largest for the likeliest"],
        files=_vector(builder, [labels]),
    )
    subgraph = _write(builder, SUBGRAPH, inputs=_vector(builder, [image]), outputs=_vector(builder, [logits]))
    model = _write(
        builder,
        MODEL,
        name=strings[name],
        description=strings[description],
        subgraphs=_vector(builder, [subgraph]),
        min_parser_version=strings[MIN_PARSER_VERSION],
    )
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _write(builder: Any, places: dict[str, int], **fields: int | tuple[str, int]) -> int:
    """A table with these fields: offsets, or (`byte`, a number)."""
    builder.StartObject(max(places.values()) + 1)
    for field, value in fields.items():
        if isinstance(value, tuple):
            builder.PrependUint8Slot(places[field], value[1], 0)
        else:
            builder.PrependUOffsetTRelativeSlot(places[field], value, 0)
    offset: int = builder.EndObject()
    return offset


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector


def _vector_of_floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    vector: int = builder.EndVector()
    return vector


def _root(content: bytes) -> Any:
    if content[4:8] != IDENTIFIER:
        raise ValueError("not this schema")
    return Table(content, int.from_bytes(content[:4], "little"))


def _table(table: Any, place: int) -> Any:
    return Table(table.Bytes, table.Indirect(table.Pos + table.Offset(4 + 2 * place)))


def _tables(table: Any, place: int) -> list[Any]:
    offset = table.Offset(4 + 2 * place)
    start = table.Vector(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * n)) for n in range(table.VectorLen(offset))]


def _string(table: Any, place: int) -> str:
    offset = table.Offset(4 + 2 * place)
    text: bytes = table.String(table.Pos + offset) if offset else b""
    return text.decode("utf-8")


def _floats(table: Any, place: int) -> list[float]:
    offset = table.Offset(4 + 2 * place)
    start = table.Vector(offset)
    return [float(table.Get(Float32Flags, start + 4 * n)) for n in range(table.VectorLen(offset))]
