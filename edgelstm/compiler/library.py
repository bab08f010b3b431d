"""A library compiled for this machine, loaded into this process. Imports neither Numba nor llvmlite.

A library is always loaded from a private copy in memory, never from the cache's file: what runs is what was verified, and whatever
happens to that file later, the code stays.
"""

import ctypes
import struct

from ..errors import CompileError
from ..runtime.library_file import load_private
from ..runtime.program import address_of

#: Of an ELF-64 header: where the headers of sections begin, the size of one, and their number. They end the file.
_HEADER = struct.Struct("<40xQ10xHH2x")

#: Symbol of the name of the CPU that the library was compiled for, as text that ends in a zero byte.
MADE_FOR = "edgelstm_made_for"


class Library:
    """Entry points of a loaded library.

    Parameters
    ----------
    data : bytes
        The shared library.

    Raises
    ------
    CompileError
        If it is cut short, or the operating system cannot load it.
    """

    def __init__(self, data: bytes) -> None:
        if not _whole(data):
            raise CompileError("the compiled code does not load: it is no library, or cut short.")
        try:
            self.handle = load_private(data)
            self.cpu = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self.handle, MADE_FOR))).decode()
        except (OSError, AttributeError, ValueError) as problem:
            raise CompileError(f"the compiled code does not load: {problem}.") from None
        self.python_step = address_of(self.handle, "edgelstm_python_step")
        self.size = len(data)


def _whole(data: bytes) -> bool:
    """Whether a library ends where its headers say: the system maps one that is cut short, and its code ends the process."""
    if len(data) < _HEADER.size or not data.startswith(b"\x7fELF\x02"):
        return False
    table, row, count = _HEADER.unpack_from(data)
    return bool(table + row * count == len(data))
