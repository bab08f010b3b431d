"""The code that steps many streams of a plan in one call. Imports neither Numba nor what makes the code, where it is in the cache."""

import ctypes

from ..runtime.many_call import Streams
from ..runtime.program import address_of
from .groups import rooms_of
from .plan import Plan, library_of
from .targets import host


def streams_of(plan: Plan) -> Streams:
    """The code that steps many streams of a plan; compiled, or found in the cache, when first asked for.

    Raises
    ------
    CompileError
        As `plan.compile_model`.
    """
    library, _ = library_of(plan.layout, host(), many=True)
    handle = library.handle
    functions = handle.edgelstm_run_streams, handle.edgelstm_run_windowed
    for function in functions:
        function.argtypes, function.restype = [ctypes.c_void_p] * 3, ctypes.c_int64
    handle.edgelstm_run_windowed.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_int64]
    same, windowed = (address_of(handle, name) for name in ("edgelstm_python_streams", "edgelstm_python_windowed"))
    return Streams(*functions, same, windowed, 4 * rooms_of(plan.layout, host()).floats, library)
