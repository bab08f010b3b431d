"""The arrays that a trained file holds, by the names that they have there, whatever its format."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import EdgeLSTMError

if TYPE_CHECKING:
    from ..from_tensorflow.file import GraphDef

Arrays = Iterator[tuple[str, object]]

#: Deepest nesting of objects and graphs that is looked into, and most arrays that are told of.
_DEEPEST, _MOST = 40, 4096


def _bag(found: str) -> Callable[[BinaryIO], Arrays]:
    def read(file: BinaryIO) -> Arrays:
        from ..recipes.bag import tensors

        yield from tensors(file, found).items()

    return read


def _keras(file: BinaryIO) -> Arrays:
    from ..from_keras.store import read

    root = read(file).root
    for path in root.walk():
        if "optimizer" not in path.partition("/")[0] and root.is_float(path):
            yield path, root.numbers(path)


def _shards(file: BinaryIO) -> Arrays:
    from ..from_keras.shards import opened

    yield from opened(file)[2].items()


def _onnx(file: BinaryIO) -> Arrays:
    from ..from_onnx.file import read

    parsed = read(file)
    yield from _graph(parsed.graph, 0)
    for graph, _ in parsed.functions.values():
        yield from _graph(graph, 1)


def _exported(file: BinaryIO) -> Arrays:
    from ..aten.exported import read

    yield from _graph(read(file).graph, 0)


def _graph(graph: Any, depth: int) -> Arrays:
    """Constants of a graph, and of those inside its nodes."""
    yield from graph.constants.items()
    for node in graph.nodes:
        for value in node.attributes.values():
            if hasattr(value, "constants") and depth < _DEEPEST:
                yield from _graph(value, depth + 1)
            elif node.op == "Constant" and isinstance(value, np.ndarray):
                yield next(iter(node.outputs), node.name), value


def _script(file: BinaryIO) -> Arrays:
    from ..aten.script_archive import read

    yield from read(file).tensors().items()


def _tflite(file: BinaryIO) -> Arrays:
    from ..from_tflite.file import read

    main = read(file.read())
    for graph in (main, *main.others):
        for operator in graph.operators:
            yield from ((tensor.name, tensor.data) for tensor in operator.inputs if tensor is not None and tensor.data is not None)


def _tensorflow(file: BinaryIO) -> Arrays:
    from ..from_tensorflow.file import read

    yield from _constants(read(file))


def _saved(file: BinaryIO) -> Arrays:
    from ..from_tensorflow.saved import read

    yield from _constants(read(file).graph)


def _constants(graph: "GraphDef") -> Arrays:
    for nodes in (graph.nodes, *(function.nodes for function in graph.functions.values())):
        yield from ((node.name, node.attributes.get("value")) for node in nodes if node.op == "Const")


def _json(file: BinaryIO) -> Arrays:
    from ..json_parts import document

    yield from _within(document(file).entries(), "", 0)


def _madmom(file: BinaryIO) -> Arrays:
    from ..from_madmom.pickle_file import read

    yield from _within(read(file), "", 0)


def _within(value: Any, path: str, depth: int) -> Arrays:
    """Arrays and nested lists of numbers in dicts, lists and objects."""
    if hasattr(value, "__array__") or (isinstance(value, list) and _numbers(value)):
        yield path, value
    elif depth < _DEEPEST:
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
        state = getattr(value, "state", None)
        for name, part in state.items() if isinstance(state, dict) else parts:
            yield from _within(part, f"{path}.{name}" if path else str(name), depth + 1)


def _numbers(value: list[Any]) -> bool:
    """Whether a list holds numbers alone, or lists of numbers."""
    first: Any = value
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(first, int | float)


#: Who reads the arrays of each format, as `sniff` calls it.
_READERS: dict[str, Callable[[BinaryIO], Arrays]] = {
    **{
        found: _bag(found)
        for found in ("PyTorch", "safetensors", "NumPy (npz)", "NumPy (pickle)", "Flax (MessagePack)", "JSON (named arrays)")
    },
    "Keras (HDF5)": _keras,
    "Keras (.keras)": _keras,
    "TensorFlow.js (JSON)": _shards,
    "ONNX": _onnx,
    "torch.export": _exported,
    "TorchScript": _script,
    "TensorFlow Lite": _tflite,
    "TensorFlow (frozen .pb)": _tensorflow,
    "TensorFlow SavedModel": _saved,
    "madmom (pickle)": _madmom,
    **dict.fromkeys(("Neural Amp Modeler (.nam)", "GuitarML (JSON)", "ICU word segmentation (JSON)", "RTNeural (JSON)"), _json),
}


def tensors(file: BinaryIO, found: str) -> Mapping[str, NDArray[np.float32]]:
    """The arrays of numbers in a file of a known format, as float32: floating-point numbers and integers of 8 bits."""
    file.seek(0)
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, value in _READERS[found](file):
        try:
            array = np.asarray(value)
        except (ValueError, EdgeLSTMError):
            continue
        weights = array.dtype.kind == "f" or array.dtype.itemsize == 1
        if array.dtype.kind in "fiu" and weights and array.size and len(arrays) < _MOST:
            with np.errstate(over="ignore"):
                arrays[name] = array.astype(np.float32)
    return arrays
