"""Text and JSON values -> numbers: decimal comma, words for what is missing, and errors that name the option to use."""

import json
import re
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .reading import Reading

NAN = float("nan")

#: Words that loggers write where a value is missing. None of them is a number or a name; --missing says that they mean it.
_MISSING_WORDS = """
na n/a #n/a <na> nan null none nil missing - -- --- ---- . ? ?? err error #err fail failed invalid unavailable unknown undefined void
#value! #div/0! #null! #num! 1.#ind -1.#ind 1.#qnan -1.#qnan 1.#inf -1.#inf inf -inf +inf overflow ovf
"""
MISSING_WORDS = frozenset(_MISSING_WORDS.split())

#: What may be thousands: 1,013 or 1,013.25.
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


class Numbers:
    """Reads numbers as a `Reading` says."""

    def __init__(self, reading: Reading) -> None:
        self._comma = reading.decimal == ","
        self._words = frozenset(word.casefold() for word in reading.missing)
        self._numbers = [value for word in reading.missing if (value := _float(word)) is not None and not isnan(value)]

    def of(self, text: str) -> float | None:
        """A cell as a number, NaN where it is a missing value; None where it is neither."""
        text = text.strip()
        if not text or text.casefold() in self._words:
            return NAN
        if self._comma:
            if "." in text:
                return None
            text = text.replace(",", ".")
        return _float(text)

    def cell(self, text: str, position: int) -> float:
        """A cell of the column at `position` (from 0) as a number.

        Raises
        ------
        InputError
            If it holds none; the message names the option that reads it, if there is one.
        """
        value = self.of(text)
        if value is None:
            raise InputError(f"column {position + 1} holds {shown(text.strip())}, not a number; {self._advice(text.strip())}.")
        return value

    def item(self, place: str, value: Any) -> float:
        """A JSON value as a number; numbers may stand in quotes. `place` is what errors call it."""
        if value is None:
            return NAN
        if isinstance(value, str):
            number = self.of(value)
            if number is None:
                raise InputError(f"{place} is {shown(value)}, not a number; {self._advice(value.strip())}.")
            return number
        if type(value) not in (int, float):
            raise InputError(f"{place} is {json_shown(value)}, not a number; repair or remove the line.")
        try:
            return float(value)
        except OverflowError:
            raise InputError(f"{place} is beyond any float; repair or remove the line.") from None

    def blank_out(self, values: NDArray[np.float64]) -> None:
        """Put NaN where `values` are numbers that stand for a missing one."""
        if self._numbers:
            values[np.isin(values, self._numbers)] = NAN

    def means_nothing(self, text: str) -> bool:
        """Whether a cell is empty or a word for a missing value, asked for or not."""
        return not text or text.casefold() in MISSING_WORDS or text.casefold() in self._words

    def _advice(self, text: str) -> str:
        if text.casefold() in MISSING_WORDS:
            return f"say --missing {text} if that is a missing value" if re.fullmatch(r"[\w.-]+", text) else f"say --missing '{text}'"
        if not self._comma and _GROUPED.fullmatch(text):
            comma = "; say --decimal , if it separates decimals" * (_DECIMAL_COMMA.fullmatch(text) is not None)
            return f"write numbers without the comma if it groups thousands{comma}"
        if not self._comma and _DECIMAL_COMMA.fullmatch(text):
            return "say --decimal , where a comma separates decimals"
        if self._comma and "." in text and _float(text.replace(",", "")) is not None:
            return "with --decimal , a number has no point; leave that option out, or remove what groups thousands"
        return "repair or remove the line"


def _float(text: str) -> float | None:
    """Text as a number, if it is one. Python's ``1_000`` is not."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def has_decimal_comma(text: str) -> bool:
    """Whether a cell is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None


def shown(value: object) -> str:
    """A value as errors show it: printable, and not long."""
    return _short(ascii(value))


def json_shown(value: object) -> str:
    """A JSON value as errors show it, in JSON's own words."""
    return _short(json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
