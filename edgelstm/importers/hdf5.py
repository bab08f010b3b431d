"""HDF5 files, read with distrust: no other file is opened, and nothing larger than what a file really stores is made."""

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModelError, printable

#: Numbers may take this many bytes in memory beyond what they take in the file, and then as many times as much.
_FREE_BYTES, _RATIO = 1 << 20, 200

#: The most bytes of one dataset and of one attribute.
_MAX_DATASET, _MAX_ATTRIBUTE = 1 << 28, 1 << 24

#: The most entries of a group, and how deep groups may lie in groups.
_MAX_ENTRIES, _MAX_DEPTH = 4096, 24

#: Filters that the HDF5 library has built in or that h5py adds; others are code from elsewhere.
_FILTERS = (1, 2, 3, 4, 5, 6, 32000)


class Group:
    """A group of a file, by hard links alone."""

    def __init__(self, group: Any, place: str = "") -> None:
        self._group = group
        self.place = place

    def names(self) -> list[str]:
        """Its entries, in the file's order."""
        with sound():
            count = len(self._group)
            names = list(self._group) if count <= _MAX_ENTRIES else []
        if not names and count:
            raise ModelFileError(f"group {printable(self.place, 100)!r} has {count} entries; at most {_MAX_ENTRIES} make sense.")
        return names

    def __contains__(self, name: str) -> bool:
        with sound():
            return name in self._group

    def _has(self, name: str) -> bool:
        with sound():
            return name in self._group.attrs

    def group(self, name: str) -> "Group":
        """The group at a path below.

        Raises
        ------
        ModelFileError
            If there is none, or a link leads out of the file.
        """
        found = self._follow(name)
        if not hasattr(found, "keys"):
            raise ModelFileError(f"{self._at(name)} is no group; the file is damaged, or no Keras model.")
        return Group(found, f"{self.place}/{name}".lstrip("/"))

    def numbers(self, name: str) -> NDArray[Any]:
        """The dataset at a path below, as an array of numbers.

        Raises
        ------
        ModelFileError, UnsupportedModelError
        """
        data = self._follow(name)
        if hasattr(data, "keys"):
            raise ModelFileError(f"{self._at(name)} is a group where an array should be; the file is damaged, save the model again.")
        with sound():
            kind, shape = data.dtype.kind, data.shape
        if shape is None or kind not in "fiu":
            raise UnsupportedModelError(f"{self._at(name)} holds no numbers; save the float model.")
        with sound():
            self._check_stored(data, name)
            return np.asarray(data[()])

    def is_float(self, name: str) -> bool:
        """Whether the dataset at a path below holds floating-point numbers."""
        data = self._follow(name)
        with sound():
            return data.shape is not None and data.dtype.kind == "f"

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a dataset at a path below; empty of what has none."""
        data = self._follow(name)
        with sound():
            return tuple(data.shape or ())

    def _check_stored(self, data: Any, name: str) -> None:
        plan = data.id.get_create_plist()
        if data.is_virtual or plan.get_external_count():
            raise ModelFileError(f"{self._at(name)} lies in another file, which edgelstm does not open; save the model into one file.")
        if any(plan.get_filter(index)[0] not in _FILTERS for index in range(plan.get_nfilters())):
            raise UnsupportedModelError(
                f"{self._at(name)} is compressed by a filter that HDF5 does not have itself; save it with gzip or plain."
            )
        size, stored = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize, int(data.id.get_storage_size())
        if size > min(_MAX_DATASET, _FREE_BYTES + _RATIO * stored):
            raise ModelFileError(
                f"{self._at(name)} has shape {printable(data.shape, 100)} and stores {stored} bytes of it; "
                "the file is damaged, copy it again."
            )

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of texts, which Keras cuts into ``name0``, ``name1``, … where it is long; None where absent."""
        if self._has(name):
            return [_text(value) for value in np.ravel(self.attribute(name))]
        found: list[str] = []
        for index in range(_MAX_ENTRIES):
            if not self._has(f"{name}{index}"):
                return found if index else None
            found += [_text(value) for value in np.ravel(self.attribute(f"{name}{index}"))]
        return found

    def text(self, name: str) -> str | None:
        """An attribute that is one text; None where absent."""
        return _text(self.attribute(name)) if self._has(name) else None

    def attribute(self, name: str) -> Any:
        """An attribute's value."""
        with sound():
            given, value = self._group.attrs.get_id(name), None
            if np.prod(given.shape, dtype=object) * given.dtype.itemsize <= _MAX_ATTRIBUTE:
                value = self._group.attrs[name]
        if value is None:
            raise ModelFileError(
                f"attribute {printable(name, 60)!r} has more than {_MAX_ATTRIBUTE} bytes; the file is damaged, copy it again."
            )
        return value

    def walk(self) -> Iterator[str]:
        """The paths of all datasets below, group by group."""
        waiting = [(self, "", 0)]
        seen = 0
        while waiting:
            group, path, depth = waiting.pop(0)
            for name in group.names():
                seen += 1
                if seen > _MAX_ENTRIES or depth > _MAX_DEPTH:
                    raise ModelFileError("has more groups and arrays than any Keras model; the file is damaged, copy it again.")
                if hasattr(group._follow(name), "keys"):
                    waiting.append((group.group(name), f"{path}{name}/", depth + 1))
                else:
                    yield f"{path}{name}"

    def _follow(self, path: str) -> Any:
        import h5py

        node = self._group
        for name in path.strip("/").split("/"):
            with sound():
                link = node.get(name, getlink=True) if hasattr(node, "keys") and name in node else None
            if link is None:
                raise ModelFileError(f"{self._at(path)} is missing; save the model again.")
            if not isinstance(link, h5py.HardLink):
                raise ModelFileError(f"{self._at(path)} is a link to somewhere else, which edgelstm does not follow; save the model again.")
            with sound():
                node = node[name]
        return node

    def _at(self, name: str) -> str:
        return printable(f"{self.place}/{name}".lstrip("/"), 200)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextlib.contextmanager
def sound() -> Iterator[None]:
    """What the HDF5 library says of a damaged file becomes a `ModelFileError`."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as problem:
        raise ModelFileError(f"is a damaged HDF5 file ({printable(problem, 200)}); copy it again.") from None


def opened(file: BinaryIO) -> Group:
    """The root of a file.

    Raises
    ------
    UnsupportedModelError
        If h5py is not installed.
    ModelFileError
        If the file is damaged.
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedModelError('is read by h5py, which is not installed; install it with pip install "edgelstm[convert]".') from None
    with sound():
        return Group(h5py.File(file, "r"))
