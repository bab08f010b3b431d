"""Lines that something happened to: how many, and which."""

from collections.abc import Iterable
from itertools import islice

#: So many lines are named; of the others only the number is kept.
NAMED = 8


class LineCount:
    """Counts lines and remembers the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []
        self._file = ""

    def add(self, lines: Iterable[int], file: str = "") -> None:
        """Count `lines` of `file`; the name is told where there is one."""
        lines = list(lines)
        if not self.count:
            self._file = file
        self.count += len(lines)
        if file == self._file:
            self._first += islice(lines, NAMED - len(self._first))

    def __str__(self) -> str:
        """Which they were: ``"line 3"``, ``"lines 3, 7, …"``."""
        file = f"{self._file} " if self._file else ""
        more = ", …" if self.count > len(self._first) else ""
        return f"{file}line{'s' * (self.count > 1)} {', '.join(map(str, self._first))}{more}"
