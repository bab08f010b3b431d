"""A stream's step with a native clock around it: the record that the compiled function reads and counts in, and the builtin over it.

`compiler.step_clock` compiles the function; both share the offsets that stand here.
"""

import ctypes
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import native_call
from .memory import allocate

#: Byte offsets of eight-byte fields in a record; at 0 stands the address of the step that is called.
OWNER = 8  # address of that step's own array object
SCALE = 16  # float64: ticks times this are units of the finest latency
SUM = 24  # ticks of all steps
DEADLINE = 32  # ticks that a step may take
MISSED = 40  # steps that took longer
REFUSED = 48  # steps that raised
METHOD = 56  # PyMethodDef: name, function, flags, doc
COUNTS = 88  # steps by their latency

#: The last bucket: all that took longer than the one before ends.
LAST = 25
SIZE = COUNTS + 8 * (LAST + 1)

#: How often the counter's rate is measured, and for how many nanoseconds.
_MEASUREMENTS, _MEASURED = 7, 500_000


class Counted(NamedTuple):
    """What was counted since the last time.

    Parameters
    ----------
    latency : list of int
        Steps by their latency.
    nanoseconds, missed, refused : int
    """

    latency: list[int]
    nanoseconds: int
    missed: int
    refused: int


class StepClock:
    """A builtin that calls ``stream.step`` and counts how long it took.

    Parameters
    ----------
    step : builtin
        Of a stream; see `native_call.bind`.
    handle : ctypes.CDLL
        Holds `edgelstm_ticks` and `edgelstm_timed_step`.
    address : int
        Of the native step.
    finest_ns : int
        The smallest latency that is told apart.
    deadline_ns : float

    Attributes
    ----------
    step : builtin
        Takes and gives what the stream's does.
    """

    def __init__(self, step: Any, handle: ctypes.CDLL, address: int, finest_ns: int, deadline_ns: float) -> None:
        self._memory = allocate(SIZE).view(native_call.Binding)
        self._memory.kept = (step, handle)
        self._words = self._memory.view(np.int64)
        self._rate = _rate(handle)
        self._words[0] = address
        self._words[OWNER // 8] = id(step.__self__)
        self._memory[SCALE : SCALE + 8].view(np.float64)[0] = 1 / (self._rate * finest_ns)
        self._words[DEADLINE // 8] = int(min(deadline_ns * self._rate, 2.0**62))
        timed = ctypes.cast(handle.edgelstm_timed_step, ctypes.c_void_p).value or 0
        self.step: Callable[..., Any] = native_call.builtin(self._memory, METHOD, timed)

    def collect(self) -> Counted:
        """What was counted since this was last asked for."""
        words = self._words
        found = Counted(words[COUNTS // 8 :].tolist(), int(words[SUM // 8] / self._rate), int(words[MISSED // 8]), int(words[REFUSED // 8]))
        words[COUNTS // 8 :] = words[SUM // 8] = words[MISSED // 8] = words[REFUSED // 8] = 0
        return found


def _rate(handle: ctypes.CDLL) -> float:
    """Ticks a nanosecond: the median of some short measurements, since the process may lose its core in any of them."""
    ticks = handle.edgelstm_ticks
    ticks.restype = ctypes.c_uint64
    found: list[float] = []
    for _ in range(_MEASUREMENTS):
        first, begin = ticks(), time.perf_counter_ns()
        while (now := time.perf_counter_ns()) - begin < _MEASURED:
            pass
        found.append((ticks() - first) / (now - begin))
    return sorted(found)[_MEASUREMENTS // 2]
