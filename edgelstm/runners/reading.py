"""How lines are to be read: one record, which the command line fills and every source takes.

Texts of options become values here; what a line then holds: `rows`.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import UsageError

#: Which values of a line to take: positions from 0, or names.
Columns = Sequence[int | str]

#: Delimiters that have a name.
NAMED_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "space": " ", "pipe": "|"}


class Reading(NamedTuple):
    """How the lines of one input are read.

    Parameters
    ----------
    columns : sequence of int or str
        Which values to take, in the model's order: positions from 0, or names. Empty: by name where the model has
        input names and the input has them, else all in their order.
    header : bool or None
        Whether the first line of a CSV is a header; None looks at it.
    delimiter : str
        What stands between the cells of a CSV; a blank means any run of blanks. Empty: a comma, or a semicolon where `decimal` is a comma.
    decimal : {".", ","}
    comment : str
        Lines that begin with this text are passed over; empty: none.
    skip_lines : int
        So many lines at the top are passed over unread.
    bad_lines : {"", "stop", "skip", "missing"}
        What a line that is no sample does: stop with an error, be left out, or count as a sample whose values are all missing.
        Empty stops too, and errors do not offer the choice.
    missing : sequence of str
        Words and numbers that stand for a missing value, beside an empty cell, nan and JSON's null.
    keep : sequence of int or str
        Columns that are handed on as they are, beside the samples.
    absent : bool
        Whether a key that a JSON object lacks is a missing value.
    """

    columns: Columns = ()
    header: bool | None = None
    delimiter: str = ""
    decimal: str = "."
    comment: str = ""
    skip_lines: int = 0
    bad_lines: str = ""
    missing: Sequence[str] = ()
    keep: Columns = ()
    absent: bool = False

    @property
    def separator(self) -> str:
        """What stands between cells."""
        return self.delimiter or (";" if self.decimal == "," else ",")

    @property
    def goes_on(self) -> bool:
        """Whether a line that is no sample is survived."""
        return self.bad_lines in ("skip", "missing")


def parse_columns(text: str) -> list[int | str]:
    """``"2-4,temperature"`` as columns: positions are counted from 1 in text, from 0 in the result.

    Raises
    ------
    UsageError
        If an item is empty, or a range runs backwards or begins at 0.
    """
    columns: list[int | str] = []
    for item in _items(text, "columns", "names or numbers from 1 between commas, as in 2-4,temperature"):
        if not (span := re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", item)):
            columns.append(item)
            continue
        first, last = int(span[1]), int(span[2] or span[1])
        if not 1 <= first <= last:
            raise UsageError(f"columns: {item!r} is no range of columns; count from 1, as in 2-7.")
        columns.extend(range(first - 1, last))
    return columns


def parse_missing(text: str) -> tuple[str, ...]:
    """``"NA,null,-127"`` as words.

    Raises
    ------
    UsageError
        If an item is empty.
    """
    return tuple(_items(text, "missing", "words or numbers between commas, as in NA,null,-127"))


def _items(text: str, what: str, form: str) -> list[str]:
    items = [part.strip() for part in text.split(",")]
    if "" in items:
        raise UsageError(f"{what}: an item of {text!r} is empty; write {form}.")
    return items


def parse_delimiter(text: str) -> str:
    """One character, or its name (tab, space, comma, semicolon, pipe), as a character.

    Raises
    ------
    UsageError
        If it is longer, or could be part of a number or a quoted cell.
    """
    found = NAMED_DELIMITERS.get(text.lower(), text)
    if len(found) != 1 or found.isalnum() or found in "\"'+-._\r\n\0":
        names = ", ".join(name for name in NAMED_DELIMITERS if name.isalpha())
        raise UsageError(f"delimiter: {text!r} cannot stand between cells; give one character such as ';', or a name: {names}.")
    return found
