"""Windows as a network was trained on them, at work on an endless stream: staggered states instead of windows computed anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, UsageError
from ..runtime import native_call
from ..runtime.keyed import Integers, Key, checked, sequence
from ..runtime.samples import NanPolicy, NanPolicyName
from ..runtime.states import CompiledStepper, Floats
from .open_windows import OpenWindows

if TYPE_CHECKING:
    from ..model import Model


class Windowed(OpenWindows):
    """A model that answers for the last `length` samples, every `hop` steps: what a fresh `Stream` answers to them, to the last bit.

    A window begins at every `hop`-th sample, so that at most ceil(length / hop) are open at a time. Each has a state of its own, and a
    sample is a step of each of them: no window is computed anew, and every step costs the same. The first answer comes with sample number
    `length`.

    Parameters
    ----------
    model : Model, str or os.PathLike
        A model, or the path of a built library.
    length : int
        Samples in a window.
    hop : int
        Samples from the beginning of one window to that of the next.
    capacity : int
        Most streams at a time, where there are several: each has a key.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        As `Stream`'s, within each window: what came before it is not known there.

    Attributes
    ----------
    length, hop : int
    windows : int
        Most windows that are open at a time.

    Raises
    ------
    UsageError
        If no answer is due at the end of a window, or the model reads whole recordings.

    Examples
    --------
    >>> windowed = el.Windowed(model, length=100, hop=10)
    >>> for sample in imu:
    ...     if (scores := windowed.step(sample)) is not None:
    ...         use(scores)
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str],
        *,
        length: int,
        hop: int = 1,
        capacity: int = 1,
        nan_policy: NanPolicyName = "raise",
    ) -> None:
        super().__init__(model, length, hop, capacity, nan_policy)
        sizes = self._sizes
        if not sizes.due(self.length - 1, 1):
            raise UsageError(
                f"after {length} samples no answer is due: this model answers step {sizes.first} and every {sizes.every} steps from there; "
                "choose such a length."
            )
        self._answers = self._states.answers(self.windows)
        stepper = self._states.stepper
        self._call = stepper.call() if isinstance(stepper, CompiledStepper) else None
        self._told_of = -1  # the slot of the stream that `_call` is of
        self._last: tuple[tuple[int, int, int], Integers] = (-1, 0, 0), np.zeros(0, np.int64)
        if self.capacity == 1:
            self._bind()

    def step(self, x: object, key: Key = 0) -> Floats | None:
        """One timestep.

        Parameters
        ----------
        x : (input_size,)
            As `Stream.step` takes it.
        key : str, int or bytes
            Of one of several streams; one that is not there begins one.

        Returns
        -------
        (output_size,) float32
            Where a window ends here, a view that is valid until the next answer; else None.

        Raises
        ------
        InputError
            If the shape is wrong or a value must not enter a state; nothing has changed then.
        """
        answers = self._run(key, self._states.samples.one(x).reshape(1, -1))
        return answers[0].reshape(self.output_shape) if len(answers) else None

    def _bind(self) -> None:
        """Let steps of the one stream be calls of native code, where this interpreter allows that."""
        states, stepper = self._states, self._states.stepper
        if self._call is None or not native_call.usable() or not isinstance(stepper, CompiledStepper):
            return
        careful = partial(Windowed.step, self)  # Python collects the cycle
        answer, checked = self._answers[0].reshape(self.output_shape), states.policy is not NanPolicy.PROPAGATE
        windowed = stepper.streams.python_windowed
        self.step = native_call.bind(  # type: ignore[method-assign]
            self.program, self._call.memory, answer, answer, careful, checked=checked, windowed=windowed
        )

    def _tell(self, slot: int) -> None:
        """Tell native code of the windows of a stream."""
        if self._call is not None and self._told_of != slot:
            every = self._states.places(slot * self.windows + np.arange(2 * self.windows) % self.windows)
            sizes = self.length, self.hop, self.windows
            self._call.tell_windows(sizes, self._taken[slot : slot + 1], every, self.program.initial_state, self._answers)
            self._told_of = slot

    def drop(self, key: Key) -> None:
        """Forget a stream.

        Raises
        ------
        UsageError
            If there is none of this key.
        """
        super().drop(key)
        self._told_of = -1
        if self._call is not None:
            self._call.let_go()

    def process(self, xs: ArrayLike, key: Key = 0) -> Floats:
        """Many timesteps, bit-equal to stepping.

        Parameters
        ----------
        xs : (time, input_size)
        key : str, int or bytes

        Returns
        -------
        (windows that end here, output_size) float32

        Raises
        ------
        InputError
            As `step`.
        """
        answers = self._run(key, self._states.samples.many(xs))
        return answers.reshape(len(answers), *self.output_shape)

    def step_many(self, keys: Sequence[Key] | NDArray[Any], xs: ArrayLike) -> Floats:
        """One timestep of each of these streams, in this order.

        Parameters
        ----------
        keys : sequence of str, int or bytes
        xs : (len(keys), input_size)

        Returns
        -------
        (len(keys), output_size) float32
            The answer of each; NaN where no window ends.

        Raises
        ------
        InputError
            As `step`; nothing has changed then, of any stream.
        """
        keys, rows = tuple(map(checked, sequence(keys))), self._states.samples.many(xs)
        if len(rows) != len(keys):
            raise InputError(f"step_many takes a sample a key; got {len(keys)} keys and {len(rows)} samples.")
        self._states.check_rows(rows, keys, 1)
        slots = self._slots(keys)
        answers = np.full((len(keys), self.output_size), np.nan, np.float32)
        left = np.arange(len(keys))
        while left.size:  # a key that stands twice is stepped in two rounds
            _, first = np.unique(slots[left], return_index=True)
            now = left[np.sort(first)]
            answers[now] = self._round(slots[now], rows[now])
            left = np.setdiff1d(left, now)
        return answers.reshape(len(keys), *self.output_shape)

    def _run(self, key: Key, rows: Floats) -> Floats:
        """Answers (windows that end, outputs) of one stream."""
        states = self._states
        good = states.policy is NanPolicy.PROPAGATE or bool(states.samples.good(rows).all())
        if not good:
            states.check_rows(rows, (key,), len(rows))
        slot = int(self._slots((checked(key),))[0])
        if self.capacity > 1 or key == 0:
            self._tell(slot)
        if good and self._told_of == slot and self._call is not None and isinstance(states.stepper, CompiledStepper):
            taken = int(self._taken[slot])
            answers = states.answers(self._windows.ended(taken + len(rows)) - self._windows.ended(taken))
            places = native_call.address(rows), native_call.address(answers)
            states.stepper.streams.run_windowed(self._call.address, *places, len(rows))
            return answers
        return self._run_carefully(slot, rows)

    def _run_carefully(self, slot: int, rows: Floats) -> Floats:
        """The same where the NaN policy acts, or a library steps."""
        given, done, taken = [], 0, int(self._taken[slot])
        while done < len(rows):
            oldest, newest = self._windows.ended(taken), taken // self.hop
            if taken % self.hop == 0:
                self._states.reset(slot * self.windows + newest % self.windows)
            end = oldest * self.hop + self.length
            count = min(len(rows) - done, (newest + 1) * self.hop - taken, end - taken)
            if newest >= oldest:
                answers = self._states.answers((newest - oldest + 1) * count)
                self._states.step(self._open(slot, oldest, newest), rows[done : done + count], answers, count)
                if taken + count == end:
                    given.append(answers[count - 1])
            done, taken = done + count, taken + count
            self._taken[slot] = taken
        return np.array(given, np.float32).reshape(len(given), self.output_size)

    def _open(self, slot: int, oldest: int, newest: int) -> Integers:
        """Slots of the states of the windows that are open; the same array for the same windows."""
        if self._last[0] != (slot, oldest, newest):
            self._last = (slot, oldest, newest), slot * self.windows + np.arange(oldest, newest + 1) % self.windows
        return self._last[1]

    def _round(self, slots: Integers, rows: Floats) -> Floats:
        """A step of different streams: answers (len(slots), outputs), NaN where no window ends."""
        taken, places = self._taken[slots], slots * self.windows
        oldest, newest = np.maximum(0, (taken - self.length) // self.hop + 1), taken // self.hop
        begins = taken % self.hop == 0
        self._states.rows[(places + newest % self.windows)[begins]] = self.program.initial_state
        window = oldest[:, None] + np.arange(self.windows)  # (streams, windows)
        is_open = window <= newest[:, None]
        found = self._states.answers(int(is_open.sum()))
        counts = is_open.sum(axis=1)
        if len(found):
            self._states.step((places[:, None] + window % self.windows)[is_open], rows.repeat(counts, axis=0), found, 1)
        ends = taken + 1 == oldest * self.hop + self.length
        answers = np.full((len(slots), self.output_size), np.nan, np.float32)
        answers[ends] = found[(np.cumsum(counts) - counts)[ends]]
        self._taken[slots] = taken + 1
        return answers

    def __repr__(self) -> str:
        return self._shown(f"{self.length} samples every {self.hop}")
