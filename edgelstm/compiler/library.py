"""A compiled library in this process: loaded with ctypes, from a file or from memory. Imports neither Numba nor llvmlite."""

import ctypes
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import CompileError

#: Symbol of the library's description: JSON text, ending in a zero byte.
INFO = "edgelstm_info"


class Library:
    """Entry points of a loaded library.

    Parameters
    ----------
    path : Path
        The shared library.

    Raises
    ------
    CompileError
        If the operating system cannot load it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._handle = ctypes.CDLL(str(path))
            self.process = self._handle.edgelstm_process
            self.first_bad = self._handle.edgelstm_first_bad
            self.python_step_address = ctypes.cast(self._handle.edgelstm_python_step, ctypes.c_void_p).value
            text = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self._handle, INFO)))
            self.info: dict[str, Any] = json.loads(text)
        except (OSError, AttributeError, ValueError) as problem:
            raise CompileError(f"the compiled code does not load: {problem}.") from None
        self.process.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64]
        self.process.restype = None
        self.first_bad.argtypes = [ctypes.c_void_p, ctypes.c_float, ctypes.c_int64]
        self.first_bad.restype = ctypes.c_int64
        self.size = path.stat().st_size


def load_from_memory(data: bytes) -> Library:
    """Load a library that no cache folder keeps: from anonymous memory where the system has it, else from a file deleted at once."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("edgelstm", os.MFD_CLOEXEC)
        try:
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(data)
            return Library(Path(f"/proc/self/fd/{handle}"))
        finally:
            os.close(handle)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "edgelstm.so"
        path.write_bytes(data)
        return Library(path)
