"""The parts of a TensorFlow Lite file that matter here, out of its flatbuffer. Every offset is checked before it is followed.

What the operators mean is `from_tflite`'s part. Source of all field numbers: ``schema.fbs`` of TensorFlow Lite, version 3.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...layers.record import MAX_SIZE
from .codes import OPERATORS, TYPES

#: The schema version that all files have.
VERSION = 3

#: More than any file with an LSTM in it has: tensors, operators or buffers; dimensions; tensors of one operator; graphs.
_MAX_PARTS, _MAX_DIMENSIONS, _MAX_OPERANDS, _MAX_GRAPHS = 4096, 8, 64, 64

#: Element types whose constants are read.
_NUMBERS = ("float32", "float16", "float64", "int32", "int64", "int16", "int8", "uint8", "bool")


class Table:
    """One table of a flatbuffer: fields by number, absent ones as their defaults."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position
        self._vtable = position - self._number("<i", position)
        self._fields = (self._number("<H", self._vtable) - 4) // 2

    def _number(self, code: str, at: int) -> Any:
        if not 0 <= at <= len(self._data) - struct.calcsize(code):
            raise _damaged(at)
        return struct.unpack_from(code, self._data, at)[0]

    def _place(self, field: int) -> int | None:
        if field >= self._fields:
            return None
        offset = self._number("<H", self._vtable + 4 + 2 * field)
        return self._position + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self._number("<I", place)

    def number(self, field: int, code: str, default: Any = 0) -> Any:
        """A number; `code` is that of `struct`."""
        place = self._place(field)
        return default if place is None else self._number(f"<{code}", place)

    def table(self, field: int) -> "Table | None":
        target = self._target(field)
        return None if target is None else Table(self._data, target)

    def vector(self, field: int, dtype: str, limit: int = 1 << 31) -> NDArray[Any]:
        """Numbers, as a view of the file; empty where absent."""
        target = self._target(field)
        if target is None:
            return np.empty(0, dtype)
        count, width = self._number("<I", target), np.dtype(dtype).itemsize
        if count > limit:
            raise ModelFileError(f"has a list of {count} entries where at most {limit} make sense; the file is damaged, copy it again.")
        if target + 4 + count * width > len(self._data):
            raise _damaged(target)
        return np.frombuffer(self._data, dtype, count, target + 4)

    def tables(self, field: int) -> "list[Table]":
        offsets = self.vector(field, "<u4", _MAX_PARTS)
        start = 0 if not offsets.size else int(self._target(field) or 0) + 4
        return [Table(self._data, start + 4 * index + int(offset)) for index, offset in enumerate(offsets)]

    def text(self, field: int) -> str:
        """Printable text, shortened to what a message bears."""
        found = self.vector(field, "<u1")[:80].tobytes().decode(errors="replace")
        return printable(found)


def _damaged(at: int) -> ModelFileError:
    return ModelFileError(f"points outside of itself (byte {at}); the file is damaged or cut off, copy or convert it again.")


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph; `data` where it is constant. `dynamic`: the axes whose length the file leaves open."""

    name: str
    type: str
    shape: tuple[int, ...]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int
    variable: bool
    data: NDArray[Any] | None
    dynamic: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name!r} ({self.type}, {'x'.join(map(str, self.shape)) or 'scalar'})"


@dataclass(frozen=True, eq=False)
class Operator:
    """One step of the graph; absent operands are None. `options` is the table of its kind."""

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    intermediates: tuple[Tensor | None, ...]
    options: Table

    def __str__(self) -> str:
        return f"{self.kind}, which makes {self.outputs[0]}," if self.outputs else self.kind

    def refused(self, why: str) -> UnsupportedModelError:
        """The error that says why the operator cannot be imported."""
        return UnsupportedModelError(f"holds {self} and cannot be imported: {why}.")

    def operand(self, index: int) -> Tensor:
        """An input that must be there."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise self.refused(f"its input {index} is missing")
        return tensor

    def constant(self, index: int, kind: str, ndim: int) -> NDArray[Any]:
        """The data of an input that must be constant, of this type and number of dimensions."""
        tensor = self.operand(index)
        if tensor.data is None or tensor.type != kind or tensor.data.ndim != ndim:
            raise self.refused(f"its input {index}, {tensor}, is not a {kind} constant of {ndim} dimension(s)")
        return tensor.data

    def stacked(self, indices: range, kind: str, ndim: int) -> NDArray[Any]:
        """Constant inputs of one shape, one above the other."""
        parts = [self.constant(index, kind, ndim) for index in indices]
        if len({part.shape for part in parts}) != 1:
            raise self.refused(f"its inputs {indices[0]} to {indices[-1]} differ in shape: {', '.join(str(p.shape) for p in parts)}")
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph of a file. The main one holds the `others`, which operators call by their number, from 1."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    others: "tuple[Graph, ...]" = ()


