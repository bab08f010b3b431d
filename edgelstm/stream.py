"""The Stream: one model's state in one block of memory, and the five verbs that act on it.

Start here to follow a step from Python to the multiply-add. Each is called by the one before, and nearly all of it is inlined:

1. `Stream.step`, which `_bind` makes: a builtin over the next one (`runtime.native_call`);
2. `kernels.entry.python_call.python_step`: checks the sample and copies it;
3. ``edgelstm_step_in_place``, text in `compiler.fuse`: all layers of the model; called by symbol, for it is compiled apart;
4. `kernels.lstm_f32.lstm_f32`: the timesteps of a layer; its `walker`: the tiles of one of them;
5. `kernels.lstm_sums.tile_of`: the sums, multiply-adds of `tiles_f32.multiplication`, and what `lstm_ends` makes of them.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, UsageError
from .runtime import native_call, snapshot
from .runtime.arena import Arena
from .runtime.decoding import Decoding
from .runtime.facts import StreamFacts
from .runtime.forks import IMPORTING
from .runtime.program import open_library
from .runtime.samples import NanPolicy, NanPolicyName, check_policy, policy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from .compiler.plan import Plan
    from .model import Model
    from .statistics import InputStatistics


#: What `help` says of ``stream.step``. Every stream has a builtin of its own in that slot: a method in the class would cost 10 ns a call.
_STEP = """step(x, /) -> y, or step() -> y: one timestep.

Parameters
----------
x : (input_size,), optional
    A float32 array is fastest. Lists, other arrays, bare numbers for one input, and values by name do as well; see `samples.floats`.
    Without it, the sample is what stands in `input`.

Returns
-------
(output_size,) float32
    A view that is valid until the next step, and the same object each time: what is done to its shape, strides or dtype stays for later
    answers. Change those of a copy: ``stream.step(x).copy()``. A map has the shape (height, width, channels), as do samples that are maps.
    None where no answer is due: some models answer every n-th step alone; see `Stream.every`.

Raises
------
InputError
    If the shape is wrong or a value must not enter the state, which is then as it was.
