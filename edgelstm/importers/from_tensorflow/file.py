"""TensorFlow's GraphDef as plain nodes and functions. Nothing is executed, and TensorFlow is not needed.

Format: ``tensorflow/core/framework/``: ``graph.proto``, ``node_def.proto``, ``attr_value.proto``, ``tensor.proto``, ``function.proto``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ..messages import Field, fields, fixed, inside, signed, text, varints

#: Largest file; most nodes of the graph and all functions; most numbers of a constant that its file writes out, or fills with one number;
#: deepest nesting of attributes.
MOST_BYTES, MOST_NODES, MOST_NUMBERS, MOST_FILLED, DEEPEST = 1 << 28, 50_000, 1 << 26, 1 << 22, 8

#: Most inputs and attributes of all nodes.
MOST_PARTS = 1 << 20

#: Element types by number: ``types.proto``. bfloat16 and text are read apart.
_DTYPES = {
    1: np.float32, 2: np.float64, 3: np.int32, 4: np.uint8, 5: np.int16, 6: np.int8, 9: np.int64, 10: np.bool_, 17: np.uint16,
    19: np.float16, 22: np.uint32, 23: np.uint64,
}  # fmt: skip
_BFLOAT16, _STRING = 14, 7

#: Fields of a TensorProto that hold numbers one by one.
_REALS = {5: "<f4", 6: "<f8"}
_WHOLE = (7, 10, 11, 13, 16, 17)

#: And the field that holds text.
_TEXT = 8


class Dtype(int):
    """An element type by its number, as an attribute."""

    @property
    def kind(self) -> str:
        """``"float"``, ``"int"``, ``"bool"`` or ``"other"``, as the signature of a graph calls it."""
        dtype = _DTYPES.get(int(self))
        names = {"f": "float", "i": "int", "u": "int", "b": "bool"}
        return names[np.dtype(dtype).kind] if dtype is not None else "float" if self == _BFLOAT16 else "other"

    @property
    def numpy(self) -> Any:
        """NumPy's type; bfloat16 as float32, and None for what is no number."""
        return np.float32 if self == _BFLOAT16 else _DTYPES.get(int(self))


class Called(NamedTuple):
    """A function that an attribute names."""

    name: str


class Text(NamedTuple):
    """A constant of text, its axes one behind the other."""

    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class NodeDef:
    """A node: ``name:1`` is its second output, ``^name`` waits for another node. Shapes are tuples with -1 for an open axis, or None."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return printable(f"node {self.op} ({self.name})", 160)


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the file's library: names of its arguments, its nodes, and by name of each result, what it is."""

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    nodes: tuple[NodeDef, ...]
    returned: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class GraphDef:
    """A graph and the functions that it calls, by name."""

    nodes: tuple[NodeDef, ...]
    functions: Mapping[str, Function] = field(default_factory=dict)


def read(file: BinaryIO) -> GraphDef:
    """The graph in an open file.

    Raises
    ------
    ModelFileError
        If it is too large, damaged, or its parts do not fit together.
    """
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ModelFileError(f"has more than {MOST_BYTES >> 20} MiB; edgelstm reads no such graphs.")
    return parse(data)


def parse(data: bytes) -> GraphDef:
    """The graph in the bytes of a file."""
    reading, nodes, functions = _Reading(), list[NodeDef](), dict[str, Function]()
    for number, value in fields(memoryview(data)):
        if number == 1:
            nodes.append(reading.node(value))
        elif number == 2:
            functions |= dict(reading.function(inner) for n, inner in fields(inside(value)) if n == 1)
    if not nodes:
        raise ModelFileError("holds no nodes; freeze and write the graph again.")
    _distinct(nodes)
    return GraphDef(tuple(nodes), functions)


def _distinct(nodes: list[NodeDef]) -> None:
    """Refuse two nodes of one name."""
    known: set[str] = set()
    for node in nodes:
        if node.name in known:
            raise ModelFileError(f"has two nodes of the name {printable(node.name, 80)!r}; the file is damaged, freeze the graph again.")
        known.add(node.name)


