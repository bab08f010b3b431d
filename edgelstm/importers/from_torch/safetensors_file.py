"""Safetensors files as named arrays, in the order of the file, each under all of its names."""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, printable
from ...files import container


def read(file: BinaryIO) -> dict[str, NDArray[np.generic]]:
    """The tensors of a file at its beginning.

    ``safetensors.torch.save_model`` keeps one name of a tied tensor and writes the others into the metadata, ``{other: kept}``;
    such a tensor is one array under each of its names.

    Raises
    ------
    ModelFileError, UnsupportedModelError
    """
    header = container.read_header(file)
    file.seek(0)
    tensors = container.read_tensors(file.read())
    document = container.read_json(header or b"{}", "the header")
    order = sorted(tensors, key=lambda name: document[name]["data_offsets"])
    arrays: dict[str, NDArray[np.generic]] = {name: container.widened(tensors[name]) for name in order}
    second = {name: kept for name, kept in (document.get("__metadata__") or {}).items() if name not in arrays}
    for name in second:
        if (kept := _end(name, second)) in arrays:
            arrays[name] = arrays[kept]
    return arrays


def _end(name: str, second: dict[str, str]) -> str:
    """The tensor that a second name leads to, through other second names."""
    for _ in second:
        if name not in second:
            return name
        name = second[name]
    if name in second:
        raise ModelFileError(f"its second names go in a circle at {printable(name, 200)!r}; save the model again.")
    return name
