"""The layout of a text line: which of its cells or keys are the model's inputs, and the numbers in them.

It sees one line at a time and keeps no count of them: `lines` does.
"""

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import InputError, UsageError

#: Which values of a line to take: positions from 0, or names.
Columns = Sequence[int | str]

NAN = float("nan")


class Inputs(Protocol):
    """How wide a sample is and what its values are called: a Model or a Stream tells."""

    @property
    def input_size(self) -> int:
        """Values in a sample."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Their names; empty where they have none."""


class Row(Protocol):
    """Reads one line; made by `layout` from the first."""

    is_header: bool

    def parse(self, text: str) -> list[float]:
        """The input_size numbers on a line; NaN where one is missing."""


def parse_columns(text: str) -> Columns:
    """``"2-4,temperature"`` as columns: positions are counted from 1 in text, from 0 in the result.

    Raises
    ------
    UsageError
        If an item is empty, or a range runs backwards or begins at 0.
    """
    columns: list[int | str] = []
    for item in (part.strip() for part in text.split(",")):
        if not (span := re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", item)):
            columns.append(item)
            continue
        first, last = int(span[1]), int(span[2] or span[1])
        if not 1 <= first <= last:
            raise UsageError(f"columns: {item!r} is no range of columns; count from 1, as in 2-7.")
        columns.extend(range(first - 1, last))
    if "" in columns:
        raise UsageError(f"columns: an item of {text!r} is empty; write names or numbers from 1 between commas, as in 2-4,temperature.")
    return columns


def layout(first: str, model: Inputs, columns: Columns = ()) -> Row:
    """The layout that the first line of the input begins.

    Raises
    ------
    InputError
        If the line does not fit the model.
    UsageError
        If `columns` does not fit the line or the model.
    """
    if columns and len(columns) != model.input_size:
        raise UsageError(f"columns chooses {len(columns)} of them; the model takes {_inputs(model)}.")
    return _Json(model, columns) if first[0] in "[{" else _Csv(first, model, columns)


def _inputs(model: Inputs) -> str:
    """How errors call what a model takes."""
    names = f" ({', '.join(model.input_names)})" if 0 < len(model.input_names) <= 16 else ""
    return f"{model.input_size} value{'s' * (model.input_size > 1)} a sample{names}"


def _number(text: str) -> float:
    """Text as a number; NaN where there is none. Python's ``1_000`` is not one."""
    if not text.strip():
        return NAN
    if "_" in text:
        raise ValueError(text)
    return float(text)


def _is_number(text: str) -> bool:
    try:
        _number(text)
    except ValueError:
        return False
    return True


def _cells(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as problem:
        raise InputError(f"this is not CSV ({problem}); close every quotation mark.") from None


class _Csv:
    """Cells between commas."""

    def __init__(self, first: str, model: Inputs, columns: Columns) -> None:
        cells = [cell.strip() for cell in _cells(first)]
        self._width = len(cells)
        if beyond := [c + 1 for c in columns if isinstance(c, int) and c >= self._width]:
            raise UsageError(f"there is no column {beyond[0]}; the line has {self._width}.")
        judged = [cells[c] for c in columns if isinstance(c, int)] or cells
        self.is_header = any(judged) and not any(_is_number(cell) for cell in judged if cell)
        names = cells if self.is_header else []
        self._pick = [c if isinstance(c, int) else _find(c, names) for c in columns] or _default_columns(names, self._width, model)

    def parse(self, text: str) -> list[float]:
        cells = _cells(text)
        if len(cells) != self._width:
            raise InputError(f"{len(cells)} columns, where the first line has {self._width}; repair or remove the line.")
        if "_" not in text:
            try:
                return [float(cells[i]) for i in self._pick]
            except ValueError:
                pass
        return [_cell(cells[i], i) for i in self._pick]


def _cell(text: str, position: int) -> float:
    try:
        return _number(text)
    except ValueError:
        raise InputError(f"column {position + 1} holds {_quoted(text.strip())}, not a number; repair or remove the line.") from None


def _quoted(value: object) -> str:
    """A value as errors show it: printable, and not long."""
    text = ascii(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _find(name: str, names: Sequence[str]) -> int:
    if not names:
        raise UsageError(f"column {_quoted(name)} is chosen by name, but the first line is no header; say --columns with numbers, from 1.")
    if names.count(name) != 1:
        found = "more than once" if name in names else "not"
        raise UsageError(f"column {_quoted(name)} is {found} in the header ({_listed(names)}); say --columns with numbers, from 1.")
    return names.index(name)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_quoted(name) for name in names[:16])
    return shown + ", …" * (len(names) > 16)


def _default_columns(names: Sequence[str], width: int, model: Inputs) -> list[int]:
    """Where the model's inputs are, when nobody says."""
    missing = [name for name in model.input_names if name not in names]
    if model.input_names and not missing:
        return [_find(name, names) for name in model.input_names]
    if names and missing and len(missing) < len(model.input_names):
        raise InputError(f"the header lacks {_listed(missing)}; it has {_listed(names)}. Rename them or say --columns.")
    if width != model.input_size:
        raise InputError(f"{width} column{'s' * (width != 1)}, but the model takes {_inputs(model)}; say which, for example --columns 2-7.")
    return list(range(width))


class _Json:
    """One JSON value a line: an array, or an object with named values."""

    is_header = False

    def __init__(self, model: Inputs, columns: Columns) -> None:
        self._model = model
        self._columns = columns

    def parse(self, text: str) -> list[float]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError("this is not one JSON value; write one array or object a line.") from None
        return [_json_number(*item) for item in self._items(value)]

    def _items(self, value: Any) -> list[tuple[object, Any]]:
        """The model's inputs in a line: (key, value) each."""
        kind: type
        columns, given = self._columns, value
        if isinstance(value, dict):
            kind, columns = str, columns or self._model.input_names
            if not columns:
                raise InputError("this is an object, but the model has no input names; write arrays, or say --columns with names.")
        elif isinstance(value, list):
            kind, given = int, range(len(value))
            if not columns and len(value) != self._model.input_size:
                raise InputError(f"{len(value)} value{'s' * (len(value) != 1)}, but the model takes {_inputs(self._model)}.")
        else:
            raise InputError(f"expected an array or an object; got {_quoted(value)}.")
        columns = columns or given
        if absent := [c for c in columns if not isinstance(c, kind) or c not in given]:
            raise InputError(f"{_place(absent[0])} is not in this {type(value).__name__}; repair or remove the line.")
        return [(c, value[c]) for c in columns]


def _place(key: object) -> str:
    """How errors call a place in a JSON value; positions count from 1, as in --columns."""
    return f"value {key + 1}" if isinstance(key, int) else f"the value {_quoted(key)}"


def _json_number(key: object, value: Any) -> float:
    if value is None:
        return NAN
    if type(value) not in (int, float):
        raise InputError(f"{_place(key)} is {_quoted(value)}, not a number; repair or remove the line.")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{_place(key)} is beyond any float; repair or remove the line.") from None
