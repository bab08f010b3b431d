"""The HDF5 library in a process of its own: it crashes on some damaged files, and never ends on others.

Run as a program by `hdf5`, with nothing of edgelstm: it reads a file from its input and writes to its output what is in it, as the length
of a JSON text (8 bytes), the text, and the numbers of all arrays. Read with distrust: hard links alone are followed, no other file is
opened, and nothing larger than what the file really stores is made.
"""

import io
import json
import sys
from typing import Any

import h5py
import numpy as np

#: Numbers may take this many bytes in memory beyond what they take in the file, and then as many times as much.
_FREE_BYTES, _RATIO = 1 << 20, 200

#: The most bytes of one dataset, of all, and of one attribute.
_MAX_DATASET, _MAX_ALL, _MAX_ATTRIBUTE = 1 << 28, 1 << 29, 1 << 24

#: Bytes that all may take beyond four times what is stored of them.
_UNPACKED = 1 << 26

#: The most entries of a group, and of a file, and how deep groups may lie in groups.
_MAX_ENTRIES, _MAX_DEPTH = 1 << 14, 24

#: Filters that the HDF5 library has built in or that h5py adds; others are code from elsewhere.
_FILTERS = (1, 2, 3, 4, 5, 6, 32000)

#: Processor time, in seconds and for each MB.
_SECONDS, _PER_MB = 4, 0.2

_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


class Refused(Exception):
    """What cannot be read: ``"damaged"`` or ``"unsupported"``, and why."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.said = [kind, why]


class Reading:
    """Describes a file as a tree of JSON values."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._size = self._stored = self._seen = 0

    def group(self, group: Any, place: str, depth: int) -> dict[str, Any]:
        """A group: its attributes, and its entries in the file's order."""
        try:
            count = len(group)
            names = list(group) if count <= _MAX_ENTRIES else []
        except _DAMAGE as problem:
            return {"fault": _damaged(problem)}
        self._seen += len(names)
        if count > _MAX_ENTRIES or self._seen > _MAX_ENTRIES or depth > _MAX_DEPTH:
            return {"fault": ["damaged", f"group {place!r} has more groups and arrays than any Keras model; copy it again."]}
        entries = {_text(name): self._entry(group, name, f"{place}/{_text(name)}".lstrip("/"), depth) for name in names}
        return {"entries": entries, **self._attributes(group)}

    def _attributes(self, group: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            for name in list(group.attrs)[:_MAX_ENTRIES]:
                found[_text(name)] = _attribute(group, name)
        except _DAMAGE as problem:
            return {"attributes": found, "attributes_fault": _damaged(problem)}
        return {"attributes": found}

    def _entry(self, group: Any, name: str, place: str, depth: int) -> dict[str, Any]:
        try:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                why = f"{place} is a link to somewhere else, which edgelstm does not follow; save the model again."
                return {"fault": ["damaged", why]}
            node = group[name]
            if hasattr(node, "keys"):
                return self.group(node, place, depth + 1)
            kind, shape = node.dtype.kind, node.shape
        except _DAMAGE as problem:
            return {"fault": _damaged(problem)}
        told: dict[str, Any] = {"kind": kind, "shape": list(shape or ())}
        try:
            return {**told, **self._numbers(node, shape, place)}
        except Refused as problem:
            return {**told, "unreadable": problem.said}
        except _DAMAGE as problem:
            return {**told, "unreadable": _damaged(problem)}

    def _numbers(self, data: Any, shape: Any, place: str) -> dict[str, Any]:
        if shape is None or data.dtype.kind not in "fiu":
            raise Refused("unsupported", f"{place} holds no numbers; save the float model.")
        if "optimizer" in place.partition("/")[0]:
            raise Refused("unsupported", f"{place} belongs to the optimizer.")
        size, stored = _checked_size(data, place)
        self._size, self._stored = self._size + size, self._stored + stored
        if self._size > min(_MAX_ALL, _UNPACKED + 4 * self._stored):
            why = f"{place} and the arrays before it have {self._size} bytes, of which {self._stored} are stored"
            raise Refused("damaged", f"{why}; edgelstm reads no such models.")
        array = np.asarray(data[()])
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        self.blobs.append(plain.tobytes())
        return {"dtype": plain.dtype.str, "bytes": plain.nbytes}


def _checked_size(data: Any, place: str) -> tuple[int, int]:
    """Bytes of an array that lies in the file, as large as it says, and those that are stored of it."""
    plan = data.id.get_create_plist()
    if data.is_virtual or plan.get_external_count():
        raise Refused("damaged", f"{place} lies in another file, which edgelstm does not open; save the model into one file.")
    if any(plan.get_filter(index)[0] not in _FILTERS for index in range(plan.get_nfilters())):
        raise Refused("unsupported", f"{place} is compressed by a filter that HDF5 does not have itself; save it with gzip or plain.")
    size, stored = int(np.prod(data.shape, dtype=object)) * int(data.dtype.itemsize), int(data.id.get_storage_size())
    if size > min(_MAX_DATASET, _FREE_BYTES + _RATIO * stored):
        raise Refused("damaged", f"{place} has shape {data.shape} and stores {stored} bytes of it; the file is damaged, copy it again.")
    return size, stored


def _attribute(group: Any, name: str) -> Any:
    """A text, or a list of texts; None of an attribute that is too large."""
    given = group.attrs.get_id(name)
    if np.prod(given.shape, dtype=object) * given.dtype.itemsize > _MAX_ATTRIBUTE:
        return None
    value = group.attrs[name]
    return _text(value) if np.ndim(value) == 0 else [_text(part) for part in np.ravel(value)]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _damaged(problem: BaseException) -> list[str]:
    return ["damaged", f"is a damaged HDF5 file ({str(problem)[:200]}); copy it again."]


def described(data: bytes) -> bytes:
    """What is in a file: the length of a JSON text, the text, and the numbers of all arrays."""
    _limit(len(data))
    reading = Reading()
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            tree = reading.group(file, "", 0)
    except _DAMAGE as problem:
        tree = {"fault": _damaged(problem)}
    text = json.dumps(tree).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(reading.blobs)


def _limit(size: int) -> None:
    """End this process where it takes more time than a file of so many bytes should."""
    try:
        import resource

        most = int(_SECONDS + _PER_MB * (size >> 20))
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    sys.stdout.buffer.write(described(sys.stdin.buffer.read()))
    sys.stdout.buffer.flush()
