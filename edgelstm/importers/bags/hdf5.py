"""HDF5 files as named arrays: every data set of floating-point numbers by the path of groups that leads to it."""

from math import prod
from typing import Any, BinaryIO

from numpy.typing import NDArray

from ...errors import ModelFileError
from ..hdf5 import opened

#: Most numbers that all data sets may have together.
MAX_NUMBERS = 1 << 26


def read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of a file at its beginning, in the order of Keras' layers where it has one; optimizer states are passed over.

    Raises
    ------
    ModelFileError
        If the file is damaged, larger than is read, or has links to other files.
    UnsupportedModelError
        If h5py is not installed.
    """
    root = opened(file)
    paths = [path for path in root.walk() if "optimizer" not in path.partition("/")[0] and root.is_float(path)]
    if sum(prod(root.shape(path)) for path in paths) > MAX_NUMBERS:
        raise ModelFileError(f"holds arrays of more than {MAX_NUMBERS} numbers together; edgelstm reads no such models.")
    layers = {name: place for place, name in enumerate(root.texts("layer_names") or [])}
    return {path: root.numbers(path) for path in sorted(paths, key=lambda path: (layers.get(path.partition("/")[0], -1), path))}
