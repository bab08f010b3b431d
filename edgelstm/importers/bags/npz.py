"""``.npz`` files as named arrays: a zip of ``.npy`` entries, each a header and numbers.

Source: ``numpy/lib/format.py``. Entries are read only if their headers agree with their sizes; objects never are.
"""

import io
import math
import tokenize
import zipfile
import zlib
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import ModelFileError, UnsupportedModelError, printable

#: Most bytes that all arrays may have together.
MAX_BYTES = 1 << 28

#: Bytes that arrays may have beyond the file's, and then as many times as much: compressed weights are seldom half of what they were.
FREE_BYTES, RATIO = 1 << 26, 4

_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError, RuntimeError, ValueError, TypeError, SyntaxError),
    tokenize.TokenError,
)


def read(file: BinaryIO) -> dict[str, NDArray[np.generic]]:
    """The arrays of a file at its beginning, by their names without ``.npy``, in the order of the file.

    Raises
    ------
    ModelFileError
        If the zip or an entry is damaged, or larger than is read.
    UnsupportedModelError
        If an entry holds Python objects.
    """
    try:
        archive = zipfile.ZipFile(file)
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        size, most = sum(entry.file_size for entry in entries), min(MAX_BYTES, FREE_BYTES + RATIO * file.seek(0, io.SEEK_END))
        if size > most:
            raise ModelFileError(f"holds arrays of {size} bytes together; of a file of this size edgelstm reads {most}.")
        arrays = {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries}
    except _DAMAGE as problem:
        raise ModelFileError(f"is a damaged archive ({printable(problem, 200)}); copy or save the file again.") from None
    if len(arrays) != len(entries):
        raise ModelFileError("has two arrays of one name; save it again with np.savez.")
    return arrays


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[np.generic]:
    with archive.open(entry) as stream:
        data = stream.read(entry.file_size)
    if len(data) != entry.file_size:
        raise ValueError(f"{printable(entry.filename, 60)} ends early")
    header = io.BytesIO(data)
    reading = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, fortran, dtype = reading[npy.read_magic(header)](header)
    if dtype.hasobject:
        name = printable(entry.filename.removesuffix(".npy"), 60)
        raise UnsupportedModelError(f"array {name!r} holds Python objects, which are not read; save it as numbers.")
    if any(type(n) is not int or n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(data) - header.tell():
        raise ValueError(f"{printable(entry.filename, 60)} of shape {shape} has {len(data) - header.tell()} bytes")
    return np.frombuffer(data, dtype, offset=header.tell()).reshape(shape, order="F" if fortran else "C")
