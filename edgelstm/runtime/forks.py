"""A process forks when none of its threads loads the compiler or compiles.

A child has none of its parent's other threads, and would wait for ever for the locks that they held: of modules that were being
imported, of Numba, of LLVM. So `os.fork` waits for these two.
"""

import os
from _thread import RLock

#: Held while the compiler is imported, and while it compiles.
IMPORTING, COMPILING = RLock(), RLock()


def _before() -> None:
    IMPORTING.acquire()
    COMPILING.acquire()


def _after() -> None:
    COMPILING.release()
    IMPORTING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
