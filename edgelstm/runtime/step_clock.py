"""Steps with a native clock around them: the record that compiled functions read and count in, and what Python calls over it.

`compiler.step_clock` compiles the functions; both share the offsets that stand here.
"""

import ctypes
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
TOLD = SIZE + 24  # address of what is called with what compiled code does not know: a block of another type, samples that it cannot look at
TRUE = SIZE + 32  # address of True
LOOKS = SIZE + 40  # address of the record of the sensors (`runtime.sensor_record`); 0: nobody looks at samples
STRIDE = SIZE + 48  # bytes of a row of that record
CHANNELS = SIZE + 56  # values in a sample
ARRAY_TYPE = SIZE + 64  # address of numpy.ndarray
FLOAT32 = SIZE + 72  # address of numpy.dtype("float32")
CALLED = SIZE + 80  # addresses of what is called of CPython's: those below, in their order
CALL, DROP = CALLED + 8, CALLED + 16
RECORD_SIZE = CALLED + 24

#: What compiled code calls of CPython's stable ABI.
CALLED_OF_PYTHON = ("PyIter_Next", "PyObject_CallOneArg", "Py_DecRef")

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
    finest_ns : int
        The smallest latency that is told apart.
    deadline_ns : float
    told : callable
        Called with what compiled code does not know.
    """

    def __init__(self, handle: ctypes.CDLL, finest_ns: int, deadline_ns: float, told: Callable[[Any], None]) -> None:
        self._memory = allocate(RECORD_SIZE).view(native_call.Binding)
        self._memory.kept = (told, handle)
        self._words = words = self._memory.view(np.int64)
        words[TOLD // 8], words[TRUE // 8] = id(told), id(True)
        words[ARRAY_TYPE // 8], words[FLOAT32 // 8] = id(np.ndarray), id(np.dtype(np.float32))
        words[CALLED // 8 : RECORD_SIZE // 8] = [python(name) for name in CALLED_OF_PYTHON]
        self.rate = _rate(handle)
        self._memory[SCALE : SCALE + 8].view(np.float64)[0] = 1 / (self.rate * finest_ns)
        self._words[DEADLINE // 8] = int(min(deadline_ns * self.rate, 2.0**62))
        self._told = self._words.copy()

    def look_at(self, sensors: NDArray[np.float64] | None) -> None:
        """Look at samples as they pass, and write into this record (`runtime.sensor_record`), or do not."""
        if sensors is None:
            self._words[LOOKS // 8] = 0
            return
        self._memory.kept = (*self._memory.kept, sensors)
        self._words[STRIDE // 8], self._words[CHANNELS // 8] = sensors.strides[0], sensors.shape[1]
        self._words[LOOKS // 8] = sensors.ctypes.data

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
    told : callable
        Called with a sample that compiled code cannot look at; with True where the stream's own input was stepped.
    address : int
        Of the native step.

    Attributes
    ----------
    step : builtin
        Takes and gives what the stream's does.
    """

    def __init__(
        self, step: Any, handle: ctypes.CDLL, address: int, finest_ns: int, deadline_ns: float, told: Callable[[Any], None]
    ) -> None:
        super().__init__(handle, finest_ns, deadline_ns, told)
        self._memory.kept = (*self._memory.kept, step)
        self._words[0] = address
        self._words[OWNER // 8] = id(step.__self__)
        timed = ctypes.cast(handle.edgelstm_timed_step, ctypes.c_void_p).value or 0
        self.step: Callable[..., Any] = native_call.builtin(self._memory, METHOD, timed)


def python(name: str) -> int:
    """Address of a function of CPython's."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


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