"""


class Stream(Decoding, StreamFacts):
    """A model at work on one stream of samples.

    The state changes in `step`, `process`, `reset` and `restore`, and by nothing else. A stream belongs to one thread at a time;
    different streams are independent. `process` releases the interpreter's lock for blocks that take longer than some 0.1 ms.

    ``copy.copy``, ``copy.deepcopy`` and ``pickle`` make an independent stream that goes on from the same state, with the same policy and
    counters. A pickle holds the model, or the path of the built library, which must then be there.

    Parameters
    ----------
    model : Model, str or os.PathLike
        A model is compiled for this machine, or found in the cache; streams of one Model object share their weights.
        A path is that of a library that `edgelstm.build` made for this machine: nothing is compiled.
    nan_policy : {"raise", "hold", "reset", "propagate"}
        What to do with samples that must not enter the state; see `samples.NanPolicy`.

    Attributes
    ----------
    program : Program
        What runs; ``program.about()`` tells the sizes of weights and code, and the target.
    input : (input_size,) float32
        Memory to write a sample into before `step()`.

    Raises
    ------
    UnsupportedModelError, CompileError
        If the model cannot be compiled, or fails its probe on this machine.
    LibraryError
        If the library is damaged, foreign, for another machine, or fails its probe.

    Examples
    --------
    >>> stream = el.Stream(el.load("gesture.elstm"))
    >>> for sample in imu:
    ...     scores = stream.step(sample)
    """

    __slots__ = {"step": _STEP, "__dict__": "", "__weakref__": ""}  # noqa: RUF023

    _OWN = frozenset({"program", "input", "_sizes", "_plan", "_model", "_path", "_arena", "_blocks", "_digest"})

    def __init__(self, model: Model | str | os.PathLike[str], *, nan_policy: NanPolicyName = "raise") -> None:
        policy = policy_of(nan_policy)
        self._plan: Plan | None = None
        self._model: Model | None = None
        self._path = ""
        if isinstance(model, str | os.PathLike):
            self._path = os.path.abspath(os.fspath(model))
            self.program = open_library(os.fspath(model))
        else:
            with IMPORTING:
                from .compiler.plan import plan_of

            self._model, self._plan = model, plan_of(model)
            self.program = self._plan.program
        self._sizes = self.program.sizes
        check_policy(policy, self._sizes)
        self._bind(Arena(self.program, policy))

    def _bind(self, arena: Arena) -> None:
        """Let this arena be the one that is stepped."""
        self._arena, self.input, self._blocks = arena, arena.input, None
        step: native_call.Step = arena.careful_step
        if self.program.python_step and native_call.usable():
            checked = arena.policy is not NanPolicy.PROPAGATE
            step = native_call.bind(self.program, arena.block, arena.input, arena.output, arena.careful_step, checked=checked)
            self._blocks = native_call.bind_blocks(self.program, arena.block, checked=checked)
        self.step = step  # type: ignore[method-assign]

    if TYPE_CHECKING:

        def step(self, x: object = ..., /) -> NDArray[np.float32] | Any: ...

    @property
    def model(self) -> Model:
        """What was compiled.

        Raises
        ------
        UsageError
            If the stream steps a built library, which holds no model.
        """
        if self._model is None:
            raise UsageError("this stream steps a built library, which holds code and no model; keep the .elstm file for that.")
        return self._model

    @property
    def plan(self) -> Plan:
        """How the model was compiled.

        Raises
        ------
        UsageError
            If the stream steps a built library.
        """
        if self._plan is None:
            raise UsageError("this stream steps a built library, which was compiled elsewhere; see stream.program.")
        return self._plan

    def _is_batch(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape holds several recordings: (batch, time, …), samples flat or as maps."""
        return len(shape) == 2 + len(self.input_shape) or (len(shape) == 3 and shape[1:] != self.input_shape)

    def process(self, xs: ArrayLike, *, length: int | Sequence[int] | None = None) -> NDArray[np.float32]:
        """Many timesteps, bit-equal to stepping; or, of a model that cannot step, one whole recording, from the initial state.

        Parameters
        ----------
        xs : (time, input_size), or (batch, time, input_size) of recordings
            Or (time, height, width, channels) where samples are maps, or (time,) where input_size is 1. Any numeric array, nested lists,
            or a table with the inputs' names; see `samples.floats`.
        length : int, or (batch,) of int, optional
            How many samples count; what follows them is padding, which nothing reads, and its answers are 0.

        Returns
        -------
        (time, output_size) float32
            A new array: the answers that were due, one a step unless the model answers more seldom. (1, output_size) of a model that
            gives one answer for a recording; (batch, …) of a batch, which only a model that cannot step takes.

        Raises
        ------
        InputError
            If the shape is wrong or a value must not enter the state, which is then as it was.
        """
        arena, sizes = self._arena, self._sizes
        if self._blocks is not None and length is None and type(xs) is np.ndarray and 0 < xs.ndim < 3 and len(xs) <= arena.brief:
            answers = np.empty((len(xs), *sizes.output_shape), np.float32)
            if self._blocks(xs, answers) is answers:
                return answers
        if sizes.reads_recordings and isinstance(xs, np.ndarray) and self._is_batch(xs.shape):
            from .runtime.recordings import each

            return each(self.process, xs, length)
        rows = arena.samples.many(xs)
        used = rows
        if length is not None:
            from .runtime.recordings import checked_length

            used = rows[: checked_length(length, len(rows))]
        if sizes.reads_recordings and len(used) < sizes.first:
            from .runtime.plain_refusals import refuse_recording

            refuse_recording(len(used), sizes.first)
        # A stream that goes back to its initial state within the block may give other answers than those due now.
        most = len(rows) if arena.policy is NanPolicy.RESET else arena.due(len(rows))
        try:
            answers = np.zeros((most, *sizes.output_shape), np.float32)
        except MemoryError:
            raise InputError(f"the answers to {len(rows)} samples need more memory than this machine gives; pass shorter blocks.") from None
        given = arena.process(used, answers, counted=True)
        if given == most or (length is not None and sizes.each_step):
            return answers  # those to the padding are 0
        return answers[:given]

    def reset(self) -> None:
        """Go back to the state before the first step."""
        self._arena.reset()

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes, in this process or another, of this machine or another.

        Raises
        ------
        UsageError
            If the model cannot step: it keeps nothing from one recording to the next.
        """
        self._check_kept("a snapshot")
        return snapshot.pack(self._arena.state, self._digest)

    def _check_kept(self, what: str) -> None:
        if self.program.reads_recordings:
            raise UsageError(f"this model keeps nothing from one recording to the next: {what} has no use. Each process(xs) begins anew.")

    def restore(self, blob: bytes) -> None:
        """Take up the state of a snapshot.

        Raises
        ------
        StateError
            If it is damaged or of another model; the state is then as it was.
        UsageError
            As `snapshot`.
        """
        self._check_kept("restore")
        self._arena.restore(snapshot.unpack(blob, self._arena.state.nbytes, self._digest))

    def _told(self) -> dict[str, Any]:
        about = self.program.about()
        return {**about.outline, "target": about.target}

    def __copy__(self) -> Stream:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._bind(self._arena.twin())
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        arena = self._arena
        source = self._path if self._model is None else self._model
        kept = (arena.policy.value, snapshot.pack(arena.state, self._digest), arena.given.tobytes(), arena.bad_inputs)
        return _taken_up, (type(self), source, *kept), self._added() or None

    def warmup(self, steps: int = 100) -> None:
        """Bring code and weights into the caches by some steps that leave no trace in the state."""
        before = self._arena.state.copy()
        zeros = np.zeros((steps, self.input_size), np.float32)
        self._arena.run(zeros, np.empty((self._arena.due(steps), self.output_size), np.float32), checked=False)
        self._arena.state[:] = before

    @property
    def steps(self) -> int:
        """Steps taken since the initial state."""
        return self._arena.steps

    @property
    def bad_inputs(self) -> int:
        """Samples that the NaN policy acted upon."""
        return self._arena.bad_inputs

    @property
    def digest(self) -> str:
        """SHA-256 of the model's layers and weights, hexadecimal: snapshots are bound to it."""
        return self._digest

    @property
    def statistics(self) -> InputStatistics | None:
        """What the inputs looked like in training; None where the model, or the library, does not say."""
        from .statistics import told

        return told(self._told())

    @cached_property
    def _digest(self) -> str:
        if self._model is None:
            return self.program.sizes.digest.hex()
        from .files.elstm import model_digest

        return model_digest(self._model)


def _taken_up(kind: type[Stream], source: Model | str, policy: NanPolicyName, blob: bytes, given: bytes, bad_inputs: int) -> Stream:
    """The stream of a pickle."""
    made = kind.__new__(kind)
    Stream.__init__(made, source, nan_policy=policy)
    arena, finite = made._arena, policy != "propagate"
    arena.restore(snapshot.unpack(blob, arena.state.nbytes, made._digest, finite=finite), checked=finite)
    arena.given[0] = np.frombuffer(given, np.float32)
    arena.bad_inputs = bad_inputs
    return made
