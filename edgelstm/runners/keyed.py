"""Many streams in one run: samples carry the name of theirs, and answers are written beside it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, printable
from ..runtime.keyed import MOST_CHARACTERS
from . import Samples, Sink, Watch
from .counts import LineCount

if TYPE_CHECKING:
    from ..field.bank import StreamBank
    from ..field.timed_bank import TimedBank

#: What the column is called that holds the name of an answer's stream.
KEY = "key"

_NONE = np.empty((0, 0), np.float32)


def run(bank: "StreamBank", source: Iterable[Samples], sink: Sink, watch: Watch | None = None) -> None:
    """Step every sample of `source` through its stream and hand the answers that are due to `sink`, in order, each beside its key.

    Raises
    ------
    InputError
        If the source meets a bad line or a stream refuses a sample; the message names key and line. All answers before it were written.
    """
    together = bank.program.sizes.each_step
    for samples in source:
        if not (together and _step_all(bank, samples, sink, watch)):
            _step_each(bank, samples, sink, watch)


def _step_all(bank: "StreamBank", samples: Samples, sink: Sink, watch: Watch | None) -> bool:
    """Step all samples at once; False, and nothing has changed, if one of them is refused."""
    begin = perf_counter_ns()
    try:
        answers = bank.step_many(samples.keys, samples.values)  # (count, output_size), or maps
    except InputError:
        return False
    answers = answers.reshape(len(answers), -1)
    if watch is not None:
        watch.saw(samples.keys, samples.values, answers, perf_counter_ns() - begin)
    sink.write(answers, _beside(samples))
    return True


def _step_each(bank: "StreamBank", samples: Samples, sink: Sink, watch: Watch | None) -> None:
    """One sample at a time: a culprit is found, what came before it is answered, and what is not due is left out."""
    for i, (key, line) in enumerate(zip(samples.keys, samples.lines, strict=True)):
        one, begin = samples.only([i]), perf_counter_ns()
        try:
            answer = bank.step(key, samples.values[i])  # (output_size,), or a map; None where none is due
        except InputError as problem:
            raise InputError(f"{key}, line {line}: {problem}") from None
        if watch is not None:
            watch.saw(one.keys, one.values, _NONE if answer is None else answer.reshape(1, -1), perf_counter_ns() - begin)
        if answer is not None:
            sink.write(answer.reshape(1, -1), _beside(one))


def _beside(samples: Samples) -> Sequence[Sequence[Any]]:
    kept = samples.kept or [()] * len(samples.keys)
    return [[key, *row] for key, row in zip(samples.keys, kept, strict=True)]


def by_column(source: Iterable[Samples], unnamed: LineCount | None = None) -> Iterator[Samples]:
    """Samples whose key is the last of the kept values, which is not handed on.

    Parameters
    ----------
    source : iterable of Samples
    unnamed : LineCount, optional
        Counts the lines of samples that have no key, which are left out: they are of no stream. Without it they are errors.

    Raises
    ------
    InputError
        For a sample that has no key, after those before it.
    """
    for samples in source:
        keys = [_key(row[-1]) for row in samples.kept]
        kept = [row[:-1] for row in samples.kept]
        named = samples._replace(keys=keys, kept=kept if len(samples.kept[0]) > 1 else ())
        if all(keys):
            yield named
            continue
        lost = [i for i, key in enumerate(keys) if not key]
        chosen = range(lost[0]) if unnamed is None else [i for i, key in enumerate(keys) if key]
        if len(chosen):
            yield named.only(chosen)
        if unnamed is None:
            place = f"{samples.file}: " * bool(samples.file) + f"line {samples.lines[lost[0]]}"
            given = printable(json.dumps(samples.kept[lost[0]][-1], default=str), 40)
            raise InputError(f"{place}: a key is text or a number; got {given}. --bad-lines skip leaves it out.")
        unnamed.add([samples.lines[i] for i in lost], samples.file)


def _key(value: Any) -> str:
    """A value of the key's column as the name of a stream; empty where it names none."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


class Room:
    """Leaves out the samples of streams for which a bank has no room, or whose key is too long: they would end the run, again and again
    where they come again.

    Parameters
    ----------
    bank : StreamBank
    note : callable
        Takes a sentence when the first one is left out.

    Attributes
    ----------
    left : int
        Samples left out.
    """

    def __init__(self, bank: "StreamBank", note: Callable[[str], None]) -> None:
        self._bank, self._note, self.left = bank, note, 0

    def made(self, source: Iterable[Samples]) -> Iterator[Samples]:
        """The samples of `source` that find room."""
        bank = self._bank
        for samples in source:
            keys = samples.keys
            if len(bank) + len(keys) <= bank.capacity and max(map(len, keys)) <= MOST_CHARACTERS:
                yield samples
                continue
            new = [key for key in dict.fromkeys(keys) if len(key) <= MOST_CHARACTERS and key not in bank]
            known = {*new[: bank.capacity - len(bank)]}
            chosen = [i for i, key in enumerate(keys) if key in known or key in bank]
            if left := [samples.lines[i] for i in sorted({*range(len(keys))} - {*chosen})]:
                self._leave(left)
            if chosen:
                yield samples.only(chosen)

    def _leave(self, lines: Sequence[int]) -> None:
        if not self.left:
            room = f"{self._bank.capacity} streams (--streams), and for keys of {MOST_CHARACTERS} characters"
            self._note(f"line {lines[0]}: there is room for {room}; samples of others are left out.")
        self.left += len(lines)


def bad_inputs(bank: "StreamBank") -> int:
    """Samples of all streams that the NaN policy acted upon."""
    return sum(bank.bad_inputs_of(key) for key in bank.keys())  # noqa: SIM118  a bank's keys


class AllStates:
    """The states of a bank, on grids of time or without, as one."""

    def __init__(self, bank: "StreamBank | TimedBank") -> None:
        self._bank = bank

    def snapshot(self) -> bytes:
        """As `StreamBank.snapshot_all`."""
        return self._bank.snapshot_all()

    def restore(self, blob: bytes) -> None:
        """As `StreamBank.restore_all`.

        Raises
        ------
        StateError
        """
        self._bank.restore_all(blob)
