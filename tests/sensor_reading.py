"""What the tests of sensor files share: a text read whole, its fault, and all that it gives in pieces."""

import io

import numpy as np
import pytest
from test_runners import PLAIN

import edgelstm as el
from edgelstm.runners.lines import LineSource
from edgelstm.runners.reading import Reading

ONE = el.Model((el.Dense(np.ones((2, 1)), np.zeros(2)),))
ONE_NAMED = el.Model((el.Dense(np.ones((2, 1)), np.zeros(2)),), input_names=("temp",))
NAN = float("nan")


class Read:
    """Everything that a text gives: samples, lines, kept values, notes, counts."""

    def __init__(self, text: str | bytes, model: el.Model = PLAIN, chunk: int = 1 << 16, live: bool = False, **options: object) -> None:
        file = io.BytesIO(text.encode() if isinstance(text, str) else text)
        self.notes: list[str] = []
        reading = Reading(**{"bad_lines": "stop", **options})  # type: ignore[arg-type]
        self.source = LineSource(lambda count: file.read(min(count, chunk)), model, reading, live=live, note=self.notes.append)
        blocks = list(self.source)
        self.rows = [row for block in blocks for row in block.values.tolist()]
        self.lines = [line for block in blocks for line in block.lines]
        self.kept = [list(row) for block in blocks for row in block.kept]

    def __eq__(self, rows: object) -> bool:
        return np.array_equal(np.array(self.rows), np.array(rows), equal_nan=True)

    __hash__ = None  # type: ignore[assignment]


def fault(text: str | bytes, model: el.Model = PLAIN, **options: object) -> str:
    with pytest.raises((el.InputError, el.UsageError)) as caught:
        Read(text, model, **options)
    return str(caught.value)


def gist(text: bytes, model: el.Model, chunk: int, reading: dict[str, object]) -> tuple[object, ...]:
    """All that a text gives in pieces of `chunk` bytes, faults included."""
    file = io.BytesIO(text)
    notes: list[str] = []
    source = LineSource(lambda count: file.read(min(count, chunk)), model, Reading(**reading), note=notes.append)  # type: ignore[arg-type]
    rows, lines, kept, problem = [], [], [], ""
    try:
        for block in source:
            rows += block.values.tolist()
            lines += block.lines
            kept += [list(row) for row in block.kept]
    except (el.InputError, el.UsageError) as fault:
        problem = str(fault)
        assert problem.isprintable()
        assert len(problem) < 1000
    return repr(rows), lines, kept, problem, notes, source.bad.count, source.fault, source.repeated.count
