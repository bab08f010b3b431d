"""What a verb was given to step: a model file, or a library built ahead of time."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..library_file import LibraryFile, is_library

if TYPE_CHECKING:
    from ..model import Model


def opened(path: Path) -> "Model | LibraryFile":
    """A library read, with nothing of it run; any other file loaded as a model.

    Raises
    ------
    EdgeLSTMError
        If it is neither.
    """
    if is_library(path):
        return LibraryFile(path)
    from ..modelfile import load

    return load(path)


def source(given: "Model | LibraryFile") -> "Model | str":
    """The same as `Stream` takes it."""
    return given.path if isinstance(given, LibraryFile) else given
