"""The states of many streams in one aligned array, and the calls that step them, whatever made the code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, StateError, UsageError
from . import many_call, native_call
from .keyed import Integers, Key, shown
from .many_call import Call, Streams
from .memory import ALIGNMENT, allocate
from .program import Program
from .samples import NanPolicy, Samples

Floats = NDArray[np.float32]

#: ``step(xs, answers)``: `answers`, filled in, where xs (count, inputs) is a C-contiguous float32 array fit to enter the states; else None.
StepSame = Callable[[object, Floats], Floats | None]

_NOWHERE = np.zeros(0, np.int64)

#: Most streams that are stepped while the interpreter waits, times the square of a state's bytes, as which their work grows: some 0.1 ms.
_MOST_WORK = 1 << 27


class Stepper(Protocol):
    """What steps many streams.

    Attributes
    ----------
    stride : int
        Bytes from the state of one stream to that of the next.
    """

    stride: int

    def check(self, x: Floats) -> int:
        """The first row of x (rows, inputs) that must not enter a state; their number where there is none."""

    def run(self, places: Integers, x: Floats, y: Floats, time: int, checked: bool) -> int:
        """`time` steps of the streams whose states are at `places`, one after the other.

        x: (count * time, inputs), or (time, inputs) for all; y: (count * time, outputs). Returns the first row of x that must not enter a
        state, if `checked`: nothing has changed then. Else their number. Rows of y whose answers are not due stay as they are.
        """


class CompiledStepper:
    """Of a model compiled here: states alone lie side by side, and all streams use one scratch."""

    def __init__(self, program: Program, streams: Streams) -> None:
        sizes = program.sizes
        self.stride = -(-sizes.state_bytes // ALIGNMENT) * ALIGNMENT
        self.streams, self._program, self._scratch = streams, program, allocate(streams.scratch_bytes)
        self._run, self._call, self._inputs = streams.run, self.call(), sizes.input_size

    def call(self) -> Call:
        """A call of the same thread: one at a time."""
        return Call(self._program.weights, self._program.sizes.input_limit, self._scratch)

    def ready(self, places: Integers, checked: bool) -> StepSame | None:
        """What steps these streams, if this interpreter lays arrays out as native code reads them, and they take so little time that no
        other thread misses it.
        """
        if not native_call.usable() or not self._program.sizes.each_step or len(places) * self.stride**2 > _MOST_WORK:
            return None
        call = self.call()
        call.tell_once(places, self._inputs, len(places) if checked else 0)
        memory = call.memory.view(native_call.Binding)
        memory.kept = call, self
        return native_call.builtin(memory, many_call.METHOD, self.streams.python_streams)

    def check(self, x: Floats) -> int:
        return self.run(_NOWHERE, x, x, 1, True)

    def run(self, places: Integers, x: Floats, y: Floats, time: int, checked: bool) -> int:
        rows = len(x)
        stride = 0 if rows < len(y) else time * self._inputs
        self._call.tell(places, time, stride, rows if checked else 0)
        done = self._run(self._call.address, native_call.address(x), native_call.address(y))
        return done if checked else rows


class LibraryStepper:
    """Of a built library: whole arenas lie side by side, and C's own function steps them."""

    def __init__(self, program: Program) -> None:
        self._program, self._samples = program, Samples(program)
        self.stride = -(-program.arena_bytes // ALIGNMENT) * ALIGNMENT
        library = program.owner
        if not isinstance(library, ctypes.CDLL) or not hasattr(library, "edgelstm_step_many"):
            raise UsageError(
                "this library was built before streams could be stepped together; build it again with this version of edgelstm."
            )
        self._step = library.edgelstm_step_many
        self._step.argtypes, self._step.restype = [*[ctypes.c_void_p] * 3, ctypes.c_size_t], ctypes.c_size_t

    def check(self, x: Floats) -> int:
        fit = self._samples.good(x).all(axis=1)
        return len(x) if fit.all() else int(np.argmin(fit))

    def run(self, places: Integers, x: Floats, y: Floats, time: int, checked: bool) -> int:
        if checked and time == 1 and len(x) == len(y):
            done: int = self._step(native_call.address(places), native_call.address(x), native_call.address(y), len(places))
            return done
        if checked and (bad := self.check(x)) < len(x):
            return bad
        for k, place in enumerate(places.tolist()):
            rows = x if len(x) < len(y) else x[k * time : (k + 1) * time]
            self._one(place, rows, y[k * time : (k + 1) * time])
        return len(x)

    def _one(self, place: int, x: Floats, y: Floats) -> None:
        """Some steps of one stream, whose answers stand beside their samples."""
        program = self._program
        limit, weights = program.sizes.input_limit, program.weights
        block = len(x) if program.sizes.each_step else 1
        for t in range(0, len(x), block):
            program.run(weights, place, x[t:].ctypes.data, y[t:].ctypes.data, min(block, len(x) - t), limit, 0)


class States:
    """The states of `count` streams, each initial until it is stepped or written, and the NaN policy that acts upon each by itself.

    Parameters
    ----------
    program : Program
    policy : NanPolicy
    stepper : Stepper
    count : int

    Attributes
    ----------
    bad_inputs : (count,) int64
        Samples of each stream that the policy acted upon.
    """

    def __init__(self, program: Program, policy: NanPolicy, stepper: Stepper, count: int) -> None:
        self.program, self.policy, self.samples = program, policy, Samples(program)
        self.stepper = stepper
        try:
            self._bytes = allocate(count * self.stepper.stride)
        except (MemoryError, ValueError):  # what NumPy raises of a size that no address reaches
            raise UsageError(f"{count} streams need more memory than this machine gives; choose a smaller capacity.") from None
        self._base = self._bytes.ctypes.data
        sizes = program.sizes
        self._whole = self._bytes.reshape(count, self.stepper.stride)
        self.rows = self._whole[:, : sizes.state_bytes]  # (count, state_bytes)
        sample = slice(sizes.sample_offset, sizes.sample_offset + 4 * sizes.input_size)
        self._accepted = self.rows[:, sample].view(np.float32)  # (count, inputs), the last sample of each
        self.bad_inputs = np.zeros(count, np.int64)
        self._placed: tuple[Integers, Integers] = (np.zeros(0, np.int64),) * 2

    def begin(self, slots: Integers | int) -> None:
        """The initial state, and no bad inputs."""
        self.rows[slots] = self.program.initial_state
        self.bad_inputs[slots] = 0

    def reset(self, slot: int) -> None:
        self.rows[slot] = self.program.initial_state

    @property
    def finite(self) -> bool:
        """Whether states hold finite numbers alone."""
        return self.policy is not NanPolicy.PROPAGATE

    def steps(self, slot: int) -> int:
        """Steps taken since the initial state."""
        return int(self.rows[slot, :8].view(np.int64)[0])

    def last(self, slot: int) -> Floats:
        """The sample that a stream took last, (inputs,): a view."""
        sample: Floats = self._accepted[slot]
        return sample

    def check(self, states: NDArray[np.uint8]) -> None:
        """Refuse states (count, state_bytes) with a sample that this model cannot have read.

        Raises
        ------
        StateError
        """
        if not self.finite:
            return
        sizes = self.program.sizes
        given = np.ascontiguousarray(states[:, sizes.sample_offset : sizes.sample_offset + 4 * sizes.input_size]).view(np.float32)
        if not self.samples.good(given).all():
            raise StateError("the snapshot holds a sample that this model cannot have read; take another, or start with reset().")

    def places(self, slots: Integers) -> Integers:
        """Addresses of the states in these slots; not computed again for the same array."""
        if self._placed[0] is not slots:
            self._placed = slots, self._base + slots * self.stepper.stride
        return self._placed[1]

    def answers(self, count: int) -> Floats:
        """Memory for answers (count, outputs): NaN until they are given, where not every step has one.

        Raises
        ------
        InputError
            If there is not as much.
        """
        sizes = self.program.sizes
        try:
            made = np.empty((count, sizes.output_size), np.float32)
        except MemoryError:
            raise InputError(f"the answers to {count} samples need more memory than this machine gives; pass fewer.") from None
        if not sizes.each_step:
            made[:] = np.nan
        return made

    def check_rows(self, rows: Floats, keys: Sequence[Key], time: int) -> None:
        """Refuse rows of which the policy refuses one, before anything changes. keys, time: whose they are, and how many each has.

        Raises
        ------
        InputError
        """
        if self.policy is NanPolicy.RAISE and not (good := self.samples.good(rows).all(axis=1)).all():
            raise self.refusal(rows, int(np.argmin(good)), keys, time)

    def refusal(self, rows: Floats, row: int, keys: Sequence[Key], time: int) -> InputError:
        """The error for a row with a value that must not enter a state."""
        channel = int(np.argmin(self.samples.good(rows[row : row + 1])[0]))
        about = self.samples.refusal(float(rows[row, channel]), channel, row % time if time > 1 else None)
        return InputError(f"stream {shown(keys[row // time])}: {about}")

    def ready(self, slots: Integers) -> StepSame | None:
        """What makes a step of each of these streams from array to array; None where there is no such way."""
        stepper = self.stepper
        if not isinstance(stepper, CompiledStepper):
            return None
        return stepper.ready(self.places(slots), self.policy is not NanPolicy.PROPAGATE)

    def step(self, slots: Integers, rows: Floats, answers: Floats, time: int) -> int:
        """`time` steps of each of these streams, in order, the NaN policy applied.

        rows: (count * time, inputs), or (time, inputs) for all; answers: (count * time, outputs), as `answers` gives them. Returns the
        first row that the policy refuses, and nothing has changed; else their number.
        """
        places = self.places(slots)
        first = self.stepper.run(places, rows, answers, time, self.policy is not NanPolicy.PROPAGATE)
        if first == len(rows) or self.policy is NanPolicy.RAISE:
            return first
        if len(rows) < len(answers):
            rows = np.tile(rows, (len(slots), 1))
        good = self.samples.good(rows)
        bad = np.flatnonzero(~good.all(axis=1))
        each = slots.repeat(time)
        np.add.at(self.bad_inputs, each[bad], 1)
        if self.policy is NanPolicy.HOLD:
            self.stepper.run(places, self._held(each, rows, good, bad), answers, time, False)
            return len(rows)
        every = places.repeat(time)
        for start, end in pairwise([-1, *bad.tolist(), len(rows)]):
            part = slice(start + 1, end)
            if end > start + 1:
                self.stepper.run(every[part], rows[part], answers[part], 1, False)
            if end < len(rows):
                self.reset(int(each[end]))
                answers[end] = np.nan
        return len(rows)

    def _held(self, slots: Integers, rows: Floats, good: NDArray[np.bool_], bad: Integers) -> Floats:
        """The rows with bad values replaced by those that their streams took before. slots: (rows,)."""
        rows = rows.copy()
        for row in bad.tolist():
            before = np.flatnonzero(slots[:row] == slots[row])
            last = rows[before[-1]] if before.size else self._accepted[slots[row]]
            rows[row] = np.where(good[row], rows[row], last)
        return rows
