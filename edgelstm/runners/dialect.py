"""How a line of text is cut into cells, and what a line that does not fit looks like: the hint that its error bears."""

import csv
from collections.abc import Callable, Sequence

from ..errors import InputError
from .names import find
from .reading import Reading
from .values import Numbers, has_decimal_comma

Cut = Callable[[str], list[str]]

#: How errors spell a delimiter for a shell.
SPELLED = {";": "';'", "\t": "tab", "|": "'|'", " ": "space", ",": ","}

#: What comment lines begin with.
COMMENT_SIGNS = ("#", "%", "//", ";", "!", "*")


def cutter(delimiter: str) -> Cut:
    """A function that cuts a line at `delimiter`; quoted cells may hold it."""
    if delimiter == " ":
        return lambda text: _quoted_cells(" ".join(text.split()), " ") if '"' in text else text.split()
    return lambda text: _quoted_cells(text, delimiter) if '"' in text else text.split(delimiter)


def _quoted_cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as problem:
        said = str(problem).replace("\t", "a tab")
        raise InputError(f"this is not CSV ({said}); close every quotation mark, and write no line end within a cell.") from None


def foreign(text: str, reading: Reading, names: Sequence[str] = ()) -> str:
    """A hint on the delimiter of a line that seems to be cut by another one than it is read with; empty where none is seen.

    `names` are those that its cells may have.
    """
    for delimiter, spelled in SPELLED.items():
        cells = [] if delimiter == reading.separator else _cells(text, delimiter)
        across = [cell for cell in cells if reading.separator in cell]
        if len(cells) < 2 or not all(reading.separator == "," and has_decimal_comma(cell) for cell in across):
            continue
        if delimiter == " " and not _are_cells(cells, reading, names):
            continue
        comma = delimiter != "," and reading.decimal != "," and any(map(has_decimal_comma, cells))
        asked = f"--delimiter {spelled}" + " --decimal ," * comma
        return f" Cells seem to be separated by {_called(delimiter)}{', with decimal commas' * comma}: say {asked}."
    return ""


def _are_cells(words: Sequence[str], reading: Reading, names: Sequence[str]) -> bool:
    """Whether words between blanks are more than a sentence: one is a number, or a name that is looked for."""
    numbers = Numbers(reading)
    return any(numbers.of(word) is not None or has_decimal_comma(word) for word in words) or any(find(names, words))


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return cutter(delimiter)(text.strip())
    except InputError:
        return []


def _called(delimiter: str) -> str:
    return {"\t": "tabs", " ": "blanks"}.get(delimiter, f"'{delimiter}'")


def cuts_numbers(text: str, reading: Reading) -> bool:
    """Whether reading a line as asked would take the digits behind a decimal comma for a cell of their own."""
    if reading.delimiter or reading.decimal == ",":
        return False
    for delimiter in (";", "\t", "|"):
        cells = _cells(text, delimiter)
        across = [cell for cell in cells if "," in cell]
        if len(cells) > 1 and across and all(map(has_decimal_comma, across)):
            return True
    return False


def oddity(text: str, reading: Reading) -> str:
    """A hint on a line that is no sample at all: a comment, half of a JSON line; empty where nothing is seen."""
    if "\r" in text:
        return " Its lines end in CR alone, as old programs write them: tr '\\r' '\\n' makes lines of them."
    if text.startswith("sep=") and len(text) == len("sep=;"):
        return f" It is Excel's word on what separates cells: say --skip-lines 1 --delimiter {SPELLED.get(text[-1], text[-1])}."
    bare = text.lstrip('"')
    sign = next((sign for sign in COMMENT_SIGNS if bare.startswith(sign) and sign != reading.separator), "")
    if sign and not reading.comment:
        return f" This looks like a comment: --comment '{sign}' passes over such lines."
    if text.endswith(("}", "]")) and any(text.count(end) > text.count(begin) for begin, end in ("{}", "[]")):
        return " This looks like the end of a JSON line, whose beginning is lost."
    return ""


def counted(cells: Sequence[str]) -> bool:
    """Whether cells count 0, 1, 2, …, perhaps behind one that is empty or a word: the header of a table without names."""
    if len(cells) < 2:
        return False
    behind = not cells[0].strip("0123456789") and cells[0] != ""
    rest = list(cells) if behind else list(cells[1:])
    return len(rest) > 1 and rest == [str(i) for i in range(len(rest))]
