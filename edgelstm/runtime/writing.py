"""Files that are whole or not there: what a crash, a full disk or a power cut never leaves in pieces."""

import contextlib
import os
import time
from collections.abc import Callable

from ..errors import ModelFileError


def write_atomic(path: str, data: bytes, before: Callable[[int], object] = lambda descriptor: None) -> None:
    """Put `data` at `path` so that a crash, a full disk or a power cut leaves the old file or the new one, never half of one.

    Parameters
    ----------
    path : str
    data : bytes
    before : callable
        Called with the new file's descriptor before the file takes its name, so that nobody finds it there without what this did to it.

    Raises
    ------
    ModelFileError
        With the fix; the old file is intact and no temporary file is left.
    """
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{os.getpid()}-{time.monotonic_ns()}.tmp")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ModelFileError(f"{path}: is no regular file; choose another path.")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            before(file.fileno())
        os.replace(temporary, path)
        _sync_folder(folder)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise ModelFileError(
            f"{path}: cannot be written ({reason}); free some space or choose a folder that exists and is writable."
        ) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    """Make the new name survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
