"""Whether there is memory to compile in: LLVM ends the process that has too little. And no fork meanwhile."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CompileError
from ..runtime.forks import COMPILING

#: Bytes of address space that loading the compiler and compiling a small model take: 300 with llvmlite 0.50, 200 with 0.45.
NEEDED = 310 << 20

_REMEDY = (
    "Raise the limit, start once without it, so that the next start finds the code in the cache, or build a library on another machine: "
    "edgelstm build --help."
)


@contextmanager
def within_memory() -> Iterator[None]:
    """Keep forks waiting, and turn what compilers raise for want of memory into one error, before they begin where that can be foreseen.

    Raises
    ------
    CompileError
    """
    left = _left()
    if left is not None and left < NEEDED and "llvmlite.binding" not in sys.modules:
        raise CompileError(
            f"compiling takes about {NEEDED >> 20} MiB of address space, and the limit of this process (ulimit -v) leaves "
            f"{left >> 20} MiB. {_REMEDY}"
        )
    try:
        with COMPILING:
            yield
    except MemoryError:
        raise CompileError(f"there is not enough memory to compile the model. {_REMEDY}") from None
    except (OSError, SystemError) as problem:
        if left is None:
            raise
        raise CompileError(f"compiling fails under the limit of this process's memory (ulimit -v): {problem}. {_REMEDY}") from None


def _left() -> int | None:
    """Bytes of address space that this process may still take; None where nothing limits it."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        with open("/proc/self/statm") as file:
            return limit - int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None
