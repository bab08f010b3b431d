"""Files that are whole or not there: what a crash, a full disk or a power cut never leaves in pieces."""

import contextlib
import os
import re
import time

from ..errors import ModelFileError

#: Bytes of a file's name that files beside it are called by; a name has 255 at most.
_LONGEST = 200


def beside(path: str, end: str) -> str:
    """The name of a hidden file that belongs to the one at `path`, a link being followed: ``.NAME.END`` in the same folder."""
    folder, name = os.path.split(os.path.realpath(path))
    return os.path.join(folder, f".{os.fsdecode(os.fsencode(name)[:_LONGEST])}.{end}")


def write_atomic(path: str, data: bytes) -> None:
    """Put `data` at `path` so that a crash, a full disk or a power cut leaves the old file or the new one, never half of one.

    Parameters
    ----------
    path : str
    data : bytes

    Raises
    ------
    ModelFileError
        With the fix; the old file is intact and no temporary file is left.
    """
    temporary = beside(path, f"{os.getpid()}-{time.monotonic_ns()}.tmp")
    path = os.path.realpath(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise ModelFileError(f"{path}: is no regular file; choose another path.")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(os.path.dirname(path))
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


def remove_unfinished(path: str) -> None:
    """Remove what `write_atomic` has left beside `path` where it was killed. Only for whoever is alone in writing there."""
    folder, begin = os.path.split(beside(path, ""))
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if re.fullmatch(re.escape(begin) + r"\d+-\d+\.tmp", name):
                os.unlink(os.path.join(folder, name))
