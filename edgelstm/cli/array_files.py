"""Files of arrays, .npy and .npz -> the recordings in them, for every verb that takes such files."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..quantization.places import Place
from ..verifying import recordings_of
from .given import NPY
from .show import printable

#: Rows that become text at once.
_ROWS = 256


class Recording(NamedTuple):
    """One array of samples.

    Parameters
    ----------
    rows : (time, input_size)
    labels : (time,) or (), or None
        The right answer of each step or of the last one.
    place : Place
        Where the first sample stands.
    """

    rows: NDArray[Any]
    labels: NDArray[np.float64] | None
    place: Place


def recordings(path: Path, input_size: int) -> list[Recording]:
    """What an .npy or .npz file holds, with the labels of an array of that name.

    Parameters
    ----------
    path : Path
    input_size : int
        Of samples: an array of several recordings becomes those. 0: arrays but "windows" stay as they are.

    Raises
    ------
    InputError
        If the file is damaged, holds what is no number, or labels that do not fit.
    """
    arrays = _arrays(path)
    labels = arrays.pop("labels", None)
    if "windows" in arrays:
        arrays = {"windows": arrays["windows"]}
    found = [item for name, array in arrays.items() for item in _parts(name, array, path, input_size)]
    if not found:
        raise InputError("holds no array; save the windows as 'windows', (windows, time, inputs).")
    if labels is None:
        return found
    if len(found) == 1 and labels.ndim <= 1 and len(np.atleast_1d(labels)) != 1:
        labels = labels[None]
    if labels.ndim == 0 or len(labels) != len(found):
        raise InputError(f"labels must be one item a window; got shape {labels.shape} for {len(found)} windows.")
    answers = np.asarray(labels, np.float64)
    return [item._replace(labels=answer) for item, answer in zip(found, answers, strict=True)]


def lines_of(rows: NDArray[Any]) -> Callable[[int], bytes]:
    """What reads samples (time, …) as lines of CSV, to the last bit; empty at the end."""
    flat = rows.reshape(len(rows), -1)
    flat = flat.astype(np.float64) if flat.dtype.kind in "fb" else flat
    parts = (
        "".join(",".join(map(repr, row)) + "\n" for row in flat[start : start + _ROWS].tolist()).encode()
        for start in range(0, len(flat), _ROWS)
    )
    return lambda count: next(parts, b"")


def _parts(name: str, array: NDArray[Any], path: Path, input_size: int) -> list[Recording]:
    """The recordings of one array, and where each is; the only array of an .npy file has no name."""
    called = f"array {printable(name)}" if name else "it"
    if array.ndim == 0:
        raise InputError(f"{called} holds a single number; give samples in order of time, (time, inputs).")
    several = array.ndim > 2 if name == "windows" else array.ndim == 3 and array.shape[2] == input_size
    parts = list(array) if several else recordings_of(array, input_size) if array.ndim < 3 else [array]
    place = str(path) if name in ("", "windows") else f"{path}, {called}"
    if len(parts) == 1 and not several and name != "windows":
        return [Recording(parts[0], None, Place(place))]
    return [Recording(part, None, Place(f"{place}, window {number}")) for number, part in enumerate(parts)]


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array by its name, whatever the file is in truth."""
    with open(path, "rb") as opened:
        alone = opened.read(len(NPY)) == NPY
    try:
        with warnings.catch_warnings(action="ignore"):
            # Mapped, so that a damaged head cannot ask for more memory than the file has bytes.
            arrays = {"": np.array(np.load(path, mmap_mode="r", allow_pickle=False))} if alone else _unpacked(path)
    except InputError:
        raise
    except Exception as problem:  # noqa: BLE001  damage comes out of zipfile, zlib and NumPy's parser of headers as a dozen types
        reason = printable(str(problem) or type(problem).__name__)
        reason = reason if len(reason) <= 100 else f"{reason[:97]}..."
        kind, how = (".npy", "a plain array with numpy.save") if alone else (".npz", "plain arrays with numpy.savez")
        raise InputError(f"is no sound {kind} file ({reason}); save {how}.") from None
    for array in arrays.values():
        if array.dtype.kind not in "fiub":
            raise InputError(f"holds an array of {array.dtype}; samples, answers and labels must be numbers (labels: indices of classes).")
    return arrays


def _unpacked(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file."""
    with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
        names = file.zip.namelist()
        if names and not any(name.endswith(".npy") for name in names):
            raise InputError("is a zip archive, or a spreadsheet (.xlsx, .ods), without an array of NumPy; unpack it, or save it as CSV.")
        return {name: np.asarray(file[name]) for name in file.files}
