"""Files of samples, and perhaps of right answers, -> windows for `edgelstm quantize`."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from ..model import Model
from ..runners.lines import LineSource
from ..runners.reading import Reading
from .inputs import say

#: One array a recording: samples (time, input_size), and labels (time,) or () or None.
Recording = tuple[NDArray[np.float32], NDArray[np.float64] | None]


def read(
    paths: Sequence[Path], model: Model, reading: Reading, labels_column: str | None, window: int | None
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]] | None]:
    """Windows (time, input_size) each, and labels for each window where there are any.

    Raises
    ------
    InputError, UsageError
        If a file is no recording for this model; the message names it.
    """
    recordings: list[Recording] = []
    for path in paths:
        try:
            recordings += _npz(path) if zipfile.is_zipfile(path) else [_lines(path, model, reading, labels_column)]
        except (InputError, UsageError) as problem:
            raise type(problem)(f"{path}: {problem}") from None
    labelled = [labels is not None for _, labels in recordings]
    if any(labelled) and not all(labelled):
        raise InputError("some recordings have labels and some have none; give labels for all or for none.")
    if labels_column is not None and not any(labelled):
        raise UsageError("--labels-column names a column of a CSV file; an .npz file holds its labels in the array 'labels'.")
    if window is None and not model.stateful:
        window = model.window
    pieces = [piece for recording in recordings for piece in _cut(recording, window)]
    return [rows for rows, _ in pieces], [labels for _, labels in pieces if labels is not None] or None


def _cut(recording: Recording, window: int | None) -> list[Recording]:
    rows, labels = recording
    if window is None or rows.ndim < 2 or len(rows) <= window:
        return [recording]
    starts = range(0, len(rows), window)
    if labels is not None and labels.ndim == 0:
        labels = np.append(np.full(len(rows) - 1, np.nan), labels)
    return [(rows[s : s + window], None if labels is None else labels[s : s + window]) for s in starts]


def _npz(path: Path) -> list[Recording]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as problem:
        raise InputError(f"is no sound .npz file ({problem}); save plain arrays with numpy.savez.") from None
    labels = arrays.pop("labels", None)
    found = list(arrays.get("windows", arrays.values()))
    if "windows" in arrays and arrays["windows"].ndim < 3:
        found = [arrays["windows"]]
    if not found:
        raise InputError("holds no array; save the windows as 'windows', (windows, time, inputs).")
    for array in found if labels is None else [*found, labels]:
        if array.dtype.kind not in "fiub":
            raise InputError(f"holds an array of {array.dtype}; windows and labels must be numbers (labels: the index of the class).")
    if labels is None:
        return [(array, None) for array in found]
    if len(found) == 1 and labels.ndim <= 1 and len(np.atleast_1d(labels)) != 1:
        labels = labels[None]
    if labels.ndim == 0 or len(labels) != len(found):
        raise InputError(f"labels must be one item a window; got shape {labels.shape} for {len(found)} windows.")
    return list(zip(found, np.asarray(labels, np.float64), strict=True))


def _lines(path: Path, model: Model, reading: Reading, labels_column: str | None) -> Recording:
    if labels_column is not None:
        reading = reading._replace(keep=[int(labels_column) - 1 if labels_column.isdecimal() and int(labels_column) else labels_column])
    with open(path, "rb", buffering=0) as file:
        blocks = list(LineSource(file.read, model, reading, note=say))
    if not blocks:
        raise InputError("holds no samples; give one sample a line.")
    rows = np.concatenate([block.values for block in blocks])
    if labels_column is None:
        return rows, None
    cells = [row[0] for block in blocks for row in block.kept]
    return rows, np.array([_label("" if cell is None else str(cell), model) for cell in cells])


def _label(cell: str, model: Model) -> float:
    """A label as a number: the index of the class of that name, or the number itself; NaN where the cell is empty."""
    if not cell:
        return float("nan")
    if cell in model.labels:
        return float(model.labels.index(cell))
    try:
        return float(cell)
    except ValueError:
        known = f"the model's labels are {', '.join(model.labels)}" if model.labels else "the model names no labels: write numbers"
        raise InputError(f"the label {cell[:40]!r} is not known; {known}.") from None
