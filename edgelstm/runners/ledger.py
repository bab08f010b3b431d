"""What was stepped already: the last sequence number of each stream, so that a sample that comes again is not counted twice."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InputError
from . import Samples

#: A counter that begins anew at 0 or 1 is believed to have done so from this many samples on: fewer could be on their way twice.
UNSURE = 64


class Ledger:
    """Drops samples whose number is not beyond the last one of their stream.

    Attributes
    ----------
    last : dict
        The last number of each stream, by key; the key of a lone stream is empty.
    repeated, missed, restarted, unreadable : int
        Samples that came again; numbers that never came; counters that began anew; what stood where a number should.
    """

    def __init__(self, *, strict: bool) -> None:
        """strict: whether a number that cannot be read is an error; its sample is left out else."""
        self.last: dict[str, int] = {}
        self.repeated = self.missed = self.restarted = self.unreadable = 0
        self._strict = strict

    def fresh(self, source: Iterable[Samples]) -> Iterator[Samples]:
        """The samples of `source` that were not stepped before; their number is the last of the kept values, which is not handed on.

        Raises
        ------
        InputError
            For a number that is no whole one, if the ledger is strict.
        """
        for samples in source:
            keys = samples.keys or [""] * len(samples.lines)
            new = [i for i, key in enumerate(keys) if self._is_new(key, samples.kept[i][-1], samples.lines[i])]
            kept = [row[:-1] for row in samples.kept]
            left = samples._replace(kept=kept if kept[0] else ())
            if new:
                yield left if len(new) == len(keys) else left.only(new)

    def _is_new(self, key: str, value: Any, line: int) -> bool:
        number = _number(value)
        if number is None:
            if self._strict:
                raise InputError(f"line {line}: {str(value)[:40]!r} is no sequence number; it must be a whole number from 0 on.")
            self.unreadable += 1
            return False
        return self._is_beyond(key, number)

    def _is_beyond(self, key: str, number: int) -> bool:
        last = self.last.get(key)
        if last is not None and number <= last:
            if number > 1 or last < UNSURE:
                self.repeated += 1
                return False
            self.restarted += 1
        elif last is not None:
            self.missed += number - last - 1
        self.last[key] = number
        return True

    def remarks(self) -> Iterator[str]:
        """What was counted, a sentence each."""
        for count, what in (
            (self.repeated, "came again and {} not stepped twice"),
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
