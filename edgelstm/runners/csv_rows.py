"""CSV: whether the first line is a header, where the model's inputs are, and the numbers in a line."""

from collections.abc import Sequence
from typing import Any

from ..errors import InputError, UsageError
from . import dialect
from .names import find, listed
from .reading import Columns, Reading
from .rows import Inputs, NoSample, Refused, example, inputs_of
from .values import Numbers, has_decimal_comma, shown


class CsvRow:
    """Cells between delimiters; made from the first line, which is number `line`."""

    def __init__(self, first: str, line: int, model: Inputs, reading: Reading) -> None:
        self._cut = dialect.cutter(reading.separator)
        self._reading, self._model, self._line = reading, model, line
        self._numbers = Numbers(reading)
        self._first = first
        cells = [cell.strip() for cell in self._cut(first)]
        self._width = len(cells)
        self.note = ""
        self.samples = 0
        if dialect.cuts_numbers(first, reading):
            raise Refused(f"{self._so_many()}, but digits behind a comma would stand alone.{self._hint()}")
        self._counted = reading.header is not False and dialect.counted(cells)
        header = self._is_header(cells, first)
        names = cells if header else []
        self.header = first if header else ""
        self._keep = self._chosen(reading.keep, names, beside=True)
        self._pick = self._chosen(reading.columns, names) or self._by_default(names)
        self._numeric = header and all(self._numbers.of(names[i]) is not None for i in self._pick)
        self.kept_names: Sequence[str] = [names[i] if names else f"column{i + 1}" for i in self._keep]
        if header and reading.header is None and (self._counted or not self._looked_for()):
            self.note = (
                f"line {line} is taken for a header: {shown(first)}; --header no takes it for a sample, --header yes leaves this note out."
            )

    def _so_many(self) -> str:
        return f"{self._width} column{'s' * (self._width != 1)}"

    def _hint(self, text: str = "") -> str:
        """What `text`, else the first line, seems to be, where it does not fit."""
        text = text or self._first
        return dialect.foreign(text, self._reading, self._model.input_names) or dialect.oddity(text, self._reading)

    def _looked_for(self) -> Sequence[str]:
        """Names that a header must have."""
        return [c for c in self._reading.columns if isinstance(c, str)] or ([] if self._reading.columns else self._model.input_names)

    def _is_header(self, cells: Sequence[str], first: str) -> bool:
        if self._reading.header is not None:
            return self._reading.header
        if self._counted:
            return True
        judged = [cells[c] for c in self._reading.columns if isinstance(c, int) and c < self._width] or cells
        if any(self._numbers.of(cell) is not None for cell in judged if cell):
            return False
        if all(self._numbers.means_nothing(cell) for cell in judged):
            return False
        names = [*self._model.input_names, *(c for c in self._reading.columns if isinstance(c, str))]
        if (odd := dialect.oddity(first, self._reading)) and not any(find(names, [cell.lstrip("#% ") for cell in cells])):
            raise NoSample(f"{self._so_many()}, and no number.{odd}")
        alone = self._width == self._model.input_size == 1 and not any(find(names, cells))
        if alone and (hint := dialect.foreign(first, self._reading, names)):
            raise Refused(f"{self._so_many()}, and no number.{hint}")
        return True

    def _chosen(self, columns: Columns, names: Sequence[str], *, beside: bool = False) -> list[int]:
        """Where columns are that somebody asked for, as inputs or to stand beside them."""
        hint = self._hint() if self._width == 1 else ""
        if beyond := [c + 1 for c in columns if isinstance(c, int) and c >= self._width]:
            raise UsageError(f"there is no column {beyond[0]}; the line has {self._width}.{hint}")
        asked = [c for c in columns if isinstance(c, str)]
        if asked and not names:
            raise UsageError(
                f"column {shown(asked[0])} is chosen by name, but the first line is no header; choose columns by number, from 1.{hint}"
            )
        places = dict(zip(asked, find(asked, names), strict=True))
        for name, found in places.items():
            if not found and beside:
                raise UsageError(f"{shown(name)} is no column; the first line has {listed(names)}.{hint}")
            if len(found) != 1:
                said = "more than once" if found else "not"
                raise UsageError(f"column {shown(name)} is {said} in the header ({listed(names)}); choose columns by number, from 1.{hint}")
        return [c if isinstance(c, int) else places[c][0] for c in columns]

    def _by_default(self, names: Sequence[str]) -> list[int]:
        """Where the model's inputs are, when nobody says."""
        wanted, size = self._model.input_names, self._model.input_size
        if names and wanted and not self._counted:
            return self._by_name(wanted, names)
        others = [i for i in range(self._width) if i not in self._keep]
        if self._width != size and len(others) != size:
            hint = self._hint()
            if not hint and size == 1 and has_decimal_comma(self._first):
                hint = " If it is one number with a decimal comma, say --decimal ,."
            raise InputError(f"{self._so_many()}, but the model takes {inputs_of(self._model)}{self._which()}.{hint}")
        return others if self._width != size else list(range(size))

    def _by_name(self, wanted: Sequence[str], names: Sequence[str]) -> list[int]:
        places = find(wanted, [name.lstrip("#% ") for name in names])
        if all(len(found) == 1 for found in places):
            return [found[0] for found in places]
        if doubtful := [name for name, found in zip(wanted, places, strict=True) if len(found) > 1]:
            raise Refused(
                f"{shown(doubtful[0])} could be more than one column of the header ({listed(names)}); say --columns with numbers."
            )
        missing = [name for name, found in zip(wanted, places, strict=True) if not found]
        hint = self._hint()
        if len(missing) < len(wanted):
            raise Refused(f"the header lacks {listed(missing)}; it has {listed(names)}. Rename them or say --columns.{hint}")
        said = f"the header ({listed(names)}) names none of the model's inputs ({listed(wanted)})"
        if self._width == len(wanted):
            settled = f"--columns {example(self._width, 1)} takes them in this order, --header no takes the line for a sample"
            raise Refused(f"{said}; {settled}.{hint}")
        raise InputError(f"{said}{self._which()}.{hint}")

    def _which(self) -> str:
        """The advice to choose columns, where there are enough of them."""
        size = self._model.input_size
        return f"; say which, for example --columns {example(size)}" if self._width > size and not self._hint() else ""

    def parse(self, text: str) -> tuple[list[float], list[Any]]:
        """The input_size numbers on a line, NaN where one is missing, and the cells that are kept."""
        cells = self._cut(text)
        if len(cells) != self._width:
            self._refuse_width(text, len(cells))
        try:
            values = [self._numbers.cell(cells[i], i) for i in self._pick]
        except InputError as problem:
            raise self._explained(problem, text, cells) from None
        self.samples += 1
        return values, [cells[i].strip() for i in self._keep]

    def _refuse_width(self, text: str, width: int) -> None:
        if odd := dialect.oddity(text, self._reading):
            raise NoSample(f"{width} column{'s' * (width != 1)}.{odd}")
        first = "the first line" if self._line == 1 else f"line {self._line}"
        hint = self._hint(text) if width == 1 else ""
        raise InputError(f"{width} column{'s' * (width != 1)}, where {first} has {self._width}; repair or remove the line.{hint}")

    def _explained(self, problem: InputError, text: str, cells: Sequence[str]) -> InputError:
        """The fault of a line whose cells are no numbers, with what the line seems to be."""
        if odd := dialect.oddity(text, self._reading):
            return NoSample(f"{problem}{odd}")
        chosen = [cells[i].strip() for i in self._pick]
        wordy = all(self._numbers.of(cell) is None and not self._numbers.means_nothing(cell) for cell in chosen)
        if self.header and not self.samples and wordy and "--" not in str(problem):
            return NoSample(f"{problem} It looks like a row of units below the header.")
        hint = self._hint(text) if self._width == 1 else ""
        return InputError(f"{problem}{hint}")

    def repeats_header(self, text: str) -> bool:
        """Whether a line is the header again, as in joined or rotated files."""
        if not self.header or text != self.header:
            return False
        if self._numeric:
            raise NoSample("this is the header again, or a sample like it; --skip-lines 1 --header no takes it for a sample.")
        return True

    def begins_anew(self, text: str, *, whole: bool) -> bool:
        """Whether a line is another header, as in joined files of two loggers; `whole`: only if it names all that is looked for."""
        wanted = self._looked_for()
        if not wanted or self._reading.header is False:
            return False
        try:
            cells = [cell.strip() for cell in self._cut(text)]
        except InputError:
            return False
        if any(cell and self._numbers.of(cell) is not None for cell in cells):
            return False
        found = find(wanted, [cell.lstrip("#% ") for cell in cells])
        return all(len(places) == 1 for places in found) if whole else any(found)

    def reads_as(self, other: object) -> bool:
        """Whether another row takes the same columns."""
        mine = (self._width, self._pick, self._keep)
        return isinstance(other, CsvRow) and mine == (other._width, other._pick, other._keep)

    def quick(self, lines: Sequence[bytes]) -> tuple[list[list[float]], list[list[Any]]] | None:
        """What `parse` gives for each of many lines; None if any of them needs a closer look."""
        header = self.header.encode()
        if self._reading.decimal == "," or (self._numeric and any(line.strip() == header for line in lines)):
            return None
        separator = self._reading.separator.encode() if self._reading.separator != " " else None
        width, pick, keep = self._width, self._pick, self._keep
        all_of_them = pick == list(range(width))
        rows: list[list[float]] = []
        kept: list[list[Any]] = []
        try:
            for line in lines:
                cells = line.split(separator)
                if len(cells) != width:
                    return None
                rows.append(list(map(float, cells)) if all_of_them else [float(cells[i]) for i in pick])
                if keep:
                    kept.append([cells[i].decode().strip() for i in keep])
        except ValueError:
            return None
        self.samples += len(rows)
        return rows, kept
