"""Steps with a native clock around them: the record that compiled functions read and count in, and what Python calls over it.

`compiler.step_clock` compiles the functions; both share the offsets that stand here.
"""

import ctypes
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import native_call
from .memory import allocate

#: Byte offsets of eight-byte fields in a record; at 0 stands the address of the step that is called, or of the iterator that is asked.
OWNER = 8  # address of that step's own array object
SCALE = 16  # float64: ticks times this are units of the finest latency
SUM = 24  # ticks of all steps
DEADLINE = 32  # ticks that a step may take
MISSED = 40  # steps that took longer
REFUSED = 48  # steps that raised
METHOD = 56  # PyMethodDef: name, function, flags, doc
RESETS = 88  # blocks of samples that began a recording
COUNTS = 96  # steps by their latency

#: The last bucket: all that took longer than the one before ends.
LAST = 25
SIZE = COUNTS + 8 * (LAST + 1)

#: Of blocks of samples: see `runtime.block_clock`.
BEGUN = SIZE  # ticks when the block came that is being answered
SAMPLES = SIZE + 8  # samples in it; 0: there is none
KIND = SIZE + 16  # address of the type of blocks
TOLD = SIZE + 24  # address of what is called with a block of an unknown type, or with samples that compiled code cannot look at
TRUE = SIZE + 32  # address of True
LOOKS = SIZE + 40  # address of the record of the sensors (`runtime.sensor_record`); 0: nobody looks at samples
STRIDE = SIZE + 48  # bytes of a row of that record
CHANNELS = SIZE + 56  # values in a sample
ARRAY_TYPE = SIZE + 64  # address of numpy.ndarray
FLOAT32 = SIZE + 72  # address of numpy.dtype("float32")
CALLED = SIZE + 80  # addresses of PyIter_Next, PyObject_CallOneArg, Py_DecRef
BLOCKS_SIZE = CALLED + 24

#: How often the counter's rate is measured, and for how many nanoseconds.
_MEASUREMENTS, _MEASURED = 7, 500_000


class Counted(NamedTuple):
    """What was counted since the last time.

    Parameters
    ----------
    latency : list of int
        Steps by their latency.
    nanoseconds, missed, refused, resets : int
    """

    latency: list[int]
    nanoseconds: int
    missed: int
    refused: int
    resets: int


class Clock:
    """A record that native code counts in.

    Parameters
    ----------
    handle : ctypes.CDLL
        Holds `edgelstm_ticks` and what counts.
    size : int
        Of the record.
    finest_ns : int
        The smallest latency that is told apart.
    deadline_ns : float
    kept : tuple
        What addresses in the record point to.
    """

    def __init__(self, handle: ctypes.CDLL, size: int, finest_ns: int, deadline_ns: float, kept: tuple[object, ...]) -> None:
        self._memory = allocate(size).view(native_call.Binding)
        self._memory.kept = (*kept, handle)
        self._words = self._memory.view(np.int64)
        self.rate = _rate(handle)
        self._memory[SCALE : SCALE + 8].view(np.float64)[0] = 1 / (self.rate * finest_ns)
        self._words[DEADLINE // 8] = int(min(deadline_ns * self.rate, 2.0**62))
        self._told = self._words.copy()

    def collect(self) -> Counted:
        """What was counted since this was last asked for; the record is never written to, since a step may count meanwhile."""
        words = self._words.copy()
        more, self._told = words - self._told, words
        latency, nanoseconds = more[COUNTS // 8 : SIZE // 8].tolist(), int(more[SUM // 8] / self.rate)
        return Counted(latency, nanoseconds, *(int(more[at // 8]) for at in (MISSED, REFUSED, RESETS)))


class StepClock(Clock):
    """A builtin that calls ``stream.step`` and counts how long it took.

    Parameters
    ----------
    step : builtin
        Of a stream; see `native_call.bind`.
    handle, finest_ns, deadline_ns
        As `Clock` takes them.
    address : int
        Of the native step.

    Attributes
    ----------
    step : builtin
        Takes and gives what the stream's does.
    """

    def __init__(self, step: Any, handle: ctypes.CDLL, address: int, finest_ns: int, deadline_ns: float) -> None:
        super().__init__(handle, SIZE, finest_ns, deadline_ns, (step,))
        self._words[0] = address
        self._words[OWNER // 8] = id(step.__self__)
        timed = ctypes.cast(handle.edgelstm_timed_step, ctypes.c_void_p).value or 0
        self.step: Callable[..., Any] = native_call.builtin(self._memory, METHOD, timed)


@cache
def _rate(handle: ctypes.CDLL) -> float:
    """Ticks a nanosecond, measured once a process: the median of some short measurements, in any of which it may lose its core."""
    ticks = handle.edgelstm_ticks
    ticks.restype = ctypes.c_uint64
    found: list[float] = []
    for _ in range(_MEASUREMENTS):
        first, begin = ticks(), time.perf_counter_ns()
        while (now := time.perf_counter_ns()) - begin < _MEASURED:
            pass
        found.append((ticks() - first) / (now - begin))
    return sorted(found)[_MEASUREMENTS // 2]