def read(data: bytes) -> Graph:
    """The graphs in the bytes of a file.

    Raises
    ------
    ModelFileError
        If anything in it points outside of it, or its parts do not fit together.
    UnsupportedModelError
        If it is of another schema version, holds no graph, or keeps weights outside of the flatbuffer.
    """
    root = Table(data, int.from_bytes(data[:4], "little"))
    if (version := root.number(0, "I")) != VERSION:
        raise UnsupportedModelError(f"has TensorFlow Lite schema version {version}; edgelstm reads version {VERSION}. Convert it again.")
    graphs = root.tables(2)
    if not graphs:
        raise ModelFileError("holds no graph; the file is damaged, convert it again.")
    buffers = root.tables(4)
    if len(graphs) > _MAX_GRAPHS:
        raise ModelFileError(f"holds {len(graphs)} graphs where at most {_MAX_GRAPHS} make sense; the file is damaged, copy it again.")
    codes = [_kind(code) for code in root.tables(1)]
    main, *others = (_graph(table, codes, buffers) for table in graphs)
    return replace(main, others=tuple(others))


def _graph(graph: Table, codes: list[str], buffers: list[Table]) -> Graph:
    tensors = [_tensor(table, buffers) for table in graph.tables(0)]
    operators = tuple(_operator(table, codes, tensors) for table in graph.tables(3))
    inputs, outputs = (_present(graph.vector(field, "<i4", _MAX_OPERANDS), tensors) for field in (1, 2))
    return Graph(inputs, outputs, operators)


#: A flatbuffer table without fields, at byte 4.
_EMPTY = struct.pack("<HHi", 4, 4, 4)


def _kind(code: Table) -> str:
    number = max(code.number(0, "b"), code.number(3, "i"))
    if number == 32:
        return f"CUSTOM {code.text(1)!r}"
    return OPERATORS[number] if 0 <= number < len(OPERATORS) else f"operator {number}"


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    name, number = table.text(3), table.number(1, "b")
    kind = TYPES[number] if 0 <= number < len(TYPES) else f"type {number}"
    shape = tuple(int(n) for n in table.vector(0, "<i4", _MAX_DIMENSIONS))
    if any(n < 0 for n in shape):
        raise ModelFileError(f"tensor {name!r} has shape {shape}; the file is damaged, convert it again.")
    dynamic = tuple(axis for axis, n in enumerate(table.vector(7, "<i4", _MAX_DIMENSIONS)) if n < 0)
    quantization = table.table(4)
    scale, zero_point, axis = np.empty(0, np.float32), np.empty(0, np.int64), 0
    if quantization is not None:
        scale, zero_point = quantization.vector(2, "<f4", MAX_SIZE), quantization.vector(3, "<i8", MAX_SIZE)
        axis = quantization.number(6, "i")
    data = _data(name, kind, shape, table.number(2, "I"), buffers)
    return Tensor(name, kind, shape, scale, zero_point, axis, bool(table.number(5, "B")), data, dynamic)


def _data(name: str, kind: str, shape: tuple[int, ...], index: int, buffers: list[Table]) -> NDArray[Any] | None:
    """The constant that a tensor is; None where it is computed, or of a type that no layer has."""
    if index >= len(buffers):
        raise ModelFileError(f"tensor {name!r} has its data in buffer {index} of {len(buffers)}; the file is damaged, convert it again.")
    if buffers[index].number(1, "Q") > 1:
        raise UnsupportedModelError(f"tensor {name!r} has its data behind the flatbuffer, as files beyond 2 GiB do; such are not imported.")
    raw = buffers[index].vector(0, "<u1")
    if not raw.size or kind not in _NUMBERS:
        return None
    dtype = np.dtype(kind).newbyteorder("<")
    size = dtype.itemsize
    for n in shape:
        size *= n
    if raw.size != size:
        raise ModelFileError(
            f"tensor {name!r} has {raw.size} bytes; its type and shape need {size}. The file is damaged, convert it again."
        )
    return raw.view(dtype).reshape(shape)


def _operator(table: Table, codes: list[str], tensors: list[Tensor]) -> Operator:
    index = table.number(0, "I")
    if index >= len(codes):
        raise ModelFileError(f"has an operator of code {index} of {len(codes)}; the file is damaged, convert it again.")
    inputs, intermediates = (_operands(table.vector(field, "<i4", _MAX_OPERANDS), tensors) for field in (1, 8))
    outputs = _present(table.vector(2, "<i4", _MAX_OPERANDS), tensors)
    return Operator(codes[index], inputs, outputs, intermediates, table.table(4) or Table(_EMPTY, 4))


def _operands(indices: NDArray[Any], tensors: list[Tensor]) -> tuple[Tensor | None, ...]:
    if any(not -1 <= index < len(tensors) for index in indices):
        raise ModelFileError(f"names tensor {indices.max()} of {len(tensors)}; the file is damaged, convert it again.")
    return tuple(None if index == -1 else tensors[index] for index in indices)


def _present(indices: NDArray[Any], tensors: list[Tensor]) -> tuple[Tensor, ...]:
    found = tuple(tensor for tensor in _operands(indices, tensors) if tensor is not None)
    if len(found) != len(indices):
        raise ModelFileError("lacks an output of an operator or of its graph; the file is damaged, convert it again.")
    return found
