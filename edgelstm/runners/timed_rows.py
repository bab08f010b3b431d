"""Samples that carry their time, stepped on a grid: the answers that each makes due are written, in order of time."""

from collections.abc import Iterable
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ..errors import InputError, printable
from . import Samples, Sink, Watch
from .counts import LineCount

if TYPE_CHECKING:
    from ..field.timed import Timed

#: What units of time are in seconds.
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def run(
    timed: "Timed",
    source: Iterable[Samples],
    sink: Sink,
    replaced: LineCount | None = None,
    watch: Watch | None = None,
    *,
    unit: str = "s",
) -> None:
    """Step every sample of `source` at its time, the last of its kept values, which is not handed on.

    Beside the answers to instants that had no sample, kept values are absent.

    Parameters
    ----------
    replaced : LineCount, optional
        Counts the lines that the stream's NaN policy acted upon.
    watch : Watch, optional
    unit : {"s", "ms", "us", "ns"}
        Of times that are numbers.

    Raises
    ------
    InputError
        If a time or a sample is refused; the message names the line. All answers before it were written.
    """
    replaced = LineCount() if replaced is None else replaced
    for samples in source:
        if samples.begins:
            timed.reset()
        for line, x, (*kept, when) in zip(samples.lines, samples.values, samples.kept, strict=True):
            before, begin = timed.stream.bad_inputs, perf_counter_ns()
            try:
                answers = timed.step(x, seconds(when, unit))  # (answers, output_size), or maps
            except InputError as problem:
                file = f"{samples.file}: " if samples.file else ""
                raise InputError(f"{file}line {line}: {problem}") from None
            if timed.stream.bad_inputs > before:
                replaced.add((line,), samples.file)
            if watch is not None:
                watch.saw((), x.reshape(1, -1), answers[-1:].reshape(-1, timed.stream.output_size), perf_counter_ns() - begin)
            if len(answers):
                absent = [[None] * len(kept)] * (len(answers) - 1)
                sink.write(answers.reshape(len(answers), -1), [*absent, kept] if kept else ())


def seconds(when: Any, unit: str = "s") -> float:
    """A number, or a date and time of ISO 8601 (UTC where it says no zone), as seconds.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(when, int | float) and not isinstance(when, bool):
        return when * UNITS[unit]
    text = str(when).strip()
    try:
        return float(text) * UNITS[unit]
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        told = printable(repr(when), 40)
        raise InputError(f"a time must be a number, or a date and time as 2026-11-28T15:00:00.020Z; got {told}.") from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
