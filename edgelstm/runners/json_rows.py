"""JSON lines: an array, or an object with named values, nested ones under names with dots."""

import json
from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from .names import find, listed
from .reading import Columns, Reading
from .rows import Inputs, inputs_of
from .values import NAN, Numbers, json_shown, shown

#: Stands for a key that is not there.
_ABSENT = object()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are unique: of two values under one name, none is more right."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise InputError(f"the object names {shown(next(n for n in names if names.count(n) > 1))} twice; repair or remove the line.")
    return found


class JsonRow:
    """One JSON value a line."""

    def __init__(self, model: Inputs, reading: Reading) -> None:
        self._model, self._reading = model, reading
        self._numbers = Numbers(reading)
        self._paths: dict[str, tuple[str, ...]] = {}
        self.header = self.note = ""
        self.samples = 0
        self.kept_names: Sequence[str] = [c if isinstance(c, str) else f"column{c + 1}" for c in reading.keep]

    def parse(self, text: str) -> tuple[list[float], list[Any]]:
        """The input_size numbers on a line, NaN where one is missing, and the values that are kept."""
        try:
            value = json.loads(text, object_pairs_hook=_once)
        except InputError:
            raise
        except (ValueError, RecursionError):
            raise InputError("this is not one JSON value; write one array or object a line (jq -c . does).") from None
        if not isinstance(value, dict | list):
            raise InputError(f"expected an array or an object; got {json_shown(value)}.")
        columns = self._reading.columns or self._default(value)
        found = self._look_up(value, columns)
        absent = [c for c, item in zip(columns, found, strict=True) if item is _ABSENT]
        known = self.samples > 0 or len(absent) < len(columns)
        if absent and not (known and self._reading.absent and isinstance(value, dict)):
            kind = "object" if isinstance(value, dict) else "array"
            raise InputError(f"{_place(absent[0])} is not in this {kind}; repair or remove the line.")
        values = [NAN if item is _ABSENT else self._numbers.item(_place(c), item) for c, item in zip(columns, found, strict=True)]
        kept = [None if item is _ABSENT else item for item in self._look_up(value, self._reading.keep)]
        self.samples += 1
        return values, kept

    def _default(self, value: dict[str, Any] | list[Any]) -> Columns:
        """The columns of a line when nobody says."""
        size = self._model.input_size
        if isinstance(value, dict):
            if not self._model.input_names:
                raise InputError("this is an object, but the model has no input names; write arrays, or say --columns with names.")
            return self._model.input_names
        if value and all(isinstance(item, dict | list) for item in value):
            raise InputError(
                f"this line holds {len(value)} sample{'s' * (len(value) != 1)} in one array; write one sample a line (jq -c '.[]' does)."
            )
        if len(value) != size:
            raise InputError(f"{len(value)} value{'s' * (len(value) != 1)}, but the model takes {inputs_of(self._model)}.")
        return range(size)

    def _look_up(self, value: dict[str, Any] | list[Any], columns: Columns) -> list[Any]:
        if isinstance(value, list):
            return [value[c] if isinstance(c, int) and c < len(value) else _ABSENT for c in columns]
        found = [_follow(value, self._paths.get(c, (c,))) if isinstance(c, str) else _ABSENT for c in columns]
        lost = [c for c, item in zip(columns, found, strict=True) if item is _ABSENT and isinstance(c, str)]
        if lost:
            self._learn(value, lost, [c for c in columns if isinstance(c, str)])
            found = [
                _follow(value, self._paths.get(c, (c,))) if item is _ABSENT and isinstance(c, str) else item
                for c, item in zip(columns, found, strict=True)
            ]
        return found

    def _learn(self, value: dict[str, Any], lost: Sequence[str], wanted: Sequence[str]) -> None:
        """Find names that are no keys of the object: nested, or spelled another way."""
        paths = _paths(value)
        dotted = [".".join(path) for path in paths]
        for name, places in zip(wanted, find(wanted, dotted), strict=True):
            if name not in lost:
                continue
            if len(places) > 1:
                raise InputError(
                    f"{shown(name)} could be more than one value of the object ({listed([dotted[i] for i in places])}); say --columns."
                )
            if places:
                self._paths[name] = paths[places[0]]

    def repeats_header(self, text: str) -> bool:
        """JSON lines have no header."""
        return False

    def begins_anew(self, text: str, *, whole: bool) -> bool:
        """Every line has its own names."""
        return False

    def reads_as(self, other: object) -> bool:
        """Names are looked up in each line."""
        return isinstance(other, JsonRow)

    def quick(self, lines: Sequence[bytes]) -> None:
        """Every line is looked at."""


def _follow(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _paths(value: dict[str, Any]) -> list[tuple[str, ...]]:
    """Where the values of an object lie that are no objects themselves."""
    found: list[tuple[str, ...]] = []
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), value)]
    while waiting:
        path, inner = waiting.pop()
        for key, item in inner.items():
            if isinstance(item, dict):
                waiting.append(((*path, key), item))
            else:
                found.append((*path, key))
    return found


def _place(key: object) -> str:
    """How errors call a place in a JSON value; positions count from 1, as in --columns."""
    return f"value {key + 1}" if isinstance(key, int) else f"the value {shown(key)}"
