"""A Python builtin made over a compiled library's own entry point: calling it costs what calling a C extension's function costs.

ctypes fills in a `PyMethodDef` and asks CPython for a builtin (`PyCFunction_NewEx`, stable ABI); its `self` is an array object over the
binding (`runtime.binding`), which the native code reads. It stands on facts about CPython's and NumPy's public structs that `usable`
checks once a process. Where they do not hold (other interpreters, free-threaded builds), streams call through ctypes instead.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import UsageError
from . import binding as at
from .memory import allocate
from .program import Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_FASTCALL, _KEYWORDS = 0x80, 0x02  # METH_FASTCALL, METH_KEYWORDS

_NAME = ctypes.create_string_buffer(b"step")
_DOC = ctypes.create_string_buffer(
    b"step([x], /)\n--\n\n"
    b"One timestep: x (input_size,) -> y (output_size,), a float32 view that is valid until the next step.\n"
    b"It is the same object each time; change the shape or dtype of a copy. None where no answer is due.\n"
    b"Without x, the sample is what was written into stream.input.\n\nSee edgelstm.Stream."
)

#: Gives None where no answer is due: Any spares all those who know better a check.
Step = Callable[..., np.ndarray[Any, np.dtype[np.float32]] | Any]


def refuse_alone() -> NoReturn:
    """Say what to send instead of a step that is bound to memory of this process."""
    raise UsageError("stream.step alone cannot be copied or pickled; copy or pickle the stream, whose step goes with it.")


class Binding(np.ndarray[Any, Any]):
    """The binding's memory; keeps alive what its addresses point to."""

    kept: tuple[object, ...] = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_alone()


Binding.__name__ = Binding.__qualname__ = "Stream"  # whose step it is, in CPython's own errors

_pointer_at = ctypes.c_void_p.from_address


def _word(address: int, offset: int) -> int:
    return ctypes.c_int64.from_address(address + offset).value


@cache
def usable() -> bool:
    """Whether this interpreter and this NumPy lay their objects out as the native step reads them."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    if sys.implementation.name != "cpython" or not gil or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return False
    if not all(hasattr(ctypes.pythonapi, name) for name in ("PyCFunction_NewEx", "PyObject_Vectorcall")):
        return False
    known = np.zeros((3, 7), np.float32)[1:, 2:5]  # (2, 3), strides (28, 4)
    place = id(known)
    counted = ctypes.c_int32.from_address(place + at.OBJECT_REFCOUNT).value
    another = known
    return (
        ctypes.c_int32.from_address(place + at.OBJECT_REFCOUNT).value == counted + 1
        and another is known
        and _word(place, at.OBJECT_TYPE) == id(np.ndarray)
        and _word(place, at.ARRAY_DATA) == known.ctypes.data
        and ctypes.c_int32.from_address(place + at.ARRAY_NDIM).value == 2
        and [_word(_word(place, at.ARRAY_SHAPE), 8 * i) for i in range(2)] == [2, 3]
        and [_word(_word(place, at.ARRAY_STRIDES), 8 * i) for i in range(2)] == [28, 4]
        and _word(place, at.ARRAY_DESCR) == id(known.dtype) == id(np.dtype(np.float32))
        and [_word(id(array), at.ARRAY_FLAGS) & at.C_CONTIGUOUS for array in (known, known[:1, :1], known.T)] == [0, 1, 0]
    )


def address(array: NDArray[Any]) -> int:
    """Where an array's data lies: `array.ctypes.data`, without making that object where it can be read directly."""
    if usable():
        return _pointer_at(id(array) + at.ARRAY_DATA).value or 0
    return array.ctypes.data


def bind(
    program: Program,
    arena: NDArray[np.uint8],
    source: NDArray[np.float32],
    answer: NDArray[np.float32],
    careful: Step,
    *,
    checked: bool,
    windowed: int = 0,
) -> Step:
    """A builtin that steps one arena.

    Parameters
    ----------
    program : Program
    arena : (program.arena_bytes,) uint8
    source : float32 of the input's shape
        What a call without arguments reads.
    answer : float32 of the output's shape
        The array that a call returns where an answer is due: a view into the arena.
    careful : callable
        Takes the same arguments where they are anything but one float32 vector fit to enter the state.
    checked : bool
        Whether values are checked at all.
    windowed : int
        Address of what is called in place of the program's own step: of windows, whose call `arena` is.
    """
    memory = _record(program, arena, careful, checked=checked)
    memory.kept = (*memory.kept, source, answer)
    words = memory.view(np.int64)
    words[at.ANSWER // 8] = id(answer)
    words[at.INPUT // 8] = source.ctypes.data
    address, flags = (windowed, _FASTCALL | _KEYWORDS) if windowed else (program.python_step, _FASTCALL)
    return builtin(memory, at.METHOD, address, flags)


def bind_blocks(program: Program, arena: NDArray[np.uint8], *, checked: bool) -> Callable[[NDArray[Any], Floats], Floats | None] | None:
    """A builtin ``block(xs, answers)`` that steps one arena through all samples of an array, while the interpreter waits.

    It gives `answers`, which must be C-contiguous float32 with a row for each; or None, and nothing has run: xs is no C-contiguous float32
    array (time, input_size), or holds what must not enter the state. None instead where there is no such way.
    """
    if not program.python_step or not program.sizes.each_step or program.reads_recordings or not usable():
        return None
    memory = _record(program, arena, _nothing, checked=checked)
    memory.view(np.int64)[at.INPUTS // 8] = program.sizes.input_size
    return builtin(memory, at.METHOD, program.python_step)


def _nothing(*args: object) -> None:
    """What a block gives that native code does not take."""


def _record(program: Program, arena: NDArray[np.uint8], careful: Callable[..., Any], *, checked: bool) -> Binding:
    """A binding's memory with what every builtin over an arena needs."""
    memory = allocate(at.SIZE).view(Binding)
    memory.kept = (program, arena, careful)
    words = memory.view(np.int64)
    words[at.NDARRAY_TYPE // 8] = id(np.ndarray)
    words[at.FLOAT32_DESCR // 8] = id(np.dtype(np.float32))
    words[at.SLOW // 8] = id(careful)
    words[at.VECTORCALL // 8] = ctypes.cast(ctypes.pythonapi.PyObject_Vectorcall, ctypes.c_void_p).value or 0
    words[at.WEIGHTS // 8] = program.weights
    words[at.ARENA // 8] = arena.ctypes.data
    memory[at.LIMIT : at.LIMIT + 4].view(np.float32)[0] = program.sizes.input_limit
    words[at.UNCHECKED // 8] = not checked
    words[at.NOTHING // 8] = id(None)
    return memory


def builtin(memory: Binding, method: int, address: int, flags: int = _FASTCALL) -> Step:
    """A builtin called ``step`` over a record.

    Parameters
    ----------
    memory : Binding
        The record; the native function gets it as `self`.
    method : int
        Byte offset in it of room for a PyMethodDef.
    address : int
        Of the native function.
    flags : int
        How the function takes its arguments.
    """
    memory.view(np.int64)[method // 8 : method // 8 + 4] = (ctypes.addressof(_NAME), address, flags, ctypes.addressof(_DOC))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    make.restype = ctypes.py_object
    made: Step = make(memory.ctypes.data + method, memory, None)
    return made