class _Reading:
    """Counts what is read, so that a small file does not become a large graph."""

    def __init__(self) -> None:
        self._nodes = self._numbers = self._parts = 0

    def node(self, value: Field) -> NodeDef:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ModelFileError(f"holds more than {MOST_NODES} nodes; edgelstm reads no such graphs.")
        name = op = ""
        inputs, attributes = [], {}
        for number, part in fields(inside(value)):
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise ModelFileError(f"holds nodes of more than {MOST_PARTS} inputs and attributes; edgelstm reads no such graphs.")
            if number == 1:
                name = text(part)
            elif number == 2:
                op = text(part)
            elif number == 3:
                inputs.append(text(part))
            elif number == 5:
                key, attribute = self._entry(part)
                attributes[key] = self._attribute(attribute, name, 0)
        return NodeDef(name, op, tuple(inputs), attributes)

    def _entry(self, value: Field) -> tuple[str, memoryview]:
        """Key and value of a map's entry."""
        key, found = "", memoryview(b"")
        for number, part in fields(inside(value)):
            if number == 1:
                key = text(part)
            elif number == 2:
                found = inside(part)
        return key, found

    def _attribute(self, data: memoryview, node: str, depth: int) -> Any:
        """An AttrValue; None for one that says nothing."""
        if depth > DEEPEST:
            raise ModelFileError(f"nests attributes deeper than {DEEPEST}; the file is damaged.")
        found: Any = None
        for number, value in fields(data):
            if number == 1:
                found = [self._single(n, item, node) for n, items in fields(inside(value)) for item in _several(n, items)]
            else:
                found = self._single(number, value, node)
        return found

    def _single(self, number: int, value: Field, node: str) -> Any:
        """One value by the number of its field, which is the same in a list but for functions."""
        if number == 2:
            return bytes(inside(value)).decode(errors="replace")
        if number in (3, 5):
            return signed(value) if number == 3 else bool(value)
        if number == 4:
            return float(fixed(value, "<f4")[0])
        if number == 6:
            return Dtype(signed(value))
        if number == 7:
            return shape_of(value)
        if number == 8:
            return self.tensor(value, node)
        if number in (9, 10) and not isinstance(value, int):
            return Called(next((text(part) for n, part in fields(value) if n == 1), ""))
        return None

    def function(self, value: Field) -> tuple[str, Function]:
        """A FunctionDef, with its name."""
        name, nodes, returned = "", list[NodeDef](), dict[str, str]()
        sides: dict[int, list[str]] = {2: [], 3: []}
        for number, part in fields(inside(value)):
            if number == 1:
                for n, inner in fields(inside(part)):
                    if n == 1:
                        name = text(inner)
                    elif n in sides:
                        called = next((text(last) for m, last in fields(inside(inner)) if m == 1), "")
                        sides[n].append(called)
            elif number == 3:
                nodes.append(self.node(part))
            elif number == 4:
                key, found = self._entry(part)
                returned[key] = bytes(found).decode(errors="replace")
        _distinct(nodes)
        return name, Function(tuple(sides[2]), tuple(sides[3]), tuple(nodes), returned)

    def tensor(self, value: Field, node: str) -> "NDArray[Any] | Text | None":
        """The numbers of a TensorProto, or its text; None for other types that no network computes with."""
        kind, raw, single = 0, memoryview(b""), list[NDArray[Any]]()
        shape: tuple[int, ...] | None = ()
        for number, part in fields(inside(value)):
            if number == 1:
                kind = signed(part)
            elif number == 2:
                shape = shape_of(part)
            elif number == 4:
                raw = inside(part)
            elif number in _REALS:
                single.append(fixed(part, _REALS[number]))
            elif number in _WHOLE:
                single.append(np.array(varints(part), np.int64))
        if kind == _STRING:
            return Text(tuple(text(part) for number, part in fields(inside(value)) if number == _TEXT))
        dtype = Dtype(kind).numpy
        if dtype is None:
            return None
        called = f"the constant {printable(node, 80)!r}"
        if shape is None or min((*shape, 0)) < 0 or math.prod(shape) > MOST_NUMBERS:
            raise ModelFileError(f"{called} has shape {printable(shape, 80)}; at most {MOST_NUMBERS} numbers are read.")
        size = math.prod(shape)
        values = raw_numbers(raw, kind, called) if raw else _written(np.concatenate(single) if single else np.zeros(min(size, 1)), kind)
        if values.size != size:
            if raw or values.size > size or not values.size or size > MOST_FILLED:
                raise ModelFileError(f"{called} of shape {shape} has {values.size} numbers; the file is damaged, or too large.")
            values = np.concatenate([values, np.full(size - values.size, values[-1])])
        self._numbers += size
        if self._numbers > 2 * MOST_NUMBERS:
            raise ModelFileError(f"holds more than {2 * MOST_NUMBERS} numbers.")
        return values.reshape(shape)


def _several(number: int, value: Field) -> list[Field]:
    """The values of a list's field: numbers may stand behind one another in one. In a list a function is field 9."""
    if isinstance(value, int) or number in (2, 7, 8, 9):
        return [value]
    return [value[i : i + 4] for i in range(0, len(value), 4)] if number == 4 else [v % (1 << 64) for v in varints(value)]


def raw_numbers(raw: memoryview, kind: int, called: str) -> NDArray[Any]:
    if kind == _BFLOAT16:
        return (fixed(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    dtype = np.dtype(_DTYPES[kind]).newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise ModelFileError(f"{called} ends within a number; the file is damaged, copy it again.")
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="), copy=False)


def _written(values: NDArray[Any], kind: int) -> NDArray[Any]:
    """Numbers that stand one by one: halves by their bits."""
    if kind == _BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    if kind == 19:
        return values.astype(np.uint16).view(np.float16)
    return values.astype(_DTYPES[kind])


def shape_of(value: Field) -> tuple[int, ...] | None:
    """A TensorShapeProto; None where the number of axes is open."""
    found = []
    for number, part in fields(inside(value)):
        if number == 2:
            found.append(next((signed(size) for n, size in fields(inside(part)) if n == 1), 0))
        elif number == 3 and part:
            return None
    return tuple(found)


def check_frozen(graph: GraphDef) -> None:
    """Refuse a graph whose weights are not in it.

    Raises
    ------
    UnsupportedModelError
        Naming its first variable.
    """
    for node in graph.nodes:
        if node.op in ("Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable", "TemporaryVariable"):
            raise UnsupportedModelError(
                f"holds the variable {printable(node.name, 80)!r}, whose numbers are in a checkpoint; freeze the graph first: "
                "tf.compat.v1.graph_util.convert_variables_to_constants(session, graph_def, outputs)."
            )
