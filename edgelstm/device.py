"""A built library, stepped with the standard library alone: for boards where NumPy is too much, or has no package.

    from edgelstm.device import Stream

    stream = Stream("gesture.so")
    y = stream.step([0.1, -9.8, 0.3])  # a memoryview of float32, valid until the next step

`edgelstm.Stream` does the same with NumPy's arrays, faster from Python, and with a choice of NaN policies.
"""

import ctypes

from .library_file import LibraryFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Any, NoReturn

_ALIGNMENT = 64

#: As `program.PROBE_LIMIT`: largest difference from the probe, relative to max(1, |output|).
_PROBE_LIMIT = 1e-4


def _refuse(kind: str, message: str) -> "NoReturn":
    """Raise an error of `errors`, which a healthy start has no need to load."""
    from . import errors

    raise getattr(errors, kind)(message) from None


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
        self._shape = shape = file.shape
        self.input_size, self.output_size = shape.input_size, shape.output_size
        self._library = file.load()
        self._memory = bytearray(shape.arena_bytes + _ALIGNMENT)
        whole = _address(self._memory)
        start = -whole % _ALIGNMENT
        places = (whole + start, whole + start + shape.input_offset, whole + start + shape.output_offset)
        self._arena, self._input, self._output = map(ctypes.c_void_p, places)
        arena = memoryview(self._memory)[start:]
        self.input = arena[shape.input_offset :][: 4 * self.input_size].cast("f")
        self.output = arena[shape.output_offset :][: 4 * self.output_size].cast("f")
        self._step = self._library.edgelstm_step
        self._library.edgelstm_init(self._arena)
        self._check(file)

    def _check(self, file: LibraryFile) -> None:
        """Replay the probe that the library was built with."""
        answers = memoryview(bytearray(file.probe_outputs.nbytes)).cast("f")
        self.process(file.probe_inputs, answers)
        for index, (got, wanted) in enumerate(zip(answers, file.probe_outputs, strict=True)):
            if not abs(got - wanted) <= _PROBE_LIMIT * max(1.0, abs(wanted)):
                _refuse(
                    "LibraryError",
                    f"{file.path} differs from the answers it was built to give by {abs(got - wanted):.1e} at step "
                    f"{index // self.output_size}. Build it again for this board; if it stays, please report this.",
                )
        self.reset()

    def step(self, *sample: "Iterable[float] | memoryview") -> "memoryview[float]":
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
        if self._step(self._arena, self._input, self._output):
            self._complain()
        return self.output

    def _complain(self) -> "NoReturn":
        """Say which value of `input` must not enter the state."""
        if vocabulary := self._shape.vocabulary:
            _refuse("InputError", f"channel 0 must be a whole number from 0 to {vocabulary - 1}, an index; got {self.input[0]:g}.")
        limit = self._shape.input_limit
        channel, value = next((k, value) for k, value in enumerate(self.input) if not abs(value) <= limit)
        _refuse("InputError", f"channel {channel} is {value:g}, which must not enter the state, which is as it was; repair the sample.")

    def _take(self, sample: "Any") -> None:
        try:
            self.input[:] = sample
        except (TypeError, ValueError):
            try:
                values = list(sample)
                # Text that spells numbers is none.
                fit = len(values) == self.input_size and not any(isinstance(value, str | bytes) for value in (sample, *values))
                floats = [float(value) for value in values] if fit else []
            except (TypeError, ValueError, OverflowError):
                floats = []
            if len(floats) != self.input_size:
                counted = isinstance(sample, list | tuple) and len(sample) != self.input_size
                came = len(sample) if counted else f"{type(sample).__name__}: {' '.join(repr(sample).split())[:80]}"
                _refuse("InputError", f"a sample is {self.input_size} numbers; got {came}.")
            for k, value in enumerate(floats):
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
        try:
            given, taken = memoryview(samples), memoryview(answers)
        except TypeError:
            given = taken = memoryview(b"")
        steps = given.nbytes // (4 * self.input_size)
        fit = given.format == taken.format == "f" and given.c_contiguous and taken.c_contiguous and not taken.readonly
        if not fit or given.nbytes != 4 * self.input_size * steps or taken.nbytes != 4 * self.output_size * steps:
            _refuse(
                "InputError",
                f"process takes float32 buffers of (time, {self.input_size}) and (time, {self.output_size}), the second writable; "
                f"got {given.format!r} of {given.nbytes} bytes and {taken.format!r} of {taken.nbytes} bytes.",
            )
        if not steps:
            return
        source = bytearray(given) if given.readonly else given
        function = self._library.edgelstm_process
        function.restype = ctypes.c_size_t
        done = function(self._arena, ctypes.c_void_p(_address(source)), ctypes.c_void_p(_address(taken)), ctypes.c_size_t(steps))
        if done != steps:
            _refuse("InputError", f"sample {done} holds a value that must not enter the state, which is as it was; repair the sample.")

    def reset(self) -> None:
        """Go back to the state before the first step."""
        self._library.edgelstm_reset(self._arena)

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes, here, in `edgelstm.Stream` or in C."""
        blob = bytearray(self._library.edgelstm_snapshot_bytes())
        self._library.edgelstm_snapshot(self._arena, ctypes.c_void_p(_address(blob)))
        return bytes(blob)

    def restore(self, blob: bytes) -> None:
        """Take up the state of a snapshot.

        Raises
        ------
        StateError
            If it is damaged or of another model; the state is then as it was.
        """
        try:
            kept = bytearray(memoryview(blob)) or bytearray(1)
        except TypeError:
            _refuse("StateError", f"a snapshot is the bytes that stream.snapshot() gave; got {type(blob).__name__}.")
        answer = self._library.edgelstm_restore(self._arena, ctypes.c_void_p(_address(kept)), ctypes.c_size_t(len(kept)))
        if answer == 1:
            _refuse("StateError", f"these {len(blob)} bytes are no whole snapshot of this model; take another, or start with reset().")
        if answer == 2:
            _refuse("StateError", "the snapshot belongs to another model; load that model's library, or start with reset().")

    @property
    def info(self) -> "dict[str, Any]":
        """What the library says of itself: sizes, names, labels, layers, scheme, target."""
        import json

        info = self._library.edgelstm_info
        info.restype = ctypes.c_char_p
        told: dict[str, Any] = json.loads(info())
        return told


def _address(buffer: "bytearray | memoryview") -> int:
    """Where a writable buffer's data lies."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
