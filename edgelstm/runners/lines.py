"""The source of text lines: CSV or JSON lines, as they come.

It cuts lines, counts them, and decides what becomes of those that are no samples. What a line holds: `csv_rows`, `json_rows`.
Nothing here opens files.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import InputError, UsageError
from . import Samples
from .counts import LineCount
from .csv_rows import CsvRow
from .json_rows import JsonRow
from .names import find
from .reading import Reading
from .rows import Inputs, NoSample, NoText, Refused, Row, check_columns
from .text import is_text, text_of
from .values import NAN, Numbers

#: Bytes asked for at once. A pipe gives what it has; a file gives this much, which is stepped in one call.
CHUNK = 1 << 16

#: No sample of the largest model fills a line of this many bytes.
MAX_LINE = 1 << 22


def _say_nothing(note: str) -> None:
    pass


class LineSource:
    r"""Samples from lines of text, one a line.

    The first line tells what they are: ``[`` or ``{`` begins JSON lines (arrays, or objects keyed by input name), anything else CSV,
    with a header where its first line holds no number. An empty CSV cell and a JSON null are missing values (NaN): the
    stream's NaN policy deals with them. Blank lines at the end are ignored; before another sample they are bad lines, since
    a sample lost there would shift all that follow. A line that is the header again is passed over.

    Parameters
    ----------
    read : callable
        ``read(n)`` waits for at least one byte and returns what has arrived, at most n bytes; ``b""`` at the end.
    model : Model or Stream
        Says how wide a sample is and what its values are called.
    reading : Reading
        How lines are read, and what a bad one does.
    live : bool
        Whether the input is a terminal device, whose blank lines are what its driver makes of ``\r\n``: they are ignored.
    note : callable
        Takes a sentence when the first line was understood in a way that should be known.
    file : str
        Name of the input, where errors shall bear it.

    Attributes
    ----------
    bad, repeated : LineCount
        Lines that were passed over or taken for missing samples, and lines that were the header again.
    fault : str
        What was wrong with the first bad line.
    samples : int
        Yielded so far.

    Raises
    ------
    InputError
        While iterating, for a line that is no sample, if `reading` says to stop there; all samples before it were yielded. Also at
        the end, if every line was bad.
    UsageError
        While iterating, if columns are asked for that the first line does not have.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        model: Inputs,
        reading: Reading = Reading(),  # noqa: B008
        *,
        live: bool = False,
        note: Callable[[str], None] = _say_nothing,
        file: str = "",
    ) -> None:
        self._read, self._model, self._reading = read, model, reading
        self._live, self._note, self.file = live, note, file
        self._numbers = Numbers(reading)
        self._closer_look = [b'"', b"_", b"\0", b"\xef\xbb\xbf", *([reading.comment.encode()] if reading.comment else [])]
        self._blanks = " \r\n" if reading.separator == "\t" else None
        self._row: Row | None = None
        self._moved = False
        self._blank: list[int] = []
        self.bad, self.repeated = LineCount(), LineCount()
        self.fault = ""
        self.samples = 0

    @property
    def kept_names(self) -> Sequence[str]:
        """What the kept columns are called; known from the first sample on."""
        return self._row.kept_names if self._row else ()

    @property
    def seen(self) -> Sequence[tuple[int, int]]:
        """Nothing comes twice."""
        return ()

    def remarks(self) -> Iterator[str]:
        """Nothing else is out of the ordinary."""
        yield from ()

    def close(self) -> None:
        """Whoever opened the file closes it."""

    def __iter__(self) -> Iterator[Samples]:
        check_columns(self._model, self._reading)
        for number, block in _bursts(self._read, self._where):
            burst = self._quick(number, block) or self._carefully(number, block)
            if burst.rows:
                values = np.array(burst.rows, np.float64)  # (count, input_size)
                self._numbers.blank_out(values)
                with np.errstate(over="ignore"):
                    samples = Samples(values.astype(np.float32), burst.lines, burst.kept, self.file)
                self.samples += len(values)
                yield samples
            if burst.problem is not None:
                raise burst.problem
        if self.bad.count and not self.samples:
            raise InputError(f"no line is a sample; the first bad one: {self.fault}")

    def _where(self, line: int) -> str:
        return f"{self.file}: line {line}" if self.file else f"line {line}"

    def _quick(self, number: int, block: bytes) -> "_Burst | None":
        """All lines of a block at once, where none needs a closer look."""
        odd = any(mark in block for mark in self._closer_look)
        if self._row is None or self._blank or odd or number <= self._reading.skip_lines or not is_text(block):
            return None
        lines = block.split(b"\n")
        found = self._row.quick(lines)
        return found and _Burst(*found, range(number, number + len(lines)))

    def _carefully(self, number: int, block: bytes) -> "_Burst":
        burst = _Burst([], [], [])
        for line, data in enumerate(block.split(b"\n"), number):
            try:
                self._take(data, line, burst)
            except (InputError, UsageError) as fault:
                if self._reading.goes_on and not isinstance(fault, Refused) and self._hides_header(data):
                    fault = Refused(f"{fault} It names inputs, so it is not skipped: repair it, or say --columns with numbers.")
                if isinstance(fault, Refused) or not self._reading.goes_on:
                    burst.problem = type(fault)(f"{self._where(line)}: {fault}{self._way_on(fault)}")
                    break
                self._pass_over([line], fault, burst)
        return burst

    def _hides_header(self, data: bytes) -> bool:
        """Whether a line that cannot be read, before the first that can, names inputs: without it a file's columns would go by position."""
        if self._row is not None or self._live or self._reading.columns:
            return False
        cells = [cell.strip(" \"'") for cell in re.split("[,;\t|]", data.decode("latin-1").replace("\0", ""))]
        return any(find(self._model.input_names, cells))

    def _way_on(self, fault: Exception) -> str:
        """What an error about a line advises beside repairing it."""
        if self._reading.bad_lines != "stop" or isinstance(fault, Refused | UsageError | NoText) or "--" in str(fault):
            return ""
        return " --bad-lines skip goes on without such lines" + (
            "." if isinstance(fault, NoSample) else ", --bad-lines missing holds their place."
        )

    def _pass_over(self, lines: Sequence[int], fault: Exception, burst: "_Burst") -> None:
        """Count bad lines; where they shall be missing samples, and are no mere decoration, let them be that.

        The first one of an input without end is told at once: nobody may be there at the end.
        """
        if not self.fault:
            self.fault = f"{self._where(lines[0])}: {fault}"
            if self._live:
                self._note(f"{self.fault} The run goes on.")
        self.bad.add(lines, self.file)
        if self._reading.bad_lines == "missing" and self._row is not None and not isinstance(fault, NoSample):
            for line in lines:
                burst.add(line, [NAN] * self._model.input_size, [None] * len(self._row.kept_names))

    def _take(self, data: bytes, line: int, burst: "_Burst") -> None:
        """Add the sample on a line to the burst, if it holds one."""
        if line <= self._reading.skip_lines:
            return
        text = text_of(data, first=line == 1).strip(self._blanks)
        if not text:
            if not self._live:
                self._blank.append(line)
            return
        if self._reading.comment and text.startswith(self._reading.comment):
            return
        self._settle_blank_lines(burst)
        if self._row is not None and self._row.repeats_header(text):
            self.repeated.add([line], self.file)
            return
        if self._row is None:
            self._row = self._laid_out(text, line)
            if self._row.note:
                self._note(self.file + ": " * bool(self.file) + self._row.note)
            if self._row.header:
                return
        try:
            parsed = self._parsed(text, line)
        except InputError:
            if not self._row.begins_anew(text, whole=self._live):
                raise
            self._lay_out_anew(text, line)
        else:
            burst.add(line, *parsed)

    def _lay_out_anew(self, text: str, line: int) -> None:
        """Read all that follows by another header."""
        try:
            row = CsvRow(text, line, self._model, self._reading)
        except (InputError, UsageError) as fault:
            raise Refused(f"this is another header, and {fault}") from None
        if self._row is not None and row.reads_as(self._row):
            self.repeated.add([line], self.file)
        elif not self._moved:
            self._moved = True
            self._note(f"{self._where(line)} is another header: from there on columns are where it says.")
        self._row = row

    def _settle_blank_lines(self, burst: "_Burst") -> None:
        """Blank lines are bad ones as soon as something follows them."""
        if not self._blank:
            return
        fault = InputError(
            f"a sample follows the blank line {self._blank[0]}; remove blank lines, or write NaN for what is missing. A serial line that "
            "sends them needs: stty -F PORT raw."
        )
        if not self._reading.goes_on:
            raise fault
        blank, self._blank = self._blank, []
        self._pass_over(blank, fault, burst)

    def _laid_out(self, text: str, line: int) -> Row:
        """What the first line begins."""
        reading = self._reading
        row: Row
        if text[0] in "[{" and not reading.header and not reading.delimiter:
            if reading.header is False:
                raise UsageError("--header is for CSV, and these are JSON lines; leave it out.")
            row = JsonRow(self._model, reading)
        else:
            row = CsvRow(text, line, self._model, reading)
        return row

    def _parsed(self, text: str, line: int) -> tuple[list[float], list[Any]]:
        """The sample on a line. A first line that no other one is like may itself have been the bad one: then this line begins anew."""
        row = self._row
        assert row is not None
        try:
            return row.parse(text)
        except NoSample:
            raise
        except InputError:
            if not self._reading.goes_on or row.samples > 1 or (row.header and not row.note):
                raise
            with suppress(InputError, UsageError):
                other = self._laid_out(text, line)
                if not other.header:
                    parsed = other.parse(text)
                    self._row = other
                    return parsed
            raise


class _Burst:
    """What lines that arrived together hold: samples, kept values and line numbers, and what ended them."""

    def __init__(self, rows: list[list[float]], kept: list[list[Any]], lines: "list[int] | range") -> None:
        self.rows, self.kept, self.lines = rows, kept, lines
        self.problem: Exception | None = None

    def add(self, line: int, row: list[float], kept: list[Any]) -> None:
        assert isinstance(self.lines, list)
        self.rows.append(row)
        self.lines.append(line)
        if kept:
            self.kept.append(kept)


def _bursts(read: Callable[[int], bytes], where: Callable[[int], str]) -> Iterator[tuple[int, bytes]]:
    """The lines that arrived together, and the number of the first of them; the last line of all may lack its line end."""
    number, tail = 1, b""
    while chunk := read(CHUNK):
        block, end, tail = (tail + chunk).rpartition(b"\n")
        if end:
            yield number, block
            number += block.count(b"\n") + 1
        if len(tail) > MAX_LINE:
            raise InputError(f"{where(number)}: no line end within {MAX_LINE} bytes; give CSV or JSON lines, one sample a line.")
    if tail:
        yield number, tail
