"""What a call that steps many streams is told: one record of words, which native code reads.

Offsets are shared by `kernels.entry.streams`, which reads them, and `Call`, which fills them in.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .memory import allocate

#: Byte offsets of eight-byte fields.
WEIGHTS = 0  # address of the packed weights
SCRATCH = 8  # address of memory that no other call uses meanwhile
PLACES = 16  # address of the addresses of states
COUNT = 24  # streams
TIME = 32  # timesteps of each
STRIDE = 40  # floats from a stream's samples to the next one's; 0: all read the same
CHECKED = 48  # rows of samples that are checked before anything runs
LIMIT = 56  # float32: as `checks` take it
NDARRAY_TYPE = 64  # address of numpy.ndarray
FLOAT32_DESCR = 72  # address of numpy.dtype("float32")

#: And of windows: see `kernels.entry.python_streams`.
LENGTH = 80  # samples in a window
HOP = 88  # samples from the beginning of one to that of the next
WINDOWS = 96  # most that are open; 0: the careful callable takes every step
TAKEN = 104  # address of the number of samples so far
EVERY = 112  # address of the addresses of all states, twice
INITIAL = 120  # address of the initial state
ANSWERS = 128  # address of the answers of all windows

#: And of the step of the same streams again: address of None, and room for its PyMethodDef.
NOTHING = 136
METHOD = 144
DIFFERENT = 176  # 1: no stream comes twice; 0: perhaps one does
SIZE = 184

#: ``run(call, x, y) -> int``, all addresses: see `kernels.entry.streams`.
RunStreams = Callable[[int, int, int], int]


class Streams(NamedTuple):
    """Native code that steps many streams of a model.

    Attributes
    ----------
    run : callable
    run_windowed : callable
        ``run_windowed(call, x, y, n) -> int``: a stream's samples through windows.
    python_streams, python_windowed : int
        Addresses of what Python calls to step the same streams again, and as ``windowed.step``.
    scratch_bytes : int
        Memory that a call needs beside the states.
    owner : object
        Keeps the code alive.
    """

    run: RunStreams
    run_windowed: Callable[[int, int, int, int], int]
    python_streams: int
    python_windowed: int
    scratch_bytes: int
    owner: object


class Call:
    """A call's words.

    Attributes
    ----------
    memory : (SIZE,) uint8
    address : int
    """

    def __init__(self, weights: int, limit: float, scratch: NDArray[np.uint8]) -> None:
        self.memory, self._scratch = allocate(SIZE), scratch
        self.address = self.memory.ctypes.data
        self._words = self.memory.view(np.int64)
        self._words[[WEIGHTS // 8, SCRATCH // 8]] = weights, self._scratch.ctypes.data
        self._words[[NDARRAY_TYPE // 8, FLOAT32_DESCR // 8]] = id(np.ndarray), id(np.dtype(np.float32))
        self._words[NOTHING // 8] = id(None)
        self.memory[LIMIT : LIMIT + 4].view(np.float32)[0] = limit
        self._places: NDArray[np.int64] | None = None
        self._told: tuple[int, int, int] | None = None
        self._windows: tuple[object, ...] = ()

    def tell(self, places: NDArray[np.int64], time: int, stride: int, checked: int) -> None:
        """What changes from call to call. places: (count,) addresses of states; the same array holds the same addresses."""
        if places is not self._places:
            self._places = places
            self._words[PLACES // 8 : COUNT // 8 + 1] = places.ctypes.data, len(places)
        told = time, stride, checked
        if told != self._told:
            self._words[TIME // 8 : CHECKED // 8 + 1] = self._told = told

    def tell_once(self, places: NDArray[np.int64], stride: int, checked: int) -> None:
        """The same for a step of the same streams again and again, which are looked through here for one that comes twice."""
        self.tell(places, 1, stride, checked)
        self._words[DIFFERENT // 8] = len(np.unique(places)) == len(places)

    def tell_windows(
        self,
        sizes: tuple[int, int, int],
        taken: NDArray[np.int64],
        every: NDArray[np.int64],
        initial: NDArray[np.uint8],
        answers: NDArray[np.float32],
    ) -> None:
        """What steps of windows need beside. sizes: length, hop, windows; answers: (windows, outputs)."""
        self._windows = taken, every, initial, answers
        self.tell(every, 1, 0, 0)
        self._words[LENGTH // 8 : WINDOWS // 8 + 1] = sizes
        self._words[TAKEN // 8 : ANSWERS // 8 + 1] = [array.ctypes.data for array in (taken, every, initial, answers)]

    def let_go(self) -> None:
        """Take no more steps of windows."""
        self._words[WINDOWS // 8] = 0
