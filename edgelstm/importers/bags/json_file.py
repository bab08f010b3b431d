"""JSON objects whose values are arrays, as ``{name: tensor.tolist()}`` writes them, or objects of such: named arrays."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, printable
from ...files import container

#: Deepest nesting of objects, and most axes of an array.
_MAX_DEPTH, _MAX_AXES = 8, 5


def read(file: BinaryIO) -> dict[str, Any]:
    """The arrays of a file, float32, in the dicts that the objects are.

    Raises
    ------
    ModelFileError
        If the file is damaged, or a value is no array of numbers.
    """
    return _arrays(container.read_json(file.read(), "the file"), "")


def is_bag(document: object, depth: int = 0) -> bool:
    """Whether a JSON document is an object of arrays, or of such objects, with at least one matrix, and holds nothing else."""
    return depth < _MAX_DEPTH and isinstance(document, dict) and _kinds(document) == {"array"} and _has_matrix(document)


def _kinds(document: dict[str, Any]) -> set[str]:
    """What stands in an object and the objects within, as far as the first number of each array tells."""
    found: set[str] = set()
    waiting = [(0, value) for value in document.values()]
    while waiting:
        depth, value = waiting.pop()
        if isinstance(value, dict) and depth < _MAX_DEPTH:
            waiting += [(depth + 1, inside) for inside in value.values()]
        else:
            found.add("array" if _axes(value) else "other")
    return found


def _has_matrix(document: dict[str, Any]) -> bool:
    return any(_has_matrix(value) if isinstance(value, dict) else _axes(value) > 1 for value in document.values())


def _axes(value: object) -> int:
    """How deep lists are before the first number; 0 for what is no list of numbers."""
    for axes in range(_MAX_AXES + 1):
        if not isinstance(value, list):
            return axes if type(value) in (int, float) else 0
        if not value:
            return 0
        value = value[0]
    return 0


def _arrays(document: Any, path: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ModelFileError("is JSON that holds no object of arrays; write {name: tensor.tolist()}.")
    return {
        name: _arrays(value, f"{path}.{name}") if isinstance(value, dict) else _array(value, f"{path}.{name}"[1:])
        for name, value in document.items()
    }


def _array(value: object, name: str) -> NDArray[np.float32]:
    try:
        array = np.asarray(value) if isinstance(value, list) else np.asarray("none")
    except ValueError:
        array = np.asarray("ragged")
    if array.dtype.kind not in "fiu":
        raise ModelFileError(f"{printable(name, 100)} is no array of numbers, or its rows are of unequal lengths; write the file again.")
    with np.errstate(over="ignore"):  # infinity, which the record refuses
        return array.astype(np.float32)
