"""Calls of a library that answers whole recordings, with work memory of Python's. The standard library alone, since boards call it too."""

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sizes import Sizes

#: Where work memory begins: a cache line, as arenas do.
_ALIGNMENT = 64


def odd_work(library: ctypes.CDLL, sizes: "Sizes") -> str:
    """What the code says otherwise than its file of the memory that recordings need; empty if nothing."""
    function = library.edgelstm_work_bytes
    function.restype = ctypes.c_size_t
    return "" if function(ctypes.c_size_t(3)) == 3 * (sizes.row_bytes or 0) else "size of a row"


def process(library: ctypes.CDLL, sizes: "Sizes", arena: ctypes.c_void_p, x: ctypes.c_void_p, y: ctypes.c_void_p, rows: int) -> int:
    """Answer a recording: `rows`, or the first row that must not enter, and nothing has run.

    x, y: addresses of (rows, input_size) and (answers due, output_size) float32.

    Raises
    ------
    MemoryError
    """
    size = rows * (sizes.row_bytes or 0)
    memory = bytearray(size + _ALIGNMENT)
    whole = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    work = ctypes.c_void_p(whole + -whole % _ALIGNMENT)
    function = library.edgelstm_process_recording
    function.restype = ctypes.c_size_t
    done: int = function(arena, work, ctypes.c_size_t(size), x, y, ctypes.c_size_t(rows))
    return done
