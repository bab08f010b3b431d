"""Files of samples and of answers -> arrays for `edgelstm verify`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from ..runners.lines import LineSource
from ..runners.reading import Reading
from . import array_files
from .given import is_array_file

if TYPE_CHECKING:
    from ..stream import Stream


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
            if is_array_file(path):
                found = array_files.recordings(path, stream.input_size)
                recordings += [recording.rows for recording in found]
                names += [str(path)] if len(found) == 1 else [recording.place.name for recording in found]
            else:
                recordings.append(_lines(path, stream, reading))
                names.append(str(path))
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
            if is_array_file(path):
                found += [array.rows for array in array_files.recordings(path, 0)]
            else:
                found.append(_lines(path, outputs, Reading()))
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


def _lines(path: Path, inputs: "Stream | _Answers", reading: Reading) -> NDArray[Any]:
    with open(path, "rb", buffering=0) as file:
        parts = [samples.values for samples in LineSource(file.read, inputs, reading)]
    if not parts:
        raise InputError("holds no numbers; give one sample or answer a line.")
    return np.concatenate(parts)
