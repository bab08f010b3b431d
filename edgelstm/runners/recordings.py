"""Where one recording ends and the next begins: samples cut there, so that each starts from the initial state."""

from collections.abc import Iterable, Iterator
from typing import Any

from . import Samples


def every(samples: Iterable[Samples], count: int) -> Iterator[Samples]:
    """A recording of `count` samples after the other."""
    due = 0
    for block in samples:
        start, due = 0, 0 if block.begins else due
        while start < len(block.values):
            end = start + (count - due)
            piece = _piece(block, start, end, begins=due == 0)
            yield piece
            due = (due + len(piece.values)) % count
            start = end


def on_change(samples: Iterable[Samples]) -> Iterator[Samples]:
    """A new recording where the last of the kept values changes; that value is not handed on. One that is absent changes nothing."""
    before: object = None
    for block in samples:
        marks = _filled(before, [row[-1] for row in block.kept])
        handed_on = block._replace(kept=[row[:-1] for row in block.kept] if len(block.kept[0]) > 1 else ())
        changes = [i for i, (last, mark) in enumerate(zip([before, *marks], marks, strict=False)) if mark != last]
        for start, end in zip([0, *changes], [*changes, len(marks)], strict=True):
            if end > start:
                yield _piece(handed_on, start, end, begins=start in changes or (block.begins and start == 0))
        before = marks[-1]


def _filled(before: object, marks: list[Any]) -> list[Any]:
    """Marks, where one is absent the one before it."""
    filled = [before]
    for mark in marks:
        filled.append(filled[-1] if mark is None else mark)
    return filled[1:]


def _piece(block: Samples, start: int, end: int, *, begins: bool) -> Samples:
    return Samples(block.values[start:end], block.lines[start:end], block.kept[start:end], block.file, begins)
