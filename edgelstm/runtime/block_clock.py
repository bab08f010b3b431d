"""Blocks of samples as they come, with a native clock around what is done with each: an iterator whose ``next`` is compiled code.

Python's own clock takes as long as a small model's step, twice a block. CPython makes the type of the iterator (`PyType_FromSpec`, stable
ABI); its objects hold the address of a record (`runtime.step_clock`), which the compiled code counts in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import native_call
from . import step_clock as at

#: Of CPython's stable ABI: numbers of slots, and where an object's own fields and a tuple's items begin on 64 bits.
_ITER, _NEXT, FIELDS, ITEMS = 62, 63, 16, 24

_NAME = ctypes.create_string_buffer(b"edgelstm.Blocks")


class _Slot(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        *(("name", ctypes.c_void_p), ("size", ctypes.c_int), ("item_size", ctypes.c_int), ("flags", ctypes.c_uint)),
        ("slots", ctypes.c_void_p),
    )


#: That others may be derived from a type.
_BASE = 1 << 10

_types: dict[int, type[Any]] = {}


def _type(step: int) -> type[Any]:
    """The type whose objects are stepped by the native function at this address, and keep alive what it counts in; made once."""
    if step not in _types:
        slots = (_Slot * 3)(_Slot(_ITER, at.python("PyObject_SelfIter")), _Slot(_NEXT, step), _Slot(0, None))
        spec = _Spec(ctypes.addressof(_NAME), FIELDS + 8, 0, _BASE, ctypes.addressof(slots))
        make = ctypes.pythonapi.PyType_FromSpec
        make.argtypes, make.restype = [ctypes.c_void_p], ctypes.py_object
        _types[step] = type("Blocks", (make(ctypes.addressof(spec)),), {})
    return _types[step]


def usable() -> bool:
    """Whether this interpreter has what the compiled code calls, and lays objects out as it reads them."""
    pair = (1, 2)
    return (
        native_call.usable()
        and all(hasattr(ctypes.pythonapi, name) for name in (*at.CALLED_OF_PYTHON, "PyType_FromSpec", "PyObject_SelfIter"))
        and [ctypes.c_void_p.from_address(id(pair) + ITEMS + 8 * i).value for i in range(2)] == [id(item) for item in pair]
    )


class BlockClock(at.Clock):
    """Counts blocks.

    Parameters
    ----------
    handle, finest_ns, deadline_ns
        As `step_clock.Clock` takes them; the library holds `edgelstm_timed_next`.
    told : callable
        Called with a block whose type is unknown, and with samples, an array, that compiled code cannot look at.

    Attributes
    ----------
    rate : float
        Ticks a nanosecond.
    """

    def __init__(self, handle: ctypes.CDLL, finest_ns: int, deadline_ns: float, told: Callable[[Any], None]) -> None:
        super().__init__(handle, finest_ns, deadline_ns, told)
        self._next = ctypes.cast(handle.edgelstm_timed_next, ctypes.c_void_p).value or 0

    def observe(self, blocks: Iterator[Any]) -> Iterator[Any]:
        """The blocks of an iterator, counted; one iterator at a time."""
        self._words[0], self._words[at.SAMPLES // 8] = id(blocks), 0
        made = _type(self._next)()
        made.kept = self, blocks
        ctypes.c_int64.from_address(id(made) + FIELDS).value = self._memory.ctypes.data
        counted: Iterator[Any] = made
        return counted

    def answering(self, count: int) -> None:
        """So many samples are in the block that has just come."""
        self._words[at.SAMPLES // 8] = count

    def learn(self, block: Any) -> bool:
        """Whether blocks of this one's type are tuples that begin with samples, an array, and have at their fifth place whether the
        stream is reset; if so, those that follow are read as such.
        """
        items = block if isinstance(block, tuple) else ()
        if len(items) < 5 or not isinstance(items[0], np.ndarray) or items[0] is not block.values or items[4] is not block.begins:
            return False
        self._words[at.KIND // 8] = id(type(block))
        self._memory.kept = (*self._memory.kept, type(block))
        return True
