"""HDF5 files as trees of named arrays and texts. The HDF5 library reads them in a process of its own: see `hdf5_library`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModelError, printable

#: Parts that Keras cuts a long list of texts into.
_MAX_PARTS = 4096

#: Seconds after which the other process is given up; it ends by itself after a few of its own.
_SECONDS = 120

_LOST = "is a damaged HDF5 file, on which the HDF5 library fails; copy it again."


class Group:
    """A group of a file, by hard links alone.

    Parameters
    ----------
    node : mapping
        As `hdf5_library.Reading.group` describes it, with the arrays of its data sets.
    place : str
        How errors call it.
    """

    def __init__(self, node: Mapping[str, Any], place: str = "") -> None:
        self._node, self.place = node, place

    def names(self) -> list[str]:
        """Its entries, in the file's order."""
        return list(self._entries())

    def _entries(self) -> Mapping[str, Any]:
        if fault := self._node.get("fault"):
            _refuse(fault)
        found: Mapping[str, Any] = self._node["entries"]
        return found

    def _attributes(self) -> Mapping[str, Any]:
        if fault := self._node.get("fault") or self._node.get("attributes_fault"):
            _refuse(fault)
        found: Mapping[str, Any] = self._node["attributes"]
        return found

    def __contains__(self, name: str) -> bool:
        node = self._node
        for part in name.strip("/").split("/"):
            if part not in node.get("entries", {}):
                return False
            node = node["entries"][part]
        return True

    def group(self, name: str) -> "Group":
        """The group at a path below.

        Raises
        ------
        ModelFileError
            If there is none, or a link leads out of the file.
        """
        found = self._follow(name)
        if "entries" not in found:
            raise ModelFileError(f"{self._at(name)} is an array where a group should be; the file is damaged, save the model again.")
        return Group(found, f"{self.place}/{name}".lstrip("/"))

    def numbers(self, name: str) -> NDArray[Any]:
        """The dataset at a path below, as an array of numbers.

        Raises
        ------
        ModelFileError, UnsupportedModelError
        """
        data = self._data(name)
        if fault := data.get("unreadable"):
            _refuse(fault)
        found: NDArray[Any] = data["array"]
        return found

    def is_float(self, name: str) -> bool:
        """Whether the dataset at a path below holds floating-point numbers."""
        return bool(self._data(name)["kind"] == "f")

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset at a path below; empty of what has none."""
        return tuple(self._data(name)["shape"])

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of texts, which Keras cuts into ``name0``, ``name1``, … where it is long; None where absent."""
        known = self._attributes()
        if name in known:
            return self._listed(name)
        found: list[str] = []
        for index in range(_MAX_PARTS):
            if f"{name}{index}" not in known:
                return found if index else None
            found += self._listed(f"{name}{index}")
        return found

    def text(self, name: str) -> str | None:
        """An attribute that is one text; None where absent."""
        found = self._listed(name) if name in self._attributes() else None
        return None if found is None else found[0] if len(found) == 1 else str(found)

    def _listed(self, name: str) -> list[str]:
        value = self._attributes()[name]
        if value is None:
            raise ModelFileError(f"attribute {printable(name, 60)!r} is larger than any of Keras; the file is damaged, copy it again.")
        return [value] if isinstance(value, str) else list(value)

    def walk(self) -> Iterator[str]:
        """The paths of all datasets below, group by group."""
        waiting = [(self, "")]
        while waiting:
            group, path = waiting.pop(0)
            for name in group.names():
                node = group._follow(name)
                if "entries" in node:
                    waiting.append((group.group(name), f"{path}{name}/"))
                else:
                    yield f"{path}{name}"

    def groups(self) -> Iterator[str]:
        """The paths of all groups below."""
        waiting = [(self, "")]
        while waiting:
            group, path = waiting.pop(0)
            for name in group.names():
                if "entries" in group._follow(name):
                    waiting.append((group.group(name), f"{path}{name}/"))
                    yield f"{path}{name}"

    def moved(self, places: Mapping[str, str]) -> "Group":
        """A group of the same datasets at other paths; `places` has for each new path the one of old.

        Raises
        ------
        ModelFileError
            If a dataset is in the way of a group.
        """
        return Group({**self._node, "entries": _tree({new: self._follow(old) for new, old in places.items()})}, self.place)

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Group":
        """A group of arrays by their paths. Errors as `moved`."""
        return Group({"entries": _tree({path: {"array": a, "shape": a.shape, "kind": a.dtype.kind} for path, a in arrays.items()})})

    def _data(self, name: str) -> Mapping[str, Any]:
        found = self._follow(name)
        if "entries" in found:
            raise ModelFileError(f"{self._at(name)} is a group where an array should be; the file is damaged, save the model again.")
        return found

    def _follow(self, path: str) -> Mapping[str, Any]:
        node: Mapping[str, Any] = self._node
        for name in path.strip("/").split("/"):
            if name not in node.get("entries", {}):
                raise ModelFileError(f"{self._at(path)} is missing; save the model again.")
            node = node["entries"][name]
            if fault := node.get("fault"):
                _refuse(fault)
        return node

    def _at(self, name: str) -> str:
        return printable(f"{self.place}/{name}".lstrip("/"), 200)


def _tree(datasets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The entries of a group whose datasets have these paths."""
    root: dict[str, Any] = {"entries": {}, "attributes": {}}
    for path, dataset in datasets.items():
        *groups, name = path.split("/")
        node = root
        for group in groups:
            node = node["entries"].setdefault(group, {"entries": {}, "attributes": {}})
            if "entries" not in node:
                raise ModelFileError(f"{printable(path, 200)} lies below an array; the file is damaged, save the model again.")
        node["entries"][name] = dataset
    found: dict[str, Any] = root["entries"]
    return found


def _refuse(fault: list[str]) -> NoReturn:
    """Raise what the other process said."""
    kind, why = fault
    raise (UnsupportedModelError if kind == "unsupported" else ModelFileError)(printable(why, 400))


def opened(file: BinaryIO) -> Group:
    """The root of a file.

    Raises
    ------
    UnsupportedModelError
        If h5py is not installed.
    ModelFileError
        If the file is damaged.
    """
    if find_spec("h5py") is None:
        raise UnsupportedModelError('is read by h5py, which is not installed; install it with pip install "edgelstm[convert]".')
    file.seek(0)
    program = Path(__file__).with_name("hdf5_library.py")
    paths = os.pathsep.join(filter(None, sys.path))
    surroundings = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", program], input=file.read(), capture_output=True, timeout=_SECONDS, env=surroundings, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelFileError(_LOST) from None
    except OSError as problem:
        raise UnsupportedModelError(f"is read by a second Python, which does not start here ({printable(problem, 100)}).") from None
    length = int.from_bytes(done.stdout[:8], "little")
    if done.returncode or len(done.stdout) < 8 + length:
        raise ModelFileError(_LOST)
    root: dict[str, Any] = json.loads(done.stdout[8 : 8 + length])
    _fill(root, memoryview(done.stdout)[8 + length :])
    if fault := root.get("fault"):
        _refuse(fault)
    return Group(root)


def _fill(root: dict[str, Any], numbers: memoryview) -> None:
    """Give each data set its array; they lie one behind the other, in the order of the tree."""
    at, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if "dtype" in node:
            part = numbers[at : at + node["bytes"]]
            node["array"], at = np.frombuffer(part, node["dtype"]).reshape(node["shape"]), at + node["bytes"]
        waiting += reversed(node.get("entries", {}).values())
