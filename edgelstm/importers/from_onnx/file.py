"""ONNX files as plain graphs: nodes, arrays, attributes. The protobuf is parsed by the package ``onnx``; nothing is executed.

Format: onnx.proto of IR version 3 to 13 (https://onnx.ai/onnx/repo-docs/IR.html).
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..messages import check_count, fields

#: Most bytes of a file that is parsed beside those of its arrays, most nodes of all graphs, deepest nesting of graphs, and most numbers of
#: one array.
MOST_BYTES, MOST_NODES, DEEPEST, MOST_NUMBERS = 1 << 28, 50_000, 16, 1 << 26

#: Most bytes of a file: as many float32 numbers as are read in all fit in.
MOST_OF_FILE = (8 * MOST_NUMBERS) + (1 << 26)

#: Most fields of all messages: a parsed one may take a hundred times its bytes.
MOST_FIELDS = 1 << 20

#: Numbers of fields: a model's graph, a graph's initializer, and a tensor's raw_data.
_GRAPH, _WEIGHTS, _RAW = 7, 5, 9

_NEEDED = "is an ONNX file, which is read by the package onnx, not installed here: pip install 'edgelstm[convert]'."

Attribute: TypeAlias = "int | float | str | list[Any] | NDArray[Any] | Graph"


@dataclass(frozen=True, eq=False)
class Node:
    """One operator. Absent inputs and outputs are empty names."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        called = self.name or next((f"that makes {o}" for o in self.outputs if o), "without a name")
        return printable(f"node {self.op} ({called})", 160)


@dataclass(frozen=True, eq=False)
class Tensor:
    """An input or output of a graph: shape with a number for a fixed axis, a name or "" for an open one; None where it is not said.

    `becomes`: the name of the output that an input is at the next call, where the file says that it is a state; `initial`: what such
    a state begins as. `time`: the axis of fixed length that was said to be time.
    """

    name: str
    shape: tuple[int | str, ...] | None
    dtype: str
    becomes: str = ""
    initial: NDArray[Any] | None = None
    time: int | None = None


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order with the constants that they read."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class File:
    """A model: its main graph, the functions that it defines, by domain and name, and the version of each operator set.

    `operators`: by domain and name, who follows operators of another format than ONNX, as `walking.Walk.handlers`.
    """

    graph: Graph
    functions: Mapping[tuple[str, str], tuple[Graph, Mapping[str, Any]]]
    opsets: Mapping[str, int]
    producer: str
    operators: Mapping[tuple[str, str], Any] = field(default_factory=dict)


def read(file: BinaryIO) -> File:
    """The model in an open file. External data are looked for in its folder.

    Raises
    ------
    ModelFileError
        If it is damaged, too large, or points outside of its folder.
    UnsupportedModelError
        If the package ``onnx`` is missing.
    """
    data = file.read(MOST_OF_FILE + 1)
    if len(data) > MOST_OF_FILE:
        raise ModelFileError(f"has more than {MOST_OF_FILE >> 20} MiB; store its weights as external data.")
    name = getattr(file, "name", None)
    return parse(data, Path(os.path.abspath(name)).parent if isinstance(name, str | os.PathLike) else None)


def parse(data: bytes, folder: Path | None = None) -> File:
    """The model in the bytes of a file."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise UnsupportedModelError(_NEEDED) from None
    check_count(memoryview(data), onnx.ModelProto.DESCRIPTOR, MOST_FIELDS)
    if len(data) > MOST_BYTES and len(data) - _held_raw(memoryview(data)) > MOST_BYTES:
        raise ModelFileError(f"has more than {MOST_BYTES >> 20} MiB beside the bytes of its weights; store these as raw or external data.")
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError, RecursionError):
        raise ModelFileError("is no ONNX file, or a damaged one; copy or export it again.") from None
    if not model.HasField("graph"):
        raise ModelFileError("holds no graph; export the model again.")
    return from_proto(model, folder)


def _held_raw(data: memoryview) -> int:
    """How many bytes of a model are its weights', which take up no more once they are parsed. Others may take eight times theirs."""
    graphs = [value for number, value in fields(data) if number == _GRAPH and isinstance(value, memoryview)]
    weights = [value for graph in graphs for number, value in fields(graph) if number == _WEIGHTS and isinstance(value, memoryview)]
    return sum(len(value) for weight in weights for number, value in fields(weight) if number == _RAW and isinstance(value, memoryview))


def from_proto(model: Any, folder: Path | None = None) -> File:
    """The model in an ``onnx.ModelProto``."""
    reading = _Reading(folder)
    functions = {
        (_text(f.domain), _text(f.name)): (
            Graph(
                tuple(Tensor(n, None, "") for n in _texts(f.input)),
                tuple(Tensor(n, None, "") for n in _texts(f.output)),
                reading.nodes(f.node, 1),
                {},
            ),
            reading.attributes(f.attribute_proto, 1),
        )
        for f in model.functions
    }
    opsets = {_domain(imported.domain): imported.version for imported in model.opset_import}
    return File(reading.graph(model.graph, 0), functions, opsets, printable(f"{model.producer_name} {model.producer_version}".strip(), 60))


