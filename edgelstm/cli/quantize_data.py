"""Files of samples, and perhaps of right answers, -> windows for `edgelstm quantize`."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from ..model import Model
from ..runners.lines import LineSource
from ..runners.rows import Columns

#: One array a recording: samples (time, input_size), and labels (time,) or () or None.
Recording = tuple[NDArray[np.float32], NDArray[np.float64] | None]


def read(
    paths: Sequence[Path], model: Model, columns: Columns, labels_column: str | None, window: int | None
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
            recordings += _npz(path) if zipfile.is_zipfile(path) else [_lines(path, model, columns, labels_column)]
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


def _lines(path: Path, model: Model, columns: Columns, labels_column: str | None) -> Recording:
    labels = None
    if labels_column is not None:
        cells, position = _column(path, labels_column)
        columns = columns or _others(path, position, model)
    with open(path, "rb", buffering=0) as file:
        parts = [samples.values for samples in LineSource(file.read, model, columns)]
    if not parts:
        raise InputError("holds no samples; give one sample a line.")
    rows = np.concatenate(parts)
    if labels_column is not None:
        labels = np.array([_label(cell, model) for cell in cells[len(cells) - len(rows) :]])
    return rows, labels


def _rows(path: Path) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise InputError(f"is no CSV file ({problem}); a labels column needs one.") from None


def _column(path: Path, name: str) -> tuple[list[str], int]:
    """The cells of a column, header included if there is one, and its position from 0."""
    rows = _rows(path)
    if not rows:
        raise InputError("is empty; give one sample a line.")
    first = [cell.strip() for cell in rows[0]]
    if name in first:
        position = first.index(name)
    elif name.isdecimal() and 1 <= int(name) <= len(first):
        position = int(name) - 1
    else:
        raise UsageError(f"--labels-column {name!r} is no column; the first line has {', '.join(first[:16])}.")
    if any(len(row) != len(first) for row in rows):
        raise InputError(f"its lines have different numbers of columns; the first has {len(first)}.")
    return [row[position].strip() for row in rows], position


def _others(path: Path, position: int, model: Model) -> Columns:
    """Every column but the labels': by name where the model knows names that the header has."""
    first = [cell.strip() for cell in _rows(path)[0]]
    if model.input_names and set(model.input_names) <= set(first):
        return model.input_names
    return [i for i in range(len(first)) if i != position]


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
