"""Sinks that write text: CSV and JSON lines, flushed as they are written.

Numbers are written as the shortest text that reads back to the same float32. Nothing here opens files.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


class TextSink(ABC):
    """Writes whole lines to a binary file.

    Parameters
    ----------
    file : binary file
        Buffered or raw; written and flushed, never closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        #: Bytes of whole lines that were written: where to cut a file that took only part of the next one.
        self.written = 0

    @abstractmethod
    def write(self, answers: NDArray[np.float32]) -> None:
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
        finally:
            self.written += data.rfind(b"\n", 0, taken) + 1


class CsvSink(TextSink):
    """One line of numbers an answer, after a header.

    Parameters
    ----------
    file : binary file
    output_size : int
    labels : sequence of str, optional
        The header. Default: ``y0,y1,…``.
    """

    def __init__(self, file: BinaryIO, output_size: int, labels: Sequence[str] = ()) -> None:
        super().__init__(file)
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(labels or [f"y{i}" for i in range(output_size)])
        self._put(header.getvalue())

    def write(self, answers: NDArray[np.float32]) -> None:
        """Write answers (count, output_size) float32, one a line."""
        self._put("".join(",".join(row) + "\n" for row in answers.astype("U").tolist()))


class JsonLinesSink(TextSink):
    """One JSON value a line: an object keyed by the labels, or an array where there are none. NaN and infinity become null.

    Parameters
    ----------
    file : binary file
    labels : sequence of str, optional
    """

    def __init__(self, file: BinaryIO, labels: Sequence[str] = ()) -> None:
        super().__init__(file)
        # Two outputs of one label would share a key, and a reader would see only the second.
        unique = len(set(labels)) == len(labels) > 0
        self._keys = [json.dumps(label) + ": " for label in labels] if unique else None

    def write(self, answers: NDArray[np.float32]) -> None:
        """Write answers (count, output_size) float32, one a line."""
        text = np.where(np.isfinite(answers), answers.astype("U"), "null").tolist()  # (count, output_size)
        if self._keys is None:
            self._put("".join(f"[{', '.join(row)}]\n" for row in text))
        else:
            self._put("".join(f"{{{', '.join(map(str.__add__, self._keys, row))}}}\n" for row in text))
