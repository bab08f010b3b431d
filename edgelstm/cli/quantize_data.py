"""Files of samples, and perhaps of right answers, -> windows for `edgelstm quantize`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from ..model import Model
from ..quantization.places import Place
from ..runners.lines import LineSource
from ..runners.reading import Reading
from .array_files import Recording
from .array_files import recordings as recorded
from .given import is_array_file
from .log import say


def read(
    paths: Sequence[Path],
    model: Model,
    reading: Reading,
    labels_column: str | None,
    window: int | None,
    places: list[Place] | None = None,
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]] | None]:
    """Windows (time, input_size) each, and labels for each window where there are any.

    `places` is filled with where each window begins.

    Raises
    ------
    InputError, UsageError
        If a file is no recording for this model; the message names it.
    """
    recordings: list[Recording] = []
    for path in paths:
        try:
            recordings += recorded(path, model.input_size) if is_array_file(path) else [_lines(path, model, reading, labels_column)]
        except (InputError, UsageError) as problem:
            raise type(problem)(f"{path}: {problem}") from None
    labelled = [recording.labels is not None for recording in recordings]
    if any(labelled) and not all(labelled):
        names = [next(recording.place.name for recording in recordings if (recording.labels is not None) is has) for has in (True, False)]
        raise InputError(f"some recordings have labels ({names[0]}) and some have none ({names[1]}); give labels for all or for none.")
    if labels_column is not None and not any(labelled):
        raise UsageError("--labels-column names a column of a CSV file; an .npz file holds its labels in the array 'labels'.")
    if window is None and not model.stateful:
        window = model.window
    pieces = [piece for recording in recordings for piece in _cut(recording, window)]
    if places is not None:
        places += [piece.place for piece in pieces]
    return [piece.rows for piece in pieces], [piece.labels for piece in pieces if piece.labels is not None] or None


def _cut(recording: Recording, window: int | None) -> list[Recording]:
    rows, labels, place = recording
    if window is None or rows.ndim < 2 or len(rows) <= window:
        return [recording]
    starts = range(0, len(rows), window)
    if labels is not None and labels.ndim == 0:
        labels = np.append(np.full(len(rows) - 1, np.nan), labels)
    return [Recording(rows[s : s + window], None if labels is None else labels[s : s + window], place.later(s)) for s in starts]


def _lines(path: Path, model: Model, reading: Reading, labels_column: str | None) -> Recording:
    if labels_column is not None:
        reading = reading._replace(keep=[int(labels_column) - 1 if labels_column.isdecimal() and int(labels_column) else labels_column])
    with open(path, "rb", buffering=0) as file:
        blocks = list(LineSource(file.read, model, reading, note=say))
    if not blocks:
        raise InputError("holds no samples; give one sample a line.")
    rows = np.concatenate([block.values for block in blocks])
    lines = [line for block in blocks for line in block.lines]
    place = Place(str(path), tuple(lines))
    if labels_column is None:
        return Recording(rows, None, place)
    cells = [row[0] for block in blocks for row in block.kept]
    labels = [_label(line, "" if cell is None else str(cell), model) for line, cell in zip(lines, cells, strict=True)]
    return Recording(rows, np.array(labels), place)


def _label(line: int, cell: str, model: Model) -> float:
    """A label as a number: the index of the class of that name, or the number itself; NaN where the cell is empty."""
    if not cell:
        return float("nan")
    if cell in model.labels:
        return float(model.labels.index(cell))
    try:
        return float(cell)
    except ValueError:
        known = f"the model's labels are {', '.join(model.labels)}" if model.labels else "the model names no labels: write numbers"
        raise InputError(f"line {line}: the label {cell[:40]!r} is not known; {known}.") from None
