"""The file that answers go to: tried before anything is computed, begun with the first answer, and ending in a whole line."""

import os
import stat
from collections.abc import Sequence

from ..errors import UsageError


class OutputFile:
    """A file opened for appending, so that one which another process cuts to nothing (log rotation) goes on at its new end.

    What is there stays until the first write. A file that this made and never wrote to is removed again.

    Parameters
    ----------
    path : str
    append : bool
        Whether to write behind what is there.
    headed : bool
        Whether the first write is a header: it stands at the top of the file alone, so not a second time when appending,
        and again where the file was cut to nothing.
    opening : bytes
        What a file of this form begins with, one of these; empty: anything.

    Attributes
    ----------
    stale : bool
        Set it to let the next write go to the file that has the name then.

    Raises
    ------
    OSError
        If the file cannot be opened for writing.
    """

    def __init__(self, path: str, *, append: bool, headed: bool, opening: bytes = b"") -> None:
        self.name = path
        self._append, self._headed, self._opening = append, headed, opening
        self._made = not os.path.lexists(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        self.stale = False
        self._header: bytes | None = None
        self._unfinished: tuple[int, bytes] | None = None

    def write(self, data: "bytes | memoryview") -> int:
        """Write some of `data` and return how many bytes were taken."""
        if self.stale and not self._unfinished:
            self._reopen()
        text = bytes(data)
        if self._header is None:
            self._header = text if self._headed else b""
            if not self._begin():
                return len(text)
        elif self._regular and self._header and self._size() == 0 and not self._unfinished:
            os.write(self._file, self._header)
        if self._regular and not self._unfinished:
            self._unfinished = self._size(), text
        taken = os.write(self._file, text)
        if taken == len(text):
            self._unfinished = None
        return taken

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Cut off what is no whole line, and close."""
        if self._unfinished:
            size, text = self._unfinished
            taken = self._size() - size
            whole = text.rfind(b"\n", 0, max(taken, 0)) + 1
            if taken > whole:
                os.ftruncate(self._file, size + whole)
        os.close(self._file)
        if self._made and self._regular and self._header is None:
            os.unlink(self.name)

    @property
    def position(self) -> list[int]:
        """Which file this is, and how long; empty where it is no regular file."""
        found = os.fstat(self._file)
        return [found.st_dev, found.st_ino, found.st_size] if self._regular else []

    def return_to(self, position: Sequence[int]) -> None:
        """Cut off what was written after `position`, if this is still that file."""
        now = self.position
        if len(position) == 3 and now[:2] == list(position[:2]) and position[2] < now[2]:
            os.ftruncate(self._file, position[2])

    def _reopen(self) -> None:
        """Open the file that has the name now, as after another process moved the old one away; a new one begins with the header."""
        self.close()
        self.stale = False
        self._file = os.open(self.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def _begin(self) -> bool:
        """Make way for the first write, and say whether it is to be made."""
        if not self._regular or not self._size():
            return True
        if not self._append:
            os.ftruncate(self._file, 0)
            return True
        with open(self.name, "rb") as file:
            first = file.readline(len(self._header or b"") + 1)
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
        if self._header and first != self._header:
            raise UsageError(f"--append: {self.name} begins with another header than these answers have; write to another file.")
        if self._opening and first[:1] not in self._opening:
            raise UsageError(f"--append: {self.name} is of another form than these answers; write to another file.")
        if torn:
            os.write(self._file, b"\n")
        return not self._header
