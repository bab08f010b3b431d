"""A folder that new models are put into, each under a number of its own: which one is next.

A model is a file whose name begins with its number (``7.elstm``, ``0007-gesture.elstm``, ``7.so``), or a folder of such a name with one
file in it. Numbers grow; a file that is written over under its old number is passed by, since nobody could tell what answered when.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError

_NUMBERED = re.compile(r"(\d{1,18})(?:[-_. ].*)?")


class Entry(NamedTuple):
    """A model on the shelf.

    Parameters
    ----------
    number : int
    path : Path
        Of the file.
    mark : tuple of int
        Inode, size and time of writing: another file has others.
    """

    number: int
    path: Path
    mark: tuple[int, int, int]


class Shelf:
    """Looks for models with higher numbers than the one that answers.

    Parameters
    ----------
    folder : path
    suffixes : tuple of str
        Endings of models in numbered folders and beside them.

    Raises
    ------
    UsageError
        If there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str], suffixes: tuple[str, ...] = (".elstm", ".so")) -> None:
        self.folder, self._suffixes = Path(folder), suffixes
        self._refused: dict[int, tuple[int, int, int]] = {}
        if not self.folder.is_dir():
            raise UsageError(f"{folder} is no folder; create it, and put models into it under numbers: 1.elstm, 2.elstm.")

    def entries(self) -> list[Entry]:
        """All models there are, lowest number first; of two under one number, none."""
        found: dict[int, list[Entry]] = {}
        try:
            places = list(self.folder.iterdir())
        except OSError:
            return []
        for place in places:
            match = _NUMBERED.fullmatch(place.name)
            file = self._file(place) if match else None
            if match and file is not None:
                number = int(match[1])
                found.setdefault(number, []).append(Entry(number, *file))
        return [entries[0] for _, entries in sorted(found.items()) if len(entries) == 1]

    def _file(self, place: Path) -> tuple[Path, tuple[int, int, int]] | None:
        """The model at a place, with its mark; None where there is none, or it is going away."""
        try:
            if place.is_dir():
                files = [one for one in place.iterdir() if one.suffix in self._suffixes]
                if len(files) != 1:
                    return None
                place = files[0]
            if place.suffix not in self._suffixes:
                return None
            about = place.stat()
        except OSError:
            return None
        return place, (about.st_ino, about.st_size, about.st_mtime_ns)

    def next(self, after: int) -> Entry | None:
        """The model of the highest number beyond `after` that was not refused as it stands."""
        fresh = [entry for entry in self.entries() if entry.number > after and self._refused.get(entry.number) != entry.mark]
        return fresh[-1] if fresh else None

    def refuse(self, entry: Entry) -> None:
        """Pass a model by, unless its file changes: it may have been there before it was whole."""
        self._refused[entry.number] = entry.mark

    def number_of(self, path: str | os.PathLike[str]) -> int:
        """The number of a file on this shelf; -1 for one that is elsewhere."""
        return next((entry.number for entry in self.entries() if os.path.exists(path) and entry.path.samefile(path)), -1)

    def holds(self, number: int) -> bool:
        """Whether a model of this number is there."""
        return any(entry.number == number for entry in self.entries())
