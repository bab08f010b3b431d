"""What was stepped already: the last sequence number of each stream, so that a sample that comes again is not counted twice."""

from collections.abc import Iterable, Iterator
from typing import Any
from zlib import crc32

from ..errors import InputError
from . import Samples

#: A counter that begins anew at 0 or 1 is believed to have done so from this many samples on: fewer could be on their way twice.
UNSURE = 64

#: What `Ledger.begun` tells of a stream that has not begun.
_NONE = (0, 0, 0, 0)

#: So many gaps of a stream are remembered, to tell a sample that was overtaken from one that came again.
GAPS = 16


class Ledger:
    """Drops samples whose number is not beyond the last one of their stream.

    Attributes
    ----------
    last : dict
        The last number of each stream, by key; the key of a lone stream is empty.
    begun : dict
        What the samples below `UNSURE` of each stream were: CRC-32 of those with the numbers 0 and 1, of all together, and whether they
        varied; 0 where there was none. The same samples with the same numbers came again, however late; others show that the counter
        began anew.
    repeated, overtaken, missed, restarted, unreadable : int
        Samples that came again; samples that came behind later ones; numbers that never came; counters that began anew; what stood where
        a number should.
    """

    def __init__(self, *, strict: bool, live: bool = True) -> None:
        """strict: whether a number that cannot be read is an error; its sample is left out else. live: whether samples are sent: those of
        a file all come again when it is read again, be they all the same.
        """
        self.last: dict[str, int] = {}
        self.begun: dict[str, tuple[int, int, int, int]] = {}
        self._gaps: dict[str, list[tuple[int, int]]] = {}
        self._again: dict[str, tuple[int, int]] = {}
        self.repeated = self.overtaken = self.missed = self.restarted = self.unreadable = 0
        self._strict, self._live = strict, live

    def fresh(self, source: Iterable[Samples]) -> Iterator[Samples]:
        """The samples of `source` that were not stepped before; their number is the last of the kept values, which is not handed on.

        Raises
        ------
        InputError
            For a number that is no whole one, if the ledger is strict.
        """
        for samples in source:
            keys = samples.keys or [""] * len(samples.lines)
            new = [i for i, key in enumerate(keys) if self._is_new(key, samples, i)]
            kept = [row[:-1] for row in samples.kept]
            left = samples._replace(kept=kept if kept[0] else ())
            if new:
                yield left if len(new) == len(keys) else left.only(new)

    def _is_new(self, key: str, samples: Samples, i: int) -> bool:
        value = samples.kept[i][-1]
        number = _number(value)
        if number is None:
            if self._strict:
                line = samples.lines[i]
                raise InputError(f"line {line}: {str(value)[:40]!r} is no sequence number; it must be a whole number from 0 on.")
            self.unreadable += 1
            return False
        mark = crc32(samples.values[i].tobytes()) if number < UNSURE else 0
        if not self._is_beyond(key, number, mark):
            return False
        self.last[key] = number
        if number < UNSURE:
            self._remember(key, number, mark)
        return True

    def _remember(self, key: str, number: int, mark: int) -> None:
        """Let `begun` tell of one of the first samples."""
        zero, one, together, varied = self.begun.get(key, _NONE)
        zero, one = mark if number == 0 else zero, mark if number == 1 else one
        self.begun[key] = zero, one, together ^ _together(number, mark), varied | (mark != (zero or one))

    def _is_beyond(self, key: str, number: int, mark: int) -> bool:
        last = self.last.get(key)
        if last is None:
            return True
        if number > last:
            self._skip(key, last + 1, number)
            self._again.pop(key, None)
            return True
        if last >= UNSURE and self._begins_anew(key, number, mark):
            self.restarted += 1
            for told in (self.begun, self._gaps, self._again):
                told.pop(key, None)
            return True
        if self._fills(key, number):
            self.missed -= 1
            self.overtaken += 1
        else:
            self.repeated += 1
        return False

    def _begins_anew(self, key: str, number: int, mark: int) -> bool:
        """Whether another sample has the number 0 or 1, or all numbers from there to `UNSURE` came in a row, with none beyond the last, and
        were others; or may have been, where samples that are sent do not vary.
        """
        begun = self.begun.get(key, _NONE)
        if number <= 1 and begun[number] != mark:
            return True
        before, all_of_them = self._again.get(key, (-1, 0))
        if number <= 1 and before != number - 1:
            before, all_of_them = number - 1, _together(0, begun[0]) if number and begun[0] else 0
        if number != before + 1 or number > UNSURE:
            return False
        self._again[key] = number, all_of_them ^ _together(number, mark)
        return number == UNSURE and (all_of_them != begun[2] or (self._live and not begun[3]))

    def _skip(self, key: str, first: int, number: int) -> None:
        """Remember the numbers from `first` up to `number` as missed."""
        if number > first:
            self.missed += number - first
            self._gaps[key] = [*self._gaps.get(key, [])[1 - GAPS :], (first, number)]

    def _fills(self, key: str, number: int) -> bool:
        """Whether a number was missed; it is not from then on."""
        gaps = self._gaps.get(key, [])
        for i, (first, end) in enumerate(gaps):
            if first <= number < end:
                gaps[i : i + 1] = [(a, b) for a, b in ((first, number), (number + 1, end)) if a < b]
                return True
        return False

    def remarks(self) -> Iterator[str]:
        """What was counted, a sentence each."""
        for count, what in (
            (self.repeated, "came again and {} not stepped twice"),
            (self.overtaken, "{} overtaken by later ones and not stepped; its sender must send what was not confirmed first"),
            (self.missed, "{} never seen, by their numbers"),
            (self.unreadable, "{} left out, having no sequence number"),
        ):
            if count:
                yield f"{count} sample{'s' * (count > 1)} {what.format('were' if count > 1 else 'was')}."
        if self.restarted:
            yield f"{self.restarted} sequence counter{'s' * (self.restarted > 1)} began anew."


def _number(value: Any) -> int | None:
    """A sequence number as a JSON value or a cell; None where it is none."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if number < 0 or (isinstance(value, float) and value != number) else number


def _together(number: int, mark: int) -> int:
    """A sample's share in what stands for several of them, in whatever order they come."""
    return crc32(number.to_bytes(8, "little"), mark)
