"""The StreamBank: one model at work on many streams, each with a key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import empty
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..runtime.keyed import Integers, Key, checked, sequence
from ..runtime.samples import NanPolicyName
from ..runtime.states import Floats, StepSame
from .kept import Eviction, KeptStreams

if TYPE_CHECKING:
    from ..model import Model

_FLOAT32 = np.dtype(np.float32)


#: A step of the same keys as before: the keys, what they were looked up as, their slots, what makes the step, shape and number of its
#: answers. A tuple, since each step takes it apart.
_Ready = tuple[Sequence[Any], tuple[Sequence[Any], Integers], Integers, StepSame, tuple[int, ...], int]


class StreamBank(KeptStreams):
    """A model at work on many streams of samples, each of which has a key: a str, a whole number of 64 bits, or bytes.

    Streams share weights and code; of each there is its state alone, side by side in one array. A stream begins in the initial state when
    its key is first stepped, and its answers are to the last bit those of a `Stream` of its own. Keys come and go in `step`, `step_many`,
    `process_many`, `drop`, `restore`, `restore_all` and `evict_idle`; states change in these and in `reset`. A bank belongs to one thread
    at a time.

    Parameters
    ----------
    model : Model, str or os.PathLike
        A model, or the path of a built library.
    capacity : int
        Most streams at a time. Memory is taken as they come: for each its state, as large as a snapshot, and its key. Of a built library
        it is the whole arena.
    evict : {"refuse", "oldest"}
        What a new key does that finds no room: raise an error, or take the place of the stream that was stepped longest ago.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        What to do with samples that must not enter a state; it acts upon each stream by itself. See `samples.NanPolicy`.
    threads : int
        How many share the streams of a call of `step_many` or `process_many` in which each stands once. 1: nothing is started.

    Attributes
    ----------
    program : Program
    capacity, threads : int
    steps : int
        Steps taken, those of all streams counted one by one.

    Raises
    ------
    UsageError
        If the model reads whole recordings: there is no state to keep.
    UnsupportedModelError, CompileError, LibraryError
        As `Stream`.

    Examples
    --------
    >>> bank = el.StreamBank(el.load("gesture.elstm"), 1000)
    >>> scores = bank.step("watch-17", sample)
    >>> scores = bank.step_many(["watch-17", "watch-3"], samples)
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str],
        capacity: int,
        *,
        evict: Eviction = "refuse",
        nan_policy: NanPolicyName = "raise",
        threads: int = 1,
    ) -> None:
        super().__init__(model, capacity, evict=evict, nan_policy=nan_policy, threads=threads)
        self._ready: _Ready | None = None

    def step(self, key: Key, x: object) -> Floats | None:
        """One timestep of one stream.

        Parameters
        ----------
        key : str, int or bytes
            One that is not there begins a stream.
        x : (input_size,)
            As `Stream.step` takes it.

        Returns
        -------
        (output_size,) float32
            A new array. None where no answer is due; see `every`.

        Raises
        ------
        InputError
            If the shape is wrong or a value must not enter the state; nothing has changed then.
        UsageError
            If the key is none, or there is no room for another; nothing has changed then.
        """
        rows = self._states.samples.one(x).reshape(1, -1)
        keys = (key,)
        slots = self._slots(keys, rows, 1)
        before = self._states.steps(int(slots[0]))
        answers = self._stepped(keys, slots, rows, 1)
        if self._sizes.each_step or (self._sizes.due(before, 1) and self._states.steps(int(slots[0])) == before + 1):
            return answers.reshape(self.output_shape)
        return None

    def step_many(self, keys: Sequence[Key] | NDArray[Any], xs: ArrayLike) -> Floats:
        """One timestep of each of these streams, in this order: a key that stands twice is stepped twice.

        Parameters
        ----------
        keys : sequence of str, int or bytes
            Any of them, in any order; those that are not there begin a stream. Keys that are those of the call before are not looked up
            again.
        xs : (len(keys), input_size)
            A sample for each; a C-contiguous float32 array is fastest.

        Returns
        -------
        (len(keys), output_size) float32
            A new array: the answer of each; NaN where none is due.

        Raises
        ------
        InputError, UsageError
            As `step`; nothing has changed then, of any stream.
        """
        if (ready := self._ready) is not None:
            known, looked, slots, step, shape, count = ready
            keyed = self._keyed
            if keys is known and keyed.looked is looked:
                answers: Floats = empty(shape, _FLOAT32)
                if step(xs, answers) is answers:
                    keyed.touched = slots, (before := self.steps), 1
                    self.steps = before + count
                    return answers
        keys, size = sequence(keys), self._sizes.input_size
        plain = type(xs) is np.ndarray and xs.dtype == np.float32 and xs.shape == (len(keys), size) and xs.flags.c_contiguous
        rows: Floats = xs if plain else self._states.samples.many(xs)  # type: ignore[assignment]
        if len(rows) != len(keys):
            raise InputError(f"step_many takes a sample a key; got {len(keys)} keys and {len(rows)} samples.")
        answers = self._many(keys, rows, 1)
        if type(keys) is tuple and self._keyed.looked[0] is keys:
            self._prepare(self._keyed.looked)
        return answers if len(self.output_shape) == 1 else answers.reshape(len(keys), *self.output_shape)

    def _prepare(self, looked: tuple[Sequence[Any], Integers]) -> None:
        """Note what the next step of the same keys needs."""
        keys, slots = looked
        if (step := self._states.ready(slots)) is not None:
            self._ready = keys, looked, slots, step, (len(keys), *self.output_shape), len(keys)

    def process_many(self, keys: Sequence[Key] | NDArray[Any], xs: ArrayLike) -> Floats:
        """Many timesteps of each of these streams, as many of all; a key that stands twice takes its parts one behind the other.

        Parameters
        ----------
        keys : sequence of str, int or bytes
        xs : (len(keys), time, input_size)

        Returns
        -------
        (len(keys), time, output_size) float32
            A new array: the answer to every sample; NaN where none is due.

        Raises
        ------
        InputError, UsageError
            As `step`; nothing has changed then, of any stream.
        """
        keys, given = sequence(keys), np.asarray(xs)
        count, time = given.shape[:2] if given.ndim > 1 else (-1, 0)
        if count != len(keys) or given.shape[2:] not in ((self.input_size,), self.input_shape):
            inside = ", ".join(map(str, self.input_shape))
            raise InputError(f"process_many takes an array of shape ({len(keys)}, time, {inside}), a part a key; got {given.shape}.")
        rows = self._states.samples.many(given.reshape(count * time, *given.shape[2:]))
        return self._many(keys, rows, time).reshape(count, time, *self.output_shape)

    def _many(self, keys: Sequence[Key], rows: Floats, time: int) -> Floats:
        if not len(rows):
            return np.zeros((0, self.output_size), np.float32)
        return self._stepped(keys, self._slots(keys, rows, time), rows, time)

    def _stepped(self, keys: Sequence[Key], slots: Integers, rows: Floats, time: int) -> Floats:
        """Answers (len(slots) * time, outputs)."""
        answers = self._states.answers(len(rows))
        done = self._states.step(slots, rows, answers, time)
        if done < len(rows):
            raise self._states.refusal(rows, done, keys, time)
        self._keyed.touch(slots, self.steps, time)
        self.steps += len(rows)
        return answers

    def _slots(self, keys: Sequence[Key], rows: Floats, time: int) -> Integers:
        """The slots of keys; new ones begin a stream, unless a row is refused or there is no room."""
        slots = self._keyed.look_up(keys)
        if slots is not None:
            return slots
        keys = tuple(map(checked, keys))
        new = [key for key in dict.fromkeys(keys) if key not in self._keyed.slots]
        if new:
            self._states.check_rows(rows, keys, time)
            self._begin(new, {*keys})
        found = self._keyed.look_up(keys)
        assert found is not None
        return found

    def __repr__(self) -> str:
        return self._shown(f"{len(self)} of {self.capacity} streams")
