"""MindSpore's `.ckpt` files without MindSpore: protobuf's wire format by hand, as MindCV's weights come in it.

message Checkpoint { repeated Value value = 1; }
message Value { string tag = 1; TensorProto tensor = 2; }
message TensorProto { repeated int64 dims = 1; string tensor_type = 2; bytes tensor_content = 3; }
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = {
    "Float16": "<f2",
    "Float32": "<f4",
    "Float64": "<f8",
    "Int32": "<i4",
    "Int64": "<i8",
    "Bool": "?",
}

CHECKSUM, CHECKSUM_BYTES = b"crc_num", 17
"""What `save_checkpoint(crc_check=True)` puts behind the file: these letters, and ten bytes of CRC32."""

VARINT, BYTES = 0, 2
"""Of protobuf's wire types, those of whole numbers and of what has a length."""


def read_mindspore(content: bytes) -> dict[str, NDArray[Any]]:
    """The tensors by name, in the order of the file; what is no tensor is left out.

    Raises:
        ValueError: it is no such file, or encrypted, or cut short within a tensor.
    """
    if content[-CHECKSUM_BYTES:].startswith(CHECKSUM):
        content = content[:-CHECKSUM_BYTES]
    tensors = {}
    try:
        for value in _fields(content)[1]:
            entry = _fields(value)
            tensor = _fields(entry[2][0])
            name, kind = (text[0].decode() for text in (entry[1], tensor[2]))
            if kind != "str":
                shape = tensor.get(1, [])
                array = np.frombuffer(tensor[3][0], DTYPES[kind])
                tensors[name] = array.reshape([] if shape == [0] else shape)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("not MindSpore's, or encrypted, or cut short") from error
    return tensors


def _fields(message: bytes) -> dict[int, list[Any]]:
    """The values of each field by its number: whole numbers, or bytes where the field has a length."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, at = _varint(message, at)
        value: int | bytes = number
        if key & 7 == BYTES:
            value, at = message[at : at + number], at + number
        if key & 7 not in (VARINT, BYTES) or at > len(message):
            raise ValueError("not protobuf, or cut short")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count, shift in enumerate(range(0, 70, 7), start=1):
        byte = message[at + count - 1]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + count
    raise ValueError("not a varint")
