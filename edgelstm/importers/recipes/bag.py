"""A bag of named tensors, whatever file they came in, and which of them were taken."""

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, ShapeError, UnsupportedModelError, UsageError, printable
from ..chain import listed
from ..from_torch.tensors import Named, assembled


def _read(name: str) -> Callable[[BinaryIO], object]:
    """What reads a format, by its file."""
    return lambda file: import_module(f"{_IMPORTERS}.{name}").read(file)


def _msgpack(file: BinaryIO) -> object:
    from ..bags.msgpack_file import read

    return read(file.read())


#: The package of the importers.
_IMPORTERS = __package__.rpartition(".")[0]

#: The formats whose tensors a recipe can name, as `sniff` calls them: their content as dicts and lists of tensors.
FORMATS: dict[str, Callable[[BinaryIO], object]] = {
    "PyTorch": _read("from_torch.archive"),
    "safetensors": _read("from_torch.safetensors_file"),
    "NumPy (npz)": _read("bags.npz"),
    "NumPy (pickle)": _read("pickles.arrays"),
    "Flax (MessagePack)": _msgpack,
    "JSON (named arrays)": _read("bags.json_file"),
    "Keras (HDF5)": _read("bags.hdf5"),
}


def tensors(file: BinaryIO, found: str) -> dict[str, Named]:
    """All tensors of a file by their names, those in dicts and lists behind a dot; pruned and weight-normed weights as one.

    Parameters
    ----------
    file
    found : str
        Its format, as `sniff` calls it.

    Raises
    ------
    ModelFileError
        If the file is damaged, or holds no tensors.
    UnsupportedModelError
        If its format is no bag of named tensors.
    """
    from ..from_torch.state_dict import tensors_of

    if found not in FORMATS:
        from ..readers import READERS

        more = " It says itself what its layers are: convert it without one." if found in READERS else ""
        raise UnsupportedModelError(f"is a file of {found}; recipes are for named tensors: {', '.join(FORMATS)}.{more}")
    file.seek(0)
    named = assembled(tensors_of(FORMATS[found](file)))
    if not named:
        raise ModelFileError("holds no named arrays.")
    return named


class Bag:
    """Named tensors, of which each is to be taken once.

    Parameters
    ----------
    tensors : mapping of str to array
    """

    def __init__(self, tensors: Mapping[str, Named]) -> None:
        self.tensors = dict(tensors)
        self._left = dict.fromkeys(tensors)

    def leave_out(self, names: Iterable[str]) -> list[str]:
        """Leave out tensors of these names, or below them; ``*`` stands for any text. Returns their full names.

        Raises
        ------
        UsageError
            If there is none of a name.
        """
        gone = []
        for name in names:
            here = [full for full in self.tensors if full == name or full.startswith((f"{name}.", f"{name}/"))]
            here = here or ([full for full in self.tensors if fnmatch.fnmatchcase(full, name)] if "*" in name else [])
            if not here:
                raise UsageError(f"the recipe leaves out {name!r}, which the file does not hold; it holds {listed(list(self.tensors))}.")
            gone += here
        for full in gone:
            self._left.pop(full, None)
        return gone

    def below(self, prefix: str) -> dict[str, str]:
        """The full names of what is below `prefix`, by what follows its dot or slash, without Keras 2's ``:0`` at the end."""
        starts = (f"{prefix}.", f"{prefix}/") if prefix else ("",)
        found = {full[len(start) :]: full for start in starts for full in self.tensors if full.startswith(start)}
        return {name.removesuffix(":0"): full for name, full in found.items()}

    def take(self, name: str, place: str) -> NDArray[Any]:
        """The numbers of a tensor.

        Raises
        ------
        UsageError
            If there is none of that name.
        UnsupportedModelError
            If it holds no floating-point numbers.
        """
        if name not in self.tensors:
            near = difflib.get_close_matches(name, self.tensors, 3) or list(self.tensors)
            raise UsageError(f"{place} takes {printable(name, 100)!r}, which the file does not hold; it holds {listed(near)}.")
        self._left.pop(name, None)
        try:
            array: NDArray[Any] = np.asarray(self.tensors[name])
        except (ModelFileError, UnsupportedModelError, ShapeError) as problem:
            raise type(problem)(f"tensor {name!r}: {problem}") from None
        if array.dtype.kind != "f":
            raise UnsupportedModelError(f"{place} takes {printable(name, 100)!r} of dtype {array.dtype}; weights must be floating-point.")
        return array

    def refuse_leftovers(self) -> None:
        """Raise UsageError if a tensor was neither taken nor left out."""
        if left := [f"{name} {tuple(self.tensors[name].shape)}" for name in self._left]:
            raise UsageError(
                f'the recipe does not say what becomes of {listed(left)}; give each to a layer, or leave it out: without = ["NAME"].'
            )
