"""Sinks that write text: CSV, JSON lines, decisions; flushed as they are written.

Numbers are written as the shortest text that reads back to the same float32. Nothing here opens files.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import Sink

#: For each answer, the values of the input that stand beside it.
Kept = Sequence[Sequence[Any]]


class TextSink(ABC):
    """Writes whole lines to a binary file.

    Parameters
    ----------
    file : binary file
        Buffered or raw; written and flushed, never closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @abstractmethod
    def write(self, answers: NDArray[np.float32], kept: Kept = ()) -> None:
        """Write answers (count, output_size) float32, one a line."""

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        taken = 0
        try:
            while taken < len(data):
                taken += self._file.write(memoryview(data)[taken:])
            self._file.flush()
        except OSError as problem:
            problem.filename = getattr(self._file, "name", None)
            raise


class CsvSink(TextSink):
    """One line of numbers an answer, after a header.

    Parameters
    ----------
    file : binary file
    output_size : int
    labels : sequence of str, optional
        The header. Default: ``y0,y1,…``.
    kept_names : sequence of str, optional
        What the kept values are called, which stand before the answer.
    """

    def __init__(self, file: BinaryIO, output_size: int, labels: Sequence[str] = (), kept_names: Sequence[str] = ()) -> None:
        super().__init__(file)
        self._put(_csv([[*kept_names, *(labels or [f"y{i}" for i in range(output_size)])]]))

    def write(self, answers: NDArray[np.float32], kept: Kept = ()) -> None:
        """Write answers (count, output_size) float32, one a line."""
        rows = answers.astype("U").tolist()
        if not kept:
            self._put("".join(",".join(row) + "\n" for row in rows))
        else:
            self._put(_csv([*map(_cell, before), *row] for before, row in zip(kept, rows, strict=True)))


class JsonLinesSink(TextSink):
    """One JSON value a line: an object keyed by the labels, or an array where there are none. NaN and infinity become null.

    Parameters
    ----------
    file : binary file
    labels : sequence of str, optional
    kept_names : sequence of str, optional
        What the kept values are called, which stand before the answer.
    """

    def __init__(self, file: BinaryIO, labels: Sequence[str] = (), kept_names: Sequence[str] = ()) -> None:
        super().__init__(file)
        # Two values of one name would share a key, and a reader would see only the second.
        names = [*kept_names, *labels]
        unique = len(set(names)) == len(names) and len(labels) > 0
        self._keys = [json.dumps(name) + ": " for name in names] if unique else None

    def write(self, answers: NDArray[np.float32], kept: Kept = ()) -> None:
        """Write answers (count, output_size) float32, one a line."""
        text = np.where(np.isfinite(answers), answers.astype("U"), "null").tolist()  # (count, output_size)
        if kept:
            text = [[*map(json.dumps, before), *row] for before, row in zip(kept, text, strict=True)]
        if self._keys is None:
            self._put("".join(f"[{', '.join(row)}]\n" for row in text))
        else:
            self._put("".join(f"{{{', '.join(map(str.__add__, self._keys, row))}}}\n" for row in text))


class LabelSink(TextSink):
    """One decision a line: the label of the largest output, or its number from 0 where there are no labels; without a header.

    An answer that is NaN, as after a sample that reset the stream, decides nothing: its line is empty. So is that of an answer which
    reaches no threshold.

    Parameters
    ----------
    file : binary file
    labels : sequence of str, optional
    thresholds : sequence of float, optional
        As of `decisions`.
    """

    def __init__(self, file: BinaryIO, labels: Sequence[str] = (), thresholds: Sequence[float] = ()) -> None:
        super().__init__(file)
        self._labels, self._thresholds = labels, thresholds

    def write(self, answers: NDArray[np.float32], kept: Kept = ()) -> None:
        """Write the decisions of answers (count, output_size) float32, each after what is kept."""
        size = answers.shape[1]
        words = [*(self._labels or map(str, range(size))), "", ""]  # the last two: nothing, and NaN at -1
        said = [words[best] for best in decisions(answers, self._thresholds).tolist()]
        if not kept:
            self._put("".join(word + "\n" for word in said))
        else:
            self._put(_csv([*map(_cell, before), word] for before, word in zip(kept, said, strict=True)))


class OnChange:
    """Hands an answer on when it decides otherwise than the one before; what decides nothing is left out.

    Parameters
    ----------
    sink : Sink
        Gets the answers that are left.
    keyed : bool
        Whether the first of what is kept names the stream of an answer, and the one before is that of the same stream.
    thresholds : sequence of float, optional
        As of `decisions`; that none is reached any more is another decision.
    """

    def __init__(self, sink: Sink, *, keyed: bool = False, thresholds: Sequence[float] = ()) -> None:
        self._sink, self._keyed, self._thresholds = sink, keyed, thresholds
        self._last: dict[Any, int] = {}

    def write(self, answers: NDArray[np.float32], kept: Kept = ()) -> None:
        """Take answers (count, output_size) float32."""
        chosen = []
        for index, best in enumerate(decisions(answers, self._thresholds).tolist()):
            key = kept[index][0] if self._keyed else None
            if best not in (-1, self._last.get(key, -1)):
                self._last[key] = best
                chosen.append(index)
        if chosen:
            self._sink.write(answers[chosen], [kept[i] for i in chosen] if kept else ())


def decisions(answers: NDArray[np.float32], thresholds: Sequence[float] = ()) -> NDArray[np.intp]:
    """The output that is largest, of those that reach their `thresholds` where there are any.

    (count,) from answers (count, output_size); output_size where none reaches its threshold, -1 where an answer holds NaN.
    """
    best = answers.argmax(axis=1)
    if len(thresholds):
        reached = answers >= np.asarray(thresholds, np.float32)
        best = np.where(reached.any(axis=1), np.where(reached, answers, -np.inf).argmax(axis=1), answers.shape[1])
    return np.where(np.isnan(answers).any(axis=1), -1, best)


def _cell(value: Any) -> str:
    """A kept value as a cell of a CSV: text as it is, an absent one empty, others as JSON spells them."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
