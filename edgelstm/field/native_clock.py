"""Whether compiled code can count here, and where it is."""

from __future__ import annotations

import ctypes

from ..errors import CompileError
from ..runtime import native_call


def counting() -> ctypes.CDLL | None:
    """What holds `edgelstm_timed_step` and `edgelstm_timed_next`; None where this CPU or interpreter has no such way."""
    if not native_call.usable():
        return None
    try:
        from ..compiler.step_clock import library

        handle: ctypes.CDLL = library().handle
    except (CompileError, ImportError):
        return None
    return handle
