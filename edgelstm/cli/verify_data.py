"""Files of samples and of answers -> arrays for `edgelstm verify`."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from ..runners.lines import LineSource
from ..runners.reading import Reading
from ..verifying import recordings_of
from .quantize_data import _npz

if TYPE_CHECKING:
    from ..stream import Stream

#: The first bytes of a file that numpy.save wrote, and of one that numpy.savez wrote.
NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"


class _Answers(NamedTuple):
    """The outputs of a model, as a source of lines takes them."""

    input_size: int
    input_names: tuple[str, ...]


def read_samples(paths: Sequence[Path], stream: "Stream", reading: Reading) -> tuple[list[NDArray[Any]], list[str]]:
    """Recordings, each (time, input_size), and how to call each.

    Raises
    ------
    InputError, UsageError
        If a file holds no samples for this model; the message names it.
    """
    recordings: list[NDArray[Any]] = []
    names: list[str] = []
    for path in paths:
        with _about(path):
            found = [item for array in _arrays(path, stream, reading) for item in recordings_of(array, stream.input_size)]
        recordings += found
        names += [str(path)] if len(found) == 1 else [f"{path}, window {i}" for i in range(len(found))]
    return recordings, names


def read_answers(paths: Sequence[Path], stream: "Stream", recordings: int) -> list[NDArray[Any]] | NDArray[Any]:
    """Answers as `verifying.verify` takes them.

    Raises
    ------
    InputError, UsageError
        If a file holds no answers of this model; the message names it.
    """
    outputs = _Answers(stream.output_size, stream.labels)
    found: list[NDArray[Any]] = []
    for path in paths:
        with _about(path):
            found += _arrays(path, outputs, Reading())
    if len(found) == 1:
        return found[0]
    if len(found) != recordings:
        raise UsageError(f"--expect gives {len(found)} arrays for {recordings} recordings; give one for all, or one for each.")
    return found


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Errors inside name the file."""
    try:
        yield
    except (InputError, UsageError) as problem:
        raise type(problem)(f"{path}: {problem}") from None


def _arrays(path: Path, inputs: "Stream | _Answers", reading: Reading) -> list[NDArray[Any]]:
    with open(path, "rb") as file:
        start = file.read(len(NPY))
    if start.startswith(ZIP):
        return [recording[0] for recording in _npz(path)]
    if start == NPY:
        return [_npy(path)]
    with open(path, "rb", buffering=0) as file:
        parts = [samples.values for samples in LineSource(file.read, inputs, reading)]
    if not parts:
        raise InputError("holds no numbers; give one sample or answer a line.")
    return [np.concatenate(parts)]


def _npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped, so that a damaged head cannot ask for more memory than the file has bytes.
        with warnings.catch_warnings(action="ignore"):
            array = np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError, TypeError, OverflowError, SyntaxError, TokenError) as problem:
        raise InputError(f"is no sound .npy file ({problem}); save a plain array with numpy.save.") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"holds an array of {array.dtype}; samples and answers must be numbers.")
    return array
