"""HDF5 files as named arrays: every data set of floating-point numbers by the path of groups that leads to it."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable

#: Most bytes that all data sets may have together, and most objects that a file may hold.
MAX_BYTES, _MAX_OBJECTS = 1 << 28, 1 << 14


def read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of a file at its beginning. Links that leave the file are not followed; optimizer states are passed over.

    Raises
    ------
    ModelFileError
        If the file is damaged, or larger than is read.
    UnsupportedModelError
        If h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedModelError("is HDF5, which needs h5py: pip install 'edgelstm[convert]'.") from None
    try:
        with h5py.File(file, "r") as opened:
            return _arrays(h5py, opened)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as problem:
        raise ModelFileError(f"is damaged HDF5 ({printable(problem, 200)}); copy or save the file again.") from None


def _arrays(h5py: Any, opened: Any) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    waiting, met, size = [("", opened)], 0, 0
    while waiting:
        path, group = waiting.pop()
        for name in group:
            met += 1
            if met > _MAX_OBJECTS:
                raise ModelFileError(f"holds more than {_MAX_OBJECTS} objects; edgelstm reads no such models.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink) or name.startswith("optimizer"):
                continue
            child, full = group[name], f"{path}/{name}".removeprefix("/")
            if isinstance(child, h5py.Group):
                if full.count("/") < 20:
                    waiting.append((full, child))
                continue
            size += child.size * child.dtype.itemsize if child.size else 0
            if size > MAX_BYTES:
                raise ModelFileError(f"holds arrays of more than {MAX_BYTES} bytes together; edgelstm reads no such models.")
            if child.dtype.kind == "f" and child.id.get_create_plist().get_external_count() == 0:
                found[full] = np.asarray(child[()])
    return dict(sorted(found.items()))
