"""The memory of one stream, and the careful steps that Python takes in it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ..errors import StateError, UsageError
from . import native_call
from .memory import allocate
from .program import Program
from .samples import NanPolicy, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Most steps that are taken while the interpreter waits, times the square of the bytes of a state or an answer, as which their work grows:
#: some 0.1 ms.
_MOST_WORK = 1 << 27


class Arena:
    """The memory of one stream, and the steps that Python takes in it. Knows nothing of the Stream, so that no cycle holds it alive."""

    def __init__(self, program: Program, policy: NanPolicy) -> None:
        sizes = program.sizes
        self.program, self.policy = program, policy
        self.samples = Samples(program)
        self.block = allocate(sizes.arena_bytes)
        self.addresses = (program.weights, self.block.ctypes.data)
        self.state = self.block[: sizes.state_bytes]
        self._steps = self.state[:8].data.cast("q")  # NumPy would take 0.8 us to read it
        self.sample = self._floats(sizes.sample_offset, sizes.input_size)  # (input_size,) last one accepted
        self.input = self._floats(sizes.input_offset, sizes.input_size).reshape(sizes.input_shape)  # written by the user
        self.output = self._floats(sizes.output_offset, sizes.output_size).reshape(sizes.output_shape)  # of the last answer, for the user
        # Views of our own: users may give theirs another shape.
        self.given, self.answer = self.input.reshape(1, -1), self.output.reshape(1, -1)
        self.bad_inputs = 0
        self.brief = _MOST_WORK // max(sizes.state_bytes, 4 * sizes.output_size) ** 2  # steps of a block that no other thread misses
        self.reset()

    def twin(self) -> Arena:
        """Another arena that holds the same."""
        made = Arena(self.program, self.policy)
        made.block[:] = self.block
        made.bad_inputs = self.bad_inputs
        return made

    def __reduce__(self) -> NoReturn:
        native_call.refuse_alone()

    def _floats(self, offset: int, count: int) -> NDArray[np.float32]:
        return self.block[offset : offset + 4 * count].view(np.float32)

    @property
    def steps(self) -> int:
        """Steps taken since the initial state."""
        return self._steps[0]

    def due(self, steps: int) -> int:
        """How many answers the next `steps` steps give."""
        sizes = self.program.sizes
        return sizes.due(0 if sizes.each_step or sizes.reads_recordings else self.steps, steps)

    def reset(self) -> None:
        self.state[:] = self.program.initial_state

    def restore(self, state: NDArray[np.uint8], *, checked: bool = True) -> None:
        sample = state[self.program.sizes.sample_offset :][: self.sample.nbytes].view(np.float32)
        if checked and not self.samples.good(sample).all():
            raise StateError("the snapshot holds a sample that this model cannot have read; take another, or start with reset().")
        self.state[:] = state

    def run(self, rows: NDArray[np.float32], answers: NDArray[np.float32], *, checked: bool) -> int:
        """Step over rows (time, input_size) into answers (those due, output_size).

        Returns the index of the first row that must not enter the state, if `checked`: nothing has changed then. Else their number.
        """
        count = len(rows)
        places = native_call.address(rows), native_call.address(answers)
        return self.program.run(*self.addresses, *places, count, self.program.sizes.input_limit, checked)

    def careful_step(self, *args: object) -> NDArray[np.float32] | None:
        """One step with anything that `Samples.one` takes; without an argument, with what stands in `input`. None: no answer is due."""
        if self.program.reads_recordings:
            raise UsageError(
                "this model cannot step: it reads a recording from its end as well. Collect the recording and call "
                "process(xs), xs (time, inputs)."
            )
        if len(args) > 1:
            raise UsageError(f"step takes one sample, or none to use stream.input; got {len(args)} arguments.")
        row = self.samples.one(args[0]).reshape(1, -1) if args else self.given
        return self.output if self.process(row, self.answer, counted=False) else None

    def process(self, rows: NDArray[np.float32], answers: NDArray[np.float32], *, counted: bool) -> int:
        """`run`, with the NaN policy applied first.

        Parameters
        ----------
        rows : (time, input_size)
        answers : (time, output_size)
            Filled in from the front.
        counted : bool
            Whether errors say which sample it was.

        Returns
        -------
        int
            How many answers were given.
        """
        due = self.due(len(rows))
        first = self.run(rows, answers, checked=self.policy is not NanPolicy.PROPAGATE)
        if first == len(rows):
            return due
        good = self.samples.good(rows)
        bad = np.flatnonzero(~good.all(axis=1)).tolist()
        if self.policy is NanPolicy.RAISE:
            channel = int(np.flatnonzero(~good[first])[0])
            raise self.samples.refusal(float(rows[first, channel]), channel, first if counted else None)
        self.bad_inputs += len(bad)
        if self.policy is NanPolicy.HOLD:
            self.run(self._held(rows, good, bad), answers, checked=False)
            return due
        given = 0
        for start, t in pairwise([-1, *bad, len(rows)]):
            due = self.due(t - start - 1)
            self.run(rows[start + 1 : t], answers[given : given + due], checked=False)
            given += due
            if t < len(rows):
                self.reset()
                if self.program.sizes.each_step:
                    answers[given] = np.nan
                    given += 1
        return given

    def _held(self, rows: NDArray[np.float32], good: NDArray[np.bool_], bad: list[int]) -> NDArray[np.float32]:
        rows = rows.copy()
        for t in bad:
            before = rows[t - 1] if t else self.sample
            rows[t] = np.where(good[t], rows[t], before)
        return rows
