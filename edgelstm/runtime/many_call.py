"""What a call that steps many streams is told: one record of words, which native code reads.

Offsets are shared by `kernels.entry.streams`, which reads them, and `Call`, which fills them in.
"""

from collections.abc import Callable

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
SIZE = 64

#: ``run(call, x, y) -> int``, all addresses: see `kernels.entry.streams`.
RunStreams = Callable[[int, int, int], int]


class Call:
    """A call's words.

    Attributes
    ----------
    address : int
    """

    def __init__(self, weights: int, limit: float, scratch_bytes: int) -> None:
        self._memory, self._scratch = allocate(SIZE), allocate(scratch_bytes)
        self.address = self._memory.ctypes.data
        self._words = self._memory.view(np.int64)
        self._words[[WEIGHTS // 8, SCRATCH // 8]] = weights, self._scratch.ctypes.data
        self._memory[LIMIT : LIMIT + 4].view(np.float32)[0] = limit
        self._places: NDArray[np.int64] | None = None
        self._told: tuple[int, int, int] | None = None

    def tell(self, places: NDArray[np.int64], time: int, stride: int, checked: int) -> None:
        """What changes from call to call. places: (count,) addresses of states; the same array holds the same addresses."""
        if places is not self._places:
            self._places = places
            self._words[PLACES // 8 : COUNT // 8 + 1] = places.ctypes.data, len(places)
        told = time, stride, checked
        if told != self._told:
            self._words[TIME // 8 : CHECKED // 8 + 1] = self._told = told