class _Reading:
    """Counts what is read, so that a small file does not become a large graph."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._nodes, self._numbers = folder, 0, 0

    def graph(self, proto: Any, depth: int) -> Graph:
        if depth > DEEPEST:
            raise ModelFileError(f"nests graphs deeper than {DEEPEST}.")
        if len(proto.sparse_initializer):
            raise UnsupportedModelError("holds sparse weights, which are not imported; export dense ones.")
        constants = {_text(tensor.name): self.array(tensor) for tensor in proto.initializer}
        inputs = tuple(_tensor(value) for value in proto.input if _text(value.name) not in constants)
        return Graph(inputs, tuple(map(_tensor, proto.output)), self.nodes(proto.node, depth), constants)

    def nodes(self, protos: Any, depth: int) -> tuple[Node, ...]:
        self._nodes += len(protos)
        if self._nodes > MOST_NODES:
            raise ModelFileError(f"holds more than {MOST_NODES} operators.")
        return tuple(
            Node(_text(p.op_type), _domain(p.domain), _text(p.name), _texts(p.input), _texts(p.output), self.attributes(p.attribute, depth))
            for p in protos
        )

    def attributes(self, protos: Any, depth: int) -> dict[str, Any]:
        return {_text(p.name): self._attribute(p, depth) for p in protos}

    def _attribute(self, proto: Any, depth: int) -> Any:
        if proto.ref_attr_name:
            return Reference(_text(proto.ref_attr_name))
        kinds = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings"}
        if proto.type not in kinds:
            raise UnsupportedModelError(f"attribute {printable(proto.name, 60)!r} is of a type ({proto.type}) that is not imported.")
        value = getattr(proto, kinds[proto.type])
        if proto.type == 3:
            return value.decode(errors="replace")
        if proto.type == 4:
            return self.array(value)
        if proto.type == 5:
            return self.graph(value, depth + 1)
        if proto.type == 8:
            return [text.decode(errors="replace") for text in value]
        return list(value) if proto.type in (6, 7) else value

    def array(self, tensor: Any) -> NDArray[Any]:
        """The numbers of a TensorProto."""
        from onnx import numpy_helper

        called = f"tensor {printable(tensor.name, 80)!r}"
        shape = tuple(tensor.dims)
        size = 1
        for n in shape:
            size *= n
        if any(n < 0 for n in shape) or size > MOST_NUMBERS:
            raise ModelFileError(f"{called} has shape {printable(shape, 80)}; at most {MOST_NUMBERS} numbers are read.")
        self._numbers += size
        if self._numbers > 2 * MOST_NUMBERS:
            raise ModelFileError(f"holds more than {2 * MOST_NUMBERS} numbers.")
        if tensor.data_location == 1:
            tensor = self._fetched(tensor, called)
        try:
            array: NDArray[Any] = numpy_helper.to_array(tensor)
        except (TypeError, ValueError, KeyError, NotImplementedError) as problem:
            raise ModelFileError(f"{called} is damaged or of a type that is not read: {printable(problem, 120)}.") from None
        if array.dtype.isbuiltin != 1:
            array = array.astype(np.float32)  # bfloat16, floats of 8 bits, integers of 4
        return array

    def _fetched(self, tensor: Any, called: str) -> Any:
        """The tensor with its bytes, which lie in a file of the model's folder."""
        entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
        location = entries.get("location", "")
        if self._folder is None:
            raise ModelFileError(
                f"{called} has its numbers in another file, {printable(location, 80)!r}; give the model as a file on disk."
            )
        folder = Path(os.path.realpath(self._folder))
        path = folder if "\0" in location else Path(os.path.realpath(folder / location))
        if not location or "\0" in location or os.path.isabs(location) or not path.is_relative_to(folder):
            raise ModelFileError(
                f"{called} has its numbers outside of the model's folder, in {printable(location, 80)!r}; that is not read."
            )
        if not path.is_file():
            raise ModelFileError(f"{called} has its numbers in {printable(location, 80)!r}, which is not there; copy it beside the model.")
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", path.stat().st_size))
        except ValueError:
            raise ModelFileError(f"{called} has its numbers at a place that is no number; export the model again.") from None
        if offset < 0 or length < 0 or offset + length > path.stat().st_size or length > 16 * MOST_NUMBERS:
            raise ModelFileError(f"{called} has its numbers at bytes {offset} to {offset + length} of {path.name}, which is shorter.")
        with path.open("rb") as file:
            file.seek(offset)
            raw = file.read(length)
        filled = type(tensor)()
        filled.CopyFrom(tensor)
        filled.ClearField("external_data")
        filled.data_location = 0
        filled.raw_data = raw
        return filled


@dataclass(frozen=True)
class Reference:
    """An attribute of a function's node that stands for one of the function's own attributes."""

    name: str


def _domain(domain: str | bytes) -> str:
    return _text(domain) or "ai.onnx"


def _text(value: str | bytes) -> str:
    """A string field, which the parser gives as bytes where it is not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def _texts(values: Iterable[str | bytes]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _tensor(value: Any) -> Tensor:
    if not value.type.HasField("tensor_type"):
        return Tensor(_text(value.name), None, "other")
    kind = value.type.tensor_type
    shape = None
    if kind.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else _text(d.dim_param) for d in kind.shape.dim)
    dtype = {
        1: "float",
        10: "float",
        11: "float",
        16: "float",
        2: "int",
        3: "int",
        4: "int",
        5: "int",
        6: "int",
        7: "int",
        9: "bool",
        12: "int",
        13: "int",
    }
    return Tensor(_text(value.name), shape, dtype.get(kind.elem_type, "other"))
