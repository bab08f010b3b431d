"""``torch.export``'s archives: a zip with the graph as JSON and the weights as raw numbers, as a graph of ONNX's operators.

Sources: ``torch/_export/serde/schema.py`` (the JSON) and ``torch/export/pt2_archive/constants.py`` (the places of entries).
Nothing that is pickled is read.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable
from ...files.container import BFLOAT16, widened
from ..from_onnx.file import File
from .memory import VIEWS
from .program import Program, base

#: Longest JSON that is read, and most numbers of one tensor.
_MAX_JSON, _MAX_NUMBERS = 1 << 24, 1 << 27

#: Bytes that all tensors may have beyond twice the file's: several may be the same numbers of it.
_SHARED = 1 << 26

#: NumPy's types by the number of ``ScalarType`` in the schema.
_DTYPES: dict[int, np.dtype[Any]] = {
    **{number: np.dtype(name) for number, name in enumerate(("u1", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"), 1)},
    12: np.dtype("?"),
    13: BFLOAT16,
}

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError, RuntimeError, ValueError, TypeError, AttributeError)


def read(file: BinaryIO) -> File:
    """The graph in a file at its beginning.

    Raises
    ------
    ModelFileError
        If the archive is damaged, larger than is read, or keeps its weights in a pickle.
    UnsupportedModelError
        Naming the first operator that is not imported.
    """
    try:
        archive = _Archive(file)
        document = archive.json("models/model.json")
        weights = archive.arrays("data/weights/", "weights") | archive.arrays("data/constants/", "constants")
        return _program(document, weights)
    except _DAMAGE as problem:
        raise ModelFileError(f"is a damaged torch.export archive ({printable(problem, 200)}); save it again.") from None


class _Archive:
    """The entries of a zip below its one root."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        size = file.seek(0, io.SEEK_END)
        self._bytes, self._most = 0, 2 * size + _SHARED
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in self._entries.values()):
            raise ModelFileError("is a compressed zip, which torch.export never writes; save it again.")
        if sum(entry.file_size for entry in self._entries.values()) > size:
            raise ModelFileError("its zip entries are larger than the file; it is damaged, save it again.")
        models = [name for name in self._entries if name.endswith("models/model.json")]
        if len(models) != 1:
            raise ModelFileError("holds not exactly one exported program; save one program a file.")
        self._root = models[0].removesuffix("models/model.json")

    def json(self, name: str) -> dict[str, Any]:
        entry = self._entries[self._root + name]
        if entry.file_size > _MAX_JSON:
            raise ModelFileError(f"its {name} is longer than {_MAX_JSON} bytes; edgelstm reads no such models.")
        try:
            document = json.loads(self._zip.read(entry))
        except RecursionError:
            raise ModelFileError(f"its {name} is nested too deep; save it again.") from None
        if not isinstance(document, dict):
            raise ValueError(f"{name} is no JSON object")
        return document

    def arrays(self, folder: str, kind: str) -> dict[str, NDArray[Any]]:
        """The tensors that a folder's list names, by these names."""
        listed = f"{folder}model_{kind}_config.json"
        if self._root + listed not in self._entries:
            return {}
        return {name: self._array(folder, name, entry) for name, entry in self.json(listed)["config"].items()}

    def _array(self, folder: str, name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
        if entry.get("use_pickle"):
            raise ModelFileError(f"keeps {printable(name, 80)!r} in a pickle, which is not read; export plain tensors.")
        meta = entry["tensor_meta"]
        if meta["dtype"] not in _DTYPES:
            raise UnsupportedModelError(f"holds {printable(name, 80)!r} of ScalarType {meta['dtype']}, which is no number; export floats.")
        dtype = _DTYPES[meta["dtype"]]
        shape, strides = ([_whole(n["as_int"]) for n in meta[part]] for part in ("sizes", "strides"))
        offset = _whole(meta["storage_offset"]["as_int"])
        raw = self._zip.read(self._root + folder + entry["path_name"])
        numbers = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)
        size = math.prod(shape)
        reach = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if size > min(numbers.size, _MAX_NUMBERS) or (size and reach >= numbers.size):
            raise ValueError(f"{printable(name, 80)} of shape {shape} reaches beyond its data")
        self._bytes += size * dtype.itemsize
        if self._bytes > self._most:
            raise ModelFileError("holds tensors that are many times as large as the file; export plain tensors.")
        steps = [step * dtype.itemsize for step in strides]
        view = np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps, writeable=False) if size else np.empty(shape, dtype)
        return widened(np.ascontiguousarray(view))


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise ValueError("a tensor's shape, stride or offset is impossible")
    return value


