"""A built library, stepped with the standard library alone: for boards where NumPy is too much, or has no package.

    from edgelstm.device import Stream

    stream = Stream("gesture.so")
    y = stream.step([0.1, -9.8, 0.3])  # a memoryview of float32, valid until the next step

`edgelstm.Stream` does the same with NumPy's arrays, faster from Python, and with a choice of NaN policies.
"""

import ctypes

from .errors import InputError, LibraryError, StateError
from .library_file import LibraryFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Any

_ALIGNMENT = 64

#: As `program.PROBE_LIMIT`: largest difference from the probe, relative to max(1, |output|).
_PROBE_LIMIT = 1e-4


class Stream:
    """A built library at work on one stream of samples.

    The state changes in `step`, `process`, `reset` and `restore`, and by nothing else. A stream belongs to one thread at a time.
    A sample with a value that must not enter the state (NaN, infinity, too large for float32 sums, no index of the model's table)
    raises InputError, and the state is as it was.

    Parameters
    ----------
    path : str or os.PathLike
        What ``edgelstm build`` wrote for this machine.

    Attributes
    ----------
    input_size, output_size : int
        Values in a sample and in an answer.
    input : memoryview of float32 (input_size,)
        Memory to write a sample into before ``step()``.
    output : memoryview of float32 (output_size,)
        The answer of the last step.

    Raises
    ------
    LibraryError
        If the file is damaged, foreign, of another version, for another machine, or does not give the answers it was built to give.
    """

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        file = LibraryFile(path)
        shape = file.shape
        self.input_size, self.output_size = shape.input_size, shape.output_size
        self._library = file.load()
        self._memory = bytearray(shape.arena_bytes + _ALIGNMENT)
        whole = ctypes.addressof((ctypes.c_char * len(self._memory)).from_buffer(self._memory))
        start = -whole % _ALIGNMENT
        self._arena = whole + start
        view = memoryview(self._memory)
        self.input = view[start + shape.input_offset :][: 4 * self.input_size].cast("f")
        self.output = view[start + shape.output_offset :][: 4 * self.output_size].cast("f")
        self._bind(start + shape.output_offset, start + shape.input_offset)
        self._library.edgelstm_init(ctypes.c_void_p(self._arena))
        self._check(file)

    def _bind(self, output: int, given: int) -> None:
        pointer, word = ctypes.c_void_p, ctypes.c_size_t
        library: Any = self._library
        for name, arguments, answer in (
            ("step", [pointer] * 3, ctypes.c_int32),
            ("process", [pointer, pointer, pointer, word], word),
            ("snapshot", [pointer, pointer], word),
            ("restore", [pointer, pointer, word], ctypes.c_int32),
            ("reset", [pointer], None),
            ("snapshot_bytes", [], word),
            ("info", [], ctypes.c_char_p),
        ):
            function = getattr(library, f"edgelstm_{name}")
            function.argtypes, function.restype = arguments, answer
        base = self._arena - (-ctypes.addressof(ctypes.c_char.from_buffer(self._memory)) % _ALIGNMENT)
        self._step = library.edgelstm_step
        self._places = tuple(pointer(place) for place in (self._arena, base + given, base + output))

    def _check(self, file: LibraryFile) -> None:
        """Replay the probe that the library was built with."""
        wide, across = self.input_size, self.output_size
        for t in range(file.probe_steps):
            answers = self.step(file.probe_inputs[t * wide : (t + 1) * wide])
            for got, wanted in zip(answers, file.probe_outputs[t * across : (t + 1) * across], strict=True):
                if not abs(got - wanted) <= _PROBE_LIMIT * max(1.0, abs(wanted)):
                    raise LibraryError(
                        f"{file.path} differs from the answers it was built to give by {abs(got - wanted):.1e} at step {t}. "
                        "Build it again for this board; if it stays, please report this."
                    )
        self.reset()

    def step(self, *sample: "Iterable[float] | memoryview") -> memoryview:
        """One timestep.

        Parameters
        ----------
        sample : buffer of float32, or sequence of numbers (input_size,), optional
            Without it, what stands in `input`. An `array.array("f")`, a memoryview or a NumPy array of float32 is taken as it is.

        Returns
        -------
        memoryview of float32 (output_size,)
            Valid until the next step.

        Raises
        ------
        InputError
        """
        if sample:
            self._take(*sample)
        if self._step(*self._places):
            bad = [f"channel {k} is {value:g}" for k, value in enumerate(self.input) if not abs(value) < 3e38] or ["a value is out of range"]
            raise InputError(f"{bad[0]}, which must not enter the state. The state is as it was; repair the sample.")
        return self.output

    def _take(self, sample: "Any") -> None:
        try:
            self.input[:] = sample
        except (TypeError, ValueError):
            try:
                values = [float(value) for value in sample]
            except (TypeError, ValueError):
                raise InputError(f"a sample is {self.input_size} numbers; got {type(sample).__name__}.") from None
            if len(values) != self.input_size:
                raise InputError(f"a sample is {self.input_size} numbers; got {len(values)}.") from None
            for k, value in enumerate(values):
                self.input[k] = value

    def process(self, samples: "Any", answers: "Any") -> None:
        """Many timesteps, bit-equal to stepping.

        Parameters
        ----------
        samples : contiguous buffer of float32 (time, input_size)
        answers : writable contiguous buffer of float32 (time, output_size)
            Filled in; must not overlap `samples`.

        Raises
        ------
        InputError
            If a buffer is of another type or size, or a value must not enter the state; nothing has changed then.
        """
        given, taken = memoryview(samples), memoryview(answers)
        steps = given.nbytes // (4 * self.input_size)
        fit = given.format == taken.format == "f" and given.contiguous and taken.contiguous and not taken.readonly
        if not fit or given.nbytes != 4 * self.input_size * steps or taken.nbytes != 4 * self.output_size * steps:
            raise InputError(
                f"process takes float32 buffers of (time, {self.input_size}) and (time, {self.output_size}), the second writable; "
                f"got {given.format!r} of {given.nbytes} bytes and {taken.format!r} of {taken.nbytes} bytes."
            )
        if not steps:
            return
        source = given.cast("B") if not given.readonly else memoryview(bytearray(given.cast("B")))
        x, y = ((ctypes.c_char * view.nbytes).from_buffer(view) for view in (source, taken.cast("B")))
        done = self._library.edgelstm_process(self._arena, ctypes.addressof(x), ctypes.addressof(y), steps)
        if done != steps:
            raise InputError(f"sample {done} holds a value that must not enter the state, which is as it was; repair the sample.")

    def reset(self) -> None:
        """Go back to the state before the first step."""
        self._library.edgelstm_reset(self._arena)

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes, here, in `edgelstm.Stream` or in C."""
        blob = bytearray(self._library.edgelstm_snapshot_bytes())
        self._library.edgelstm_snapshot(self._arena, ctypes.addressof(ctypes.c_char.from_buffer(blob)))
        return bytes(blob)

    def restore(self, blob: bytes) -> None:
        """Take up the state of a snapshot.

        Raises
        ------
        StateError
            If it is damaged or of another model; the state is then as it was.
        """
        kept = bytearray(blob)
        place = ctypes.addressof(ctypes.c_char.from_buffer(kept)) if kept else 0
        answer = self._library.edgelstm_restore(self._arena, place, len(kept))
        if answer == 1:
            raise StateError(f"these {len(kept)} bytes are no whole snapshot of this model; take another, or start with reset().")
        if answer == 2:
            raise StateError("the snapshot belongs to another model; load that model's library, or start with reset().")

    @property
    def info(self) -> "dict[str, Any]":
        """What the library says of itself: sizes, names, labels, layers, scheme, target."""
        import json

        told: dict[str, Any] = json.loads(self._library.edgelstm_info())
        return told
