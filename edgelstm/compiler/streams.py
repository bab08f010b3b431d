"""The code that steps many streams of a plan in one call. Imports neither Numba nor what makes the code, where it is in the cache."""

import ctypes
from typing import NamedTuple

from ..runtime.many_call import RunStreams
from .library import Library
from .lowering import STREAMS
from .plan import Plan, library_of
from .targets import host


class Streams(NamedTuple):
    """What steps many streams of a plan.

    Attributes
    ----------
    run : callable
    scratch_bytes : int
        Memory that a call needs beside the states.
    library : Library
        Keeps the code alive.
    """

    run: RunStreams
    scratch_bytes: int
    library: Library


def streams_of(plan: Plan) -> Streams:
    """The code that steps many streams of a plan; compiled, or found in the cache, when first asked for.

    Raises
    ------
    CompileError
        As `plan.compile_model`.
    """
    library, _ = library_of(plan.layout, host(), many=True)
    run = library.handle.edgelstm_run_streams
    run.argtypes, run.restype = [ctypes.c_void_p] * 3, ctypes.c_int64
    return Streams(run, STREAMS * plan.layout.arena_bytes, library)