def _program(document: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> File:
    module = document["graph_module"]
    graph, signature = module["graph"], module["signature"]
    program = Program("torch.export")
    shapes = graph["tensor_values"]
    changed = _changed(graph, signature)
    for spec in signature["input_specs"]:
        ((kind, given),) = spec.items()
        _input(program, kind, given, shapes, weights, changed)
    for node in graph["nodes"]:
        _node(program, node, graph)
    for spec in signature["output_specs"]:
        ((kind, given),) = spec.items()
        if kind == "user_output":
            argument = given["arg"]
            if "as_tensor" in argument:
                name = argument["as_tensor"]["name"]
                program.output(name, tuple(_size(n) for n in shapes[name]["sizes"]) if name in shapes else None)
        elif kind not in ("buffer_mutation", "token"):
            raise UnsupportedModelError(f"has an output that is a {printable(kind, 60)}, which is not imported; export model.eval().")
    for name, end in changed.items():
        program.returns(_after(name), program.value(end))
    return program.file()


def _changed(graph: Mapping[str, Any], signature: Mapping[str, Any]) -> dict[str, str]:
    """The buffers that a call changes, by the names of their inputs: the names of what they become.

    A program says it in its signature, or changes them in place.
    """
    given = [spec["buffer"] for spec in signature["input_specs"] if "buffer" in spec]
    names = {buffer["buffer_name"]: buffer["arg"]["name"] for buffer in given}
    ends = [spec["buffer_mutation"] for spec in signature["output_specs"] if "buffer_mutation" in spec]
    found = {names[end["buffer_name"]]: end["arg"]["name"] for end in ends}
    of = {name: name for name in names.values()}  # by tensor, the buffer whose memory it is
    for node in graph["nodes"]:
        first = next((one["arg"]["as_tensor"]["name"] for one in node["inputs"] if "as_tensor" in one["arg"]), None)
        operator = base(str(node["target"]))
        if first in of and operator.endswith("_") and not operator.startswith("_"):
            found.setdefault(of[first], of[first])
        if first in of and (operator in VIEWS or operator.endswith("_")):
            of |= {one["as_tensor"]["name"]: of[first] for one in node["outputs"] if "as_tensor" in one}
    return found


def _after(name: str) -> str:
    """What the output is called that a buffer becomes."""
    return f"{name} after"


def _input(
    program: Program,
    kind: str,
    given: Mapping[str, Any],
    shapes: Mapping[str, Any],
    weights: Mapping[str, NDArray[Any]],
    changed: Mapping[str, str],
) -> None:
    if kind == "user_input":
        argument = given["arg"]
        if "as_tensor" not in argument:
            return
        name = argument["as_tensor"]["name"]
        meta = shapes[name]
        shape = tuple(_size(n) for n in meta["sizes"])
        dtype = _DTYPES.get(meta["dtype"])
        program.input(name, shape, "other" if dtype is None else {"i": "int", "u": "int", "b": "bool"}.get(dtype.kind, "float"))
        return
    names = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
    if kind not in names:
        raise UnsupportedModelError(f"has an input that is a {printable(kind, 60)}, which is not imported.")
    full = given[names[kind]]
    if full not in weights:
        raise ModelFileError(f"lacks the data of {printable(full, 80)!r}; save it again.")
    name, array = given["arg"]["name"], weights[full]
    if name not in changed:
        program.constant(name, array)
    elif array.dtype.kind == "f":
        program.state(name, array, _after(name))
    else:
        raise UnsupportedModelError(f"changes its buffer {printable(full, 60)!r} of whole numbers at every call, which is not imported.")


def _size(value: Mapping[str, Any]) -> int | str:
    """A length, or the name of an open one."""
    if "as_int" in value:
        return _whole(value["as_int"])
    return str(value["as_expr"]["expr_str"])


def _node(program: Program, node: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
    target = str(node["target"])
    given = {argument["name"]: _argument(program, argument["arg"]) for argument in node["inputs"]}
    outputs: list[str | None] = []
    for output in node["outputs"]:
        if "as_tensors" in output:
            outputs += [one["name"] for one in output["as_tensors"]]
        else:
            found = output.get("as_tensor") or output.get("as_sym_int")
            outputs.append(found.get("name") or found.get("as_name") if found else None)
    program.call(target, [], given, outputs)


def _argument(program: Program, argument: Mapping[str, Any]) -> Any:
    """An argument of a call: a tensor by its name, or what stands in the file."""
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return program.value(value["name"])
    if kind == "as_tensors":
        return [program.value(one["name"]) for one in value]
    if kind == "as_optional_tensors":
        return [program.value(one["as_tensor"]["name"]) if "as_tensor" in one else None for one in value]
    if kind == "as_sym_int":
        return program.value(value["as_name"]) if "as_name" in value else value["as_int"]
    if kind == "as_sym_ints":
        return [program.value(one["as_name"]) if "as_name" in one else one["as_int"] for one in value]
    if kind == "as_scalar_type":
        return _DTYPES.get(value)
    if kind == "as_float":
        return float(value)  # "-Infinity" too
    if kind in ("as_int", "as_ints", "as_floats", "as_bool", "as_bools", "as_string"):
        return value
    return None if kind in ("as_device", "as_layout", "as_memory_format") else kind
