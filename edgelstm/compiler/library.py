"""A compiled library in this process, loaded with ctypes. Imports neither Numba nor llvmlite.

A library is always loaded from a private copy in memory, never from the cache's file: what runs is what was verified, and whatever
happens to that file later, the code stays.
"""

import ctypes
import json
import os
from typing import Any

from ..errors import CompileError

#: Symbol of the library's description: JSON text, ending in a zero byte.
INFO = "edgelstm_info"


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
            self._handle = _loaded(data)
            self.run = self._handle.edgelstm_run
            self.python_step_address = ctypes.cast(self._handle.edgelstm_python_step, ctypes.c_void_p).value
            text = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self._handle, INFO)))
            self.info: dict[str, Any] = json.loads(text)
        except (OSError, AttributeError, ValueError) as problem:
            raise CompileError(f"the compiled code does not load: {problem}.") from None
        self.run.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64, ctypes.c_float, ctypes.c_int64]
        self.run.restype = ctypes.c_int64
        self.size = len(data)


def _loaded(data: bytes) -> ctypes.CDLL:
    """Load from anonymous memory where the system has it and runs code there, else from a file that is deleted at once."""
    if hasattr(os, "memfd_create"):
        # The descriptor stays open: the loader takes a path that it has seen before for the library that it found there then.
        handle = os.memfd_create("edgelstm", os.MFD_CLOEXEC)
        try:
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(data)
            return ctypes.CDLL(f"/proc/self/fd/{handle}")
        except OSError:
            os.close(handle)
    import tempfile

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "edgelstm.so")
        with open(path, "wb") as file:
            file.write(data)
        return ctypes.CDLL(path)
