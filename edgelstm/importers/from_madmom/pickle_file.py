"""A pickle of madmom as a tree of things, each with the attributes that it was pickled with. Nothing of madmom is needed or run."""

from collections.abc import Callable
from typing import Any, BinaryIO

from ..pickles import arrays
from ..pickles.reader import Global, Reader, Thing

_ADVICE = "edgelstm reads networks of madmom.ml.nn and runs no code."


def read(file: BinaryIO) -> object:
    """The pickled object: a `Thing` by the name of its class.

    Raises
    ------
    ModelFileError
        If the pickle is damaged, or names what is neither madmom's nor NumPy's.
    """
    builders: dict[str, Callable[..., object]] = {**arrays.BUILDERS, **dict.fromkeys(_RECONSTRUCTORS, _reconstructed)}
    reader = Reader(builders, arrays.CONSTANTS | {"builtins.object"}, classes="madmom.", advice=_ADVICE)
    return reader.read(arrays.limited(file))


def kind_of(value: object) -> str:
    """The name of a thing's class, or of a function, without its module; empty for what is neither."""
    return value.name.rpartition(".")[2] if isinstance(value, Thing | Global) else ""


_RECONSTRUCTORS = ("copy_reg._reconstructor", "copyreg._reconstructor")


def _reconstructed(cls: Any, *_: object) -> Thing:
    """An object of protocols 0 and 1: ``copyreg._reconstructor(cls, object, None)``."""
    if not isinstance(cls, Global):
        raise ValueError("an object has no class")
    return Thing(cls.name)
