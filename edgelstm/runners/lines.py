"""The source of text lines: CSV or JSON lines, as they come.

It cuts lines and counts them. What a line holds: `rows`. Nothing here opens files.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import InputError, UsageError
from . import Samples
from .rows import Columns, Inputs, Row, layout

#: Bytes asked for at once. A pipe gives what it has; a file gives this much, which is stepped in one call.
CHUNK = 1 << 16

#: No sample of the largest model fills a line of this many bytes.
MAX_LINE = 1 << 22


class LineSource:
    """Samples from lines of text, one a line.

    The first line tells what they are: ``[`` or ``{`` begins JSON lines (arrays, or objects keyed by input name), anything else CSV,
    with a header where its first line holds no number. An empty CSV cell and a JSON null are missing values (NaN): the
    stream's NaN policy deals with them. Blank lines at the end are ignored; before another sample they are refused, since
    a sample lost there would shift all that follow.

    Parameters
    ----------
    read : callable
        ``read(n)`` waits for at least one byte and returns what has arrived, at most n bytes; ``b""`` at the end.
    model : Model or Stream
        Says how wide a sample is and what its values are called.
    columns : sequence of int or str, optional
        Which values to take, in the model's order: positions from 0, or names in the header or in JSON objects. Default:
        by name where the model has input names and the header has them, else all columns in their order.

    Raises
    ------
    InputError
        While iterating, for a line that is no sample; all samples before it were yielded.
    UsageError
        While iterating, if `columns` asks for what the first line does not have.
    """

    def __init__(self, read: Callable[[int], bytes], model: Inputs, columns: Columns = ()) -> None:
        self._read = read
        self._model = model
        self._columns = columns
        self._row: Row | None = None
        self._blank = 0

    def __iter__(self) -> Iterator[Samples]:
        for number, lines in _bursts(self._read):
            rows: list[list[float]] = []
            first, problem = 0, None
            for line, data in enumerate(lines, number):
                try:
                    row = self._parse(data, line)
                except (InputError, UsageError) as fault:
                    problem = type(fault)(f"line {line}: {fault}")
                    break
                if row is not None:
                    rows.append(row)
                    first = first or line
            if rows:
                with np.errstate(over="ignore"):
                    values = np.array(rows, np.float64).astype(np.float32)  # (count, input_size)
                yield Samples(values, first)
            if problem is not None:
                raise problem

    def _parse(self, data: bytes, line: int) -> list[float] | None:
        """The sample on a line, or None where it holds none (blank, or a header)."""
        try:
            text = data.decode("utf-8-sig" if line == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise InputError("this is not UTF-8 text; give CSV or JSON lines in UTF-8.") from None
        if not text:
            self._blank = self._blank or line
            return None
        if self._blank:
            raise InputError(f"a sample follows the blank line {self._blank}; remove blank lines, or write NaN for what is missing.")
        if self._row is None:
            self._row = layout(text, self._model, self._columns)
            if self._row.is_header:
                return None
        return self._row.parse(text)


def _bursts(read: Callable[[int], bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """The lines that arrived together, and the number of the first of them; the last line of all may lack its line end."""
    number, tail = 1, b""
    while chunk := read(CHUNK):
        *lines, tail = (tail + chunk).split(b"\n")
        if lines:
            yield number, lines
            number += len(lines)
        if len(tail) > MAX_LINE:
            raise InputError(f"line {number}: no line end within {MAX_LINE} bytes; give CSV or JSON lines, one sample a line.")
    if tail:
        yield number, [tail]
