"""A file whose samples carry times and no numbers, read again by a later run: what the state holds of it is known by its place."""

from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

from . import Samples

#: So many first samples are compared.
COMPARED = 64


class ReadAgain:
    """Leaves out samples of an input that begins as the one before did, up to the line where the state ends.

    Times alone do not tell: a clock that was set back looks the same.

    Parameters
    ----------
    hidden : int
        How many of the kept values, the last ones, belong to a sample whatever else was asked for.

    Attributes
    ----------
    noted : sequence of int
        The last line that the state holds, and the CRC-32 of each of the first samples; set it to what a run before had.
    repeated : int
        Samples left out.
    """

    def __init__(self, hidden: int) -> None:
        self._hidden = hidden
        self._before: Sequence[int] = ()
        self._line, self._marks, self._decided = 0, list[int](), False
        self.repeated = 0

    @property
    def noted(self) -> list[int]:
        """What a later run is told."""
        return [self._line, *self._marks] if self._decided else list(self._before)

    @noted.setter
    def noted(self, noted: Sequence[int]) -> None:
        self._before = noted

    def fresh(self, source: Iterable[Samples]) -> Iterator[Samples]:
        """The samples of `source` that are new; none waits but those that begin as the input before did."""
        last, *known = self._before or [0]
        waiting: list[Samples] = []
        for samples in source:
            self._mark(samples)
            waiting.append(samples)
            if self._marks[: len(known)] != known[: len(self._marks)]:
                last, known = 0, []
            if len(self._marks) >= len(known):
                yield from self._beyond(last, waiting)
                waiting = []
        yield from self._beyond(last, waiting)

    def _mark(self, samples: Samples) -> None:
        for i in range(min(COMPARED - len(self._marks), len(samples.lines))):
            row = samples.kept[i]
            self._marks.append(crc32(repr(row[len(row) - self._hidden :]).encode(), crc32(samples.values[i].tobytes())))

    def _beyond(self, last: int, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Samples behind a line."""
        self._decided = True
        for samples in blocks:
            self._line = max(last, samples.lines[-1])
            new = range(len(samples.lines)) if samples.lines[0] > last else [i for i, line in enumerate(samples.lines) if line > last]
            self.repeated += len(samples.lines) - len(new)
            if new:
                yield samples if len(new) == len(samples.lines) else samples.only(new)

    def remarks(self) -> Iterator[str]:
        """What was left out, in a sentence."""
        if count := self.repeated:
            yield f"{count} sample{'s' * (count > 1)} came again and {'were' if count > 1 else 'was'} not stepped twice."
