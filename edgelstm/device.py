"""A built library, stepped with the standard library alone: for boards where NumPy is too much, or has no package.

    from edgelstm.device import Stream

    stream = Stream("gesture.so")
    y = stream.step([0.1, -9.8, 0.3])  # a memoryview of float32, valid until the next step

`edgelstm.Stream` does the same with NumPy's arrays, faster from Python, and with a choice of NaN policies.
"""

import ctypes
import os

from .runtime.facts import StreamFacts
from .runtime.library_file import ALIGNMENT, LibraryFile
from .runtime.plain_refusals import check_probe, refuse, refuse_buffers, refuse_memory, refuse_recording, refuse_sample, refuse_snapshot
from .runtime.plain_samples import address, buffer, flat, floats, rows, shaped, values, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

#: What a step answers in C where none is due.
_NONE_DUE = 2


class Stream(StreamFacts):
    """A built library at work on one stream of samples.

    The state changes in `step`, `process`, `reset` and `restore`, and by nothing else. A stream belongs to one thread at a time.
    A sample with a value that must not enter the state (NaN, infinity, too large for float32 sums, no index of the model's table)
    raises InputError, and the state is as it was. A model that reads whole recordings has `process`, which takes one, from the initial
    state; `step`, `snapshot` and `restore` refuse. Copies and pickles are independent streams in the same state; a pickle holds the path
    of the library, which must then be there.

    Parameters
    ----------
    path : str or os.PathLike
        What ``edgelstm build`` wrote for this machine.

    Attributes
    ----------
    input_size, output_size : int
        Values in a sample and in an answer.
    input_shape, output_shape : tuple of int
        Their shapes: ``(input_size,)`` and ``(output_size,)``, or those of maps.
    every, first : int
        Steps from one answer to the next, and to the first: 1 for most models.
    input : memoryview of float32 (input_size,)
        Memory to write a sample into before ``step()``; of a map, (height, width, channels).
    output : memoryview of float32 (output_size,)
        The last answer.

    Raises
    ------
    LibraryError
        If the file is damaged, foreign, of another version, for another machine, or does not give the answers it was built to give.
    """

    _OWN = frozenset(
        {"input", "output", "_path", "_text", "_sizes", "_library", "_step"}
        | {"_memory", "_arena", "_input", "_output", "_block", "_given", "_answer"}
    )

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        file = LibraryFile(path)
        self._path, self._text = os.path.abspath(file.path), file.info_text
        self._sizes = file.sizes
        self._library = file.load()
        self._step = self._library.edgelstm_step
        self._settle()
        self._check(file)

    def _settle(self) -> None:
        """Take memory for a stream of its own, in the initial state."""
        sizes = self._sizes
        try:
            self._memory = bytearray(sizes.arena_bytes + ALIGNMENT)
        except MemoryError:
            refuse("LibraryError", f"{self._path} needs {sizes.arena_bytes} bytes for a stream, more than this machine gives.")
        whole = address(self._memory)
        start = -whole % ALIGNMENT
        places = (whole + start, whole + start + sizes.input_offset, whole + start + sizes.output_offset)
        self._arena, self._input, self._output = map(ctypes.c_void_p, places)
        self._block = memoryview(self._memory)[start:][: sizes.arena_bytes]
        # Users may release their views: they are others than ours.
        self._given = self._block[sizes.input_offset :][: 4 * self.input_size].cast("f")
        self._answer = self._block[sizes.output_offset :][: 4 * self.output_size].cast("f")
        self.input, self.output = shaped(self._given, sizes.input_shape), shaped(self._answer, sizes.output_shape)
        self._library.edgelstm_init(self._arena)

    def _check(self, file: LibraryFile) -> None:
        """Replay the probe that the library was built with."""
        answers = memoryview(bytearray(file.probe_outputs.nbytes)).cast("f")
        if (done := self._run(file.probe_inputs, answers, file.probe_steps)) != file.probe_steps:
            refuse("LibraryError", f"{file.path} holds a probe that this model cannot have answered, at step {done}. Build it again.")
        check_probe(file.path, answers, file.probe_outputs, self.output_size)
        self.reset()

    def step(self, *sample: "Iterable[float] | memoryview") -> "memoryview[float] | Any":
        """One timestep.

        Parameters
        ----------
        sample : buffer of float32, or sequence of numbers (input_size,), optional
            Without it, what stands in `input`. An `array.array("f")`, a memoryview or a NumPy array of float32 is taken as it is.
            A bare number does for one input, and a dict by name where the inputs have names.

        Returns
        -------
        memoryview of float32 (output_size,)
            Valid until the next step; of a map, (height, width, channels). None where no answer is due.

        Raises
        ------
        InputError
        UsageError
            If the model reads whole recordings.
        """
        if sample:
            self._take(*sample)
        if done := self._step(self._arena, self._input, self._output):
            return None if done == _NONE_DUE else self._complain()
        return self._answer[:] if len(self._sizes.output_shape) == 1 else shaped(self._answer, self._sizes.output_shape)

    def _complain(self) -> "NoReturn":
        """Say which value of `input` must not enter the state, or that there is no step."""
        self._check_steps("step reads a sample, and")
        refuse_sample(self._given, self._sizes)

    def _check_steps(self, what: str) -> None:
        """Refuse what only models that step have."""
        if self._sizes.reads_recordings:
            refuse("UsageError", f"{what} this model answers whole recordings, each from the initial state: call process(recording).")

    def _take(self, sample: "Any") -> None:
        """Write a sample into `input`; all of it, or nothing."""
        if not hasattr(sample, "mask"):
            try:
                self._given[:] = sample if len(self._sizes.input_shape) == 1 else flat(sample, self._sizes.input_shape)
                return
            except Exception:  # noqa: BLE001  not a buffer of float32; objects of others raise what they like
                pass
        self._given[:] = floats(values(sample, self.input_size, lambda: self.input_names))

    def process(self, samples: "Any", *answers: "Any") -> "list[memoryview[float]] | None":
        """Many timesteps, bit-equal to stepping; or, of a model that cannot step, one whole recording, from the initial state.

        Parameters
        ----------
        samples : contiguous buffer of float32 (time, input_size)
            Without `answers`, a sequence of what `step` takes does as well.
        answers : writable contiguous buffer of float32 (answers due, output_size), optional
            Filled in; must not overlap `samples`. One answer a sample, unless the model answers more seldom: see `due`.

        Returns
        -------
        list of memoryview of float32 (output_size,)
            The answers that are due, in new memory; None where `answers` was given.

        Raises
        ------
        InputError
            If a buffer is of another type or size, a recording too short, or a value must not enter the state; nothing has changed then.
        """
        width, size = self.input_size, self.output_size
        given = buffer(samples)
        if not answers and given is None:
            given = floats([number for row in rows(samples, width) for number in values(row, width, lambda: self.input_names)])
        steps = given.nbytes // (4 * width) if given else 0
        due = self.due(steps)
        taken = buffer(*answers) if answers else memoryview(bytearray(4 * size * due)).cast("f")
        if not (given is not None and taken is not None and self._fit(given, taken, steps)):
            refuse_buffers(given, taken, "time" if due == steps else due, self._sizes)
        if self._sizes.reads_recordings and steps < self.first:
            refuse_recording(steps, self.first)
        if (done := self._run(given, taken, steps)) != steps:
            refuse("InputError", f"sample {done} holds a value that must not enter the state, which is as it was; repair the sample.")
        return None if answers else [shaped(taken[t * size : (t + 1) * size], self._sizes.output_shape) for t in range(due)]

    def due(self, steps: int) -> int:
        """How many answers the next `steps` steps give; or a recording of so many samples."""
        return self._sizes.due(0 if self._sizes.reads_recordings else self.steps, steps)

    def _fit(self, given: "memoryview[Any]", taken: "memoryview[Any]", steps: int) -> bool:
        rows = given.ndim < 2 or (given.shape or ())[1:] in ((self.input_size,), self._sizes.input_shape)
        sizes = (given.nbytes, taken.nbytes) == (4 * self.input_size * steps, 4 * self.output_size * self.due(steps))
        return rows and sizes and not taken.readonly

    def _run(self, samples: "memoryview[Any]", answers: "memoryview[Any]", steps: int) -> int:
        """Step over float32 buffers; the number of steps, or the first sample that must not enter, and nothing has changed."""
        if not steps:
            return 0
        source = bytearray(samples) if samples.readonly else samples
        if self._sizes.reads_recordings:
            return self._recording(source, answers, steps)
        function = self._library.edgelstm_process
        function.restype = ctypes.c_size_t
        done: int = function(self._arena, ctypes.c_void_p(address(source)), ctypes.c_void_p(address(answers)), ctypes.c_size_t(steps))
        return done

    def _recording(self, samples: "bytearray | memoryview[Any]", answers: "memoryview[Any]", rows: int) -> int:
        """As `_run`, a whole recording."""
        from .runtime.recording_calls import process

        places = ctypes.c_void_p(address(samples)), ctypes.c_void_p(address(answers))
        try:
            return process(self._library, self._sizes, self._arena, *places, rows)
        except MemoryError:
            refuse_memory(rows, self._sizes)

    def warmup(self, steps: int = 100) -> None:
        """Bring code and weights into the caches by some steps that leave no trace."""
        before = bytes(self._block)
        zeros, answers = bytearray(4 * self.input_size * steps), bytearray(4 * self.output_size * self.due(steps))
        self._run(memoryview(zeros), memoryview(answers), steps)
        self._block[:] = before

    def reset(self) -> None:
        """Go back to the state before the first step."""
        self._library.edgelstm_reset(self._arena)

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes, here, in `edgelstm.Stream` or in C.

        Raises
        ------
        UsageError
            If the model reads whole recordings.
        """
        self._check_steps("a snapshot has no use:")
        blob = bytearray(self._library.edgelstm_snapshot_bytes())
        self._library.edgelstm_snapshot(self._arena, ctypes.c_void_p(address(blob)))
        return bytes(blob)

    def restore(self, blob: bytes) -> None:
        """Take up the state of a snapshot.

        Raises
        ------
        StateError
            If it is damaged or of another model; the state is then as it was.
        UsageError
            As `snapshot`.
        """
        self._check_steps("restore has no use:")
        kept, size = writable(blob)
        if answer := self._library.edgelstm_restore(self._arena, ctypes.c_void_p(address(kept)), ctypes.c_size_t(len(kept))):
            refuse_snapshot(answer, size)

    def __copy__(self) -> "Stream":
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._settle()
        made._block[:] = self._block
        return made

    def __reduce__(self) -> "tuple[Any, ...]":
        blob = b"" if self._sizes.reads_recordings else self.snapshot()
        return _taken_up, (type(self), self._path, blob, self._given.tobytes()), self._added() or None

    @property
    def info(self) -> "dict[str, Any]":
        """What the library says of itself: sizes, names, labels, layers, scheme, target.

        Raises
        ------
        LibraryError
            If it says nothing that can be read.
        """
        from .runtime.library_text import sound_info

        return sound_info(self._path, self._text, self._sizes)

    def _told(self) -> "dict[str, Any]":
        return self.info

    @property
    def steps(self) -> int:
        """Steps taken since the initial state."""
        return int.from_bytes(self._block[:8], "little")

    @property
    def bad_inputs(self) -> int:
        """Samples that were repaired or dropped: none, since this stream refuses them."""
        return 0

    @property
    def digest(self) -> str:
        """SHA-256 of the model's layers and weights, hexadecimal: snapshots are bound to it."""
        return self._sizes.digest.hex()


def _taken_up(kind: "type[Stream]", path: str, blob: bytes, given: bytes) -> Stream:
    """The stream of a pickle."""
    made = kind.__new__(kind)
    Stream.__init__(made, path)
    if blob:
        made.restore(blob)
    made._given[:] = memoryview(given).cast("f")
    return made
