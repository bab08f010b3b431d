"""Parts of a JSON model, taken one by one: each is checked, and what nobody takes is named."""

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, ShapeError, UnsupportedModelError, printable
from ..files import container
from ..layers.record import MAX_SIZE

#: What JSON calls the types that are asked for.
_TYPES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    object: "there",
}


class Part:
    """An object of a JSON document and its place in it; `take` hands out its entries, `close` refuses the rest."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise ModelFileError(f"{place} must be an object; it is {printable(repr(value), 60)}. Export the model again.")
        self.place = place
        self._left: dict[str, Any] = dict(value)

    def at(self, name: str) -> str:
        """How errors call an entry."""
        return f"{self.place}{' ' if self.place else ''}{printable(name, 60)}"

    def names(self) -> list[str]:
        """The entries that are left."""
        return list(self._left)

    def entries(self) -> dict[str, Any]:
        """Those that are left, by name."""
        return dict(self._left)

    def take(self, name: str, kind: type, default: Any = ...) -> Any:
        """An entry of a type, or of any for `object`; `default` where it is absent or null.

        Raises
        ------
        ModelFileError
            If it is of another type, or absent without a default.
        """
        value = self._left.pop(name, None)
        if value is None and default is not ...:
            return default
        number = kind is float and type(value) is int and abs(value) < 1 << 1000  # JSON knows larger ones
        if value is None or (kind is not object and type(value) is not kind and not number):
            found = "missing" if value is None else printable(repr(value), 60)
            raise ModelFileError(f"{self.at(name)} must be {_TYPES[kind]}; it is {found}. Export the model again.")
        return float(value) if number else value

    def length(self, name: str) -> int:
        """How many entries a list has that is still to be taken; 0 where there is none."""
        value = self._left.get(name)
        return len(value) if isinstance(value, list) else 0

    def flag(self, name: str, default: bool) -> bool:
        """Whether something is so: true or false, or 1 or 0."""
        value = self._left.pop(name, None)
        if value is not None and (type(value) not in (bool, int) or value not in (0, 1)):
            raise ModelFileError(f"{self.at(name)} must be true or false; it is {printable(repr(value), 60)}. Export the model again.")
        return default if value is None else bool(value)

    def size(self, name: str, default: Any = ...) -> int:
        """A dimension: a whole number from 1 up."""
        value = self.take(name, int, default)
        if not 1 <= value <= MAX_SIZE:
            raise ModelFileError(f"{self.at(name)} must be from 1 to {MAX_SIZE}; it is {value}.")
        return int(value)

    def array(self, name: str, shape: Sequence[int]) -> NDArray[np.float64]:
        """An entry as an array of a shape."""
        return array(self._left.pop(name, None), shape, self.at(name))

    def drop(self, *names: str) -> None:
        """Let entries go that change no answer."""
        for name in names:
            self._left.pop(name, None)

    def close(self) -> None:
        """Refuse what nobody took.

        Raises
        ------
        UnsupportedModelError
        """
        if self._left:
            raise UnsupportedModelError(
                f"{self.place or 'the file'} holds {listed(self._left)}, of which edgelstm does not know what it does to the answers."
            )


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return printable(", ".join(names), 200)


def document(file: BinaryIO) -> Part:
    """The whole file as one object."""
    return Part(container.read_json(file.read(), "the file"), "")


def array(value: object, shape: Sequence[int], place: str) -> NDArray[np.float64]:
    """Nested lists of numbers as an array of a shape.

    Raises
    ------
    ShapeError
        If they are of another shape, or no numbers.
    """
    try:
        found = np.asarray(value)
    except ValueError:
        found = np.asarray("ragged")
    if found.dtype.kind not in "fiu":
        raise ShapeError(f"{place} must hold numbers of shape {tuple(shape)}; it is {_described(value)}.")
    if found.shape != tuple(shape):
        raise ShapeError(f"{place} must have shape {tuple(shape)} by the sizes that the file states; its numbers have shape {found.shape}.")
    return found.astype(np.float64)


def _described(value: object) -> str:
    return "missing" if value is None else "lists of unequal lengths or of other things" if isinstance(value, list) else "no list"
