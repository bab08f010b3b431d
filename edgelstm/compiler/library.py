"""A library compiled for this machine, loaded into this process. Imports neither Numba nor llvmlite.

A library is always loaded from a private copy in memory, never from the cache's file: what runs is what was verified, and whatever
happens to that file later, the code stays.
"""

import ctypes

from ..errors import CompileError
from ..library_file import load_private
from ..program import address_of, run_of

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
        If the operating system cannot load it.
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._handle = load_private(data)
            self.run = run_of(self._handle)
            self.cpu = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self._handle, MADE_FOR))).decode()
        except (OSError, AttributeError, ValueError) as problem:
            raise CompileError(f"the compiled code does not load: {problem}.") from None
        self.python_step = address_of(self._handle, "edgelstm_python_step")
        self.size = len(data)
