"""The stored tensors of an ONNX file, read from protobuf's wire format with nothing but NumPy: enough for the golden model, no importer."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: Fields of ModelProto, GraphProto and TensorProto, and the one data type read, as onnx.proto numbers them.
GRAPH, INITIALIZER = 7, 5
DIMS, DATA_TYPE, FLOAT_DATA, NAME, RAW_DATA = 1, 2, 4, 8, 9
FLOAT = 1

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read(path: Path) -> dict[str, np.ndarray]:
    """Every float32 initializer of the graph, by name."""
    graph = next(value for number, value in fields(path.read_bytes()) if number == GRAPH)
    tensors = [tensor(value) for number, value in fields(graph) if number == INITIALIZER]
    return {name: array for name, array in tensors if array is not None}


def tensor(message: bytes) -> tuple[str, np.ndarray | None]:
    name, shape, kind, data = "", [], 0, b""
    for number, value in fields(message):
        if number == NAME:
            name = value.decode()
        elif number == DIMS:
            shape += list(varints(value)) if isinstance(value, bytes) else [value]
        elif number == DATA_TYPE:
            kind = value
        elif number in (FLOAT_DATA, RAW_DATA):
            data += value
    return name, np.frombuffer(data, "<f4").reshape(shape) if kind == FLOAT else None


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value, in order."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        if key & 7 == VARINT:
            value, position = varint(message, position)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(key & 7)
            if size is None:
                assert key & 7 == BYTES, f"wire type {key & 7} at byte {position}"
                size, position = varint(message, position)
            value, position = message[position : position + size], position + size
        yield key >> 3, value


def varints(message: bytes) -> Iterator[int]:
    position = 0
    while position < len(message):
        value, position = varint(message, position)
        yield value


def varint(message: bytes, position: int) -> tuple[int, int]:
    """A base-128 integer, least significant group first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
