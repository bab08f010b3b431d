"""Samples that carry their time, stepped on a grid, each stream on its own: the answers that they make due are written in order."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from math import isfinite, prod
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, printable
from ..field.timed import Timed
from . import Samples, Sink, Watch
from .counts import LineCount

if TYPE_CHECKING:
    from ..field.timed_bank import TimedBank

#: What units of time are in seconds.
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def run(
    timed: "Timed | TimedBank",
    source: Iterable[Samples],
    sink: Sink,
    replaced: LineCount | None = None,
    watch: Watch | None = None,
    *,
    unit: str = "s",
    comma: bool = False,
    unread: LineCount | None = None,
) -> None:
    """Step every sample of `source` at its time, the last of its kept values, which is not handed on; a sample with a key in its stream.

    Beside the answers to instants that had no sample, kept values are absent.

    Parameters
    ----------
    replaced : LineCount, optional
        Counts the lines that the stream's NaN policy acted upon; of a bank its own counters tell.
    watch : Watch, optional
    unit : {"s", "ms", "us", "ns"}
        Of times that are numbers.
    comma : bool
        Whether a comma separates their decimals.
    unread : LineCount, optional
        Counts the lines whose time cannot be read, which are left out; without it they are errors.

    Raises
    ------
    InputError
        If a time or a sample is refused; the message names the line. All answers before it were written.
    """
    replaced = LineCount() if replaced is None else replaced
    step: Callable[..., NDArray[np.float32]] = timed.step
    for samples in source:
        if samples.begins and isinstance(timed, Timed):
            timed.reset()
        for i, (line, x, (*kept, when)) in enumerate(zip(samples.lines, samples.values, samples.kept, strict=True)):
            key, begin, before = samples.keys[i : i + 1], perf_counter_ns(), _replaced(timed)
            try:
                at = seconds(when.replace(",", ".") if comma and isinstance(when, str) else when, unit)
            except InputError as problem:
                if unread is None:
                    raise _placed(problem, samples, i) from None
                unread.add((line,), samples.file)
                continue
            try:
                answers = step(*key, x, at)  # (answers, output_size), or maps
            except InputError as problem:
                raise _placed(problem, samples, i) from None
            if _replaced(timed) > before:
                replaced.add((line,), samples.file)
            flat = answers.reshape(len(answers), prod(answers.shape[1:]))
            if watch is not None:
                watch.saw(key, x.reshape(1, -1), flat[-1:], perf_counter_ns() - begin)
            if len(answers):
                absent = [[*key, *[None] * len(kept)]] * (len(answers) - 1)
                sink.write(flat, [*absent, [*key, *kept]] if kept or key else ())


def _replaced(timed: "Timed | TimedBank") -> int:
    return timed.stream.bad_inputs if isinstance(timed, Timed) else 0


def _placed(problem: InputError, samples: Samples, i: int) -> InputError:
    """The error of a sample, with its place."""
    place = [*samples.keys[i : i + 1], f"line {samples.lines[i]}"]
    file = f"{samples.file}: " if samples.file else ""
    return InputError(f"{file}{', '.join(place)}: {problem}")


def seconds(when: Any, unit: str = "s") -> float:
    """A number, or a date and time of ISO 8601 (UTC where it says no zone), as seconds.

    Raises
    ------
    InputError
        If it is neither, or not finite.
    """
    text = str(when).strip()
    number = _number(text if isinstance(when, bool) or not isinstance(when, int | float) else when)
    if number is not None:
        if not isfinite(number):
            raise InputError(f"a time must be a finite number; got {printable(repr(when), 40)}.")
        return number * UNITS[unit]
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        told = printable(repr(when), 40)
        raise InputError(f"a time must be a number, or a date and time as 2026-11-28T15:00:00.020Z; got {told}.") from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _number(value: str | float) -> float | None:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
