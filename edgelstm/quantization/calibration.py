"""Windows of samples -> what the float model's layers see over them: the ranges from which scales are made.

It decides nothing: `choosing` measures which range is best.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..layers import Layer
from ..layers_int8 import LIMIT
from ..model import Model
from .places import Place, channel
from .trace import Batch, Floats, Trace

#: Shares of values that the percentile ranges cover, in percent.
PERCENTILES = (99.9, 99.99)

#: Resolution of the search for the range of least mean squared error.
BINS, FRACTIONS = 2048, 100

#: A cell is said to grow if it still does so by this share of its largest value over the last half of the longest windows, and if its rise
#: is this many times the standard error of one through the means of so many parts: the noise of a settled cell is larger.
GROWTH_SHARE, SURE_RISE, PARTS = 0.05, 5.0, 8


class Range(NamedTuple):
    """Values that the integers of an activation shall span; what lies beyond is clipped.

    Parameters
    ----------
    method : str
        How it was found.
    low, high : float
        Its ends, in the units of the layer's input.
    """

    method: str
    low: float
    high: float

    @property
    def magnitude(self) -> float:
        """The larger end; 1 where all values were zero."""
        return max(-self.low, self.high) or 1.0


class CellRange(NamedTuple):
    """What the cell of a recurrent layer did over all windows.

    Parameters
    ----------
    max_abs : float
    window, step : int
        Where it was that large.
    slope : float
        Growth of the largest magnitude a step over the last half of the longest window.
    grows : bool
        Whether the largest magnitude rises for sure over the last half of all windows that are as long, by more than `GROWTH_SHARE` of
        `max_abs`.
    curve : (time,)
        Largest magnitude at each step of the longest window.
    """

    max_abs: float
    window: int
    step: int
    slope: float
    grows: bool
    curve: Floats


class Seen(NamedTuple):
    """What a layer of the float model met over all windows.

    Parameters
    ----------
    inputs : (steps, input_size)
    outputs : (steps, output_size)
    cell : CellRange or None
        For recurrent layers.
    endless : bool
        Whether the model carries its state on and on, beyond the windows' end.
    """

    inputs: Floats
    outputs: Floats
    cell: CellRange | None
    endless: bool


def batch_of(model: Model, windows: Iterable[ArrayLike] | NDArray[Any], places: Sequence[Place] = ()) -> Batch:
    """Check windows and set them side by side.

    Parameters
    ----------
    model : Model
    windows : iterable of (time, input_size), or one such array, or (windows, time, input_size)
        (time,) does as well where input_size is 1.
    places : sequence of Place, optional
        Where each window begins, for messages and the report.

    Raises
    ------
    InputError
        If there are none, or one has the wrong shape or holds what must not enter a state.
    """
    size = model.input_size
    if isinstance(windows, np.ndarray) and windows.ndim < 3:
        windows = [windows]
    checked = [
        _window(model, size, places[number] if places else Place(f"window {number}"), window) for number, window in enumerate(windows)
    ]
    if not checked:
        raise InputError(f"calibration needs at least one window of samples, (time, {size}); got none.")
    return side_by_side(checked, places)


def side_by_side(windows: Sequence[Floats], places: Sequence[Place] = ()) -> Batch:
    """Windows (time, input_size) as one batch."""
    lengths = np.array([len(window) for window in windows])
    xs = np.empty((len(windows), lengths.max(), windows[0].shape[1]), np.float32)
    for row, window in zip(xs, windows, strict=True):
        row[: len(window)] = window
        row[len(window) :] = window[-1]
    return Batch(xs, lengths, tuple(places))


def _window(model: Model, size: int, place: Place, window: ArrayLike) -> Floats:
    try:
        given = np.asarray(window)
    except ValueError as problem:
        raise InputError(f"{place.name} must be numbers, (time, {size}); got {problem}.") from None
    if given.dtype.kind not in "fiub":
        raise InputError(f"{place.name} must be numbers, (time, {size}); got dtype {given.dtype}.")
    with np.errstate(over="ignore"):
        rows = given.astype(np.float32)
    if rows.ndim == 1 and size == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[1] != size or len(rows) == 0:
        raise InputError(f"{place.name} must have the shape (time, {size}) and at least one step; got {rows.shape}.")
    good = np.isfinite(rows)
    if (vocabulary := model.vocabulary_size) is not None:
        good &= (rows >= 0) & (rows < vocabulary) & (rows == np.floor(rows))
    if not good.all():
        step, index = (int(i) for i in np.argwhere(~good)[0])
        what = "a finite number" if vocabulary is None else f"a whole number from 0 to {vocabulary - 1}"
        where = f"{place.at(step)}, {channel(index, model.input_names)}"
        raise InputError(f"{where} is {rows[step, index]:g}, not {what}; repair or remove it.")
    return rows


def seen_by(layer: Layer, trace: Trace, batch: Batch, endless: bool = False) -> Seen:
    """What `layer` met in a trace of the float model, padding left out."""
    own, cells = batch.own, trace.cells.get(layer.name)
    cell = None if cells is None else cell_range(cells, batch)
    return Seen(trace.inputs_of(layer)[own], trace.values[layer.name][own], cell, endless)


def cell_range(cells: Floats, batch: Batch) -> CellRange:
    """Range and growth of cells (windows, time, hidden_size)."""
    magnitude = np.where(batch.own[..., None], np.abs(cells), 0).max(axis=2)  # (windows, time)
    window, step = (int(i) for i in np.unravel_index(np.argmax(magnitude), magnitude.shape))
    longest = int(np.argmax(batch.lengths))
    curve = magnitude[longest, : batch.lengths[longest]]
    half = curve[len(curve) // 2 :]
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) if len(half) > 3 else 0.0
    together = magnitude[batch.lengths == len(curve), len(curve) // 2 : len(curve)].mean(axis=0, dtype=np.float64)
    largest = float(magnitude.max())
    return CellRange(largest, window, step, slope, len(half) > 3 and _rises(together, largest), curve)


def _rises(curve: NDArray[np.float64], largest: float) -> bool:
    """Whether a curve rises by more than `GROWTH_SHARE` of `largest`, and by more than noise would."""
    means = np.array([part.mean() for part in np.array_split(curve, min(PARTS, len(curve)))])
    at = np.arange(len(means)) - (len(means) - 1) / 2
    slope = (at * means).sum() / np.square(at).sum()
    error = np.sqrt(np.square(means - means.mean() - slope * at).sum() / (len(means) - 2) / np.square(at).sum())
    return bool(slope * len(means) > GROWTH_SHARE * largest and slope > SURE_RISE * error)


def ranges(values: Floats) -> list[Range]:
    """Candidates for the range of an activation: all values, most of them, and those within the limit of least mean squared error."""
    flat = values.ravel()
    found = [Range("min-max", float(flat.min()), float(flat.max()))]
    for percent in PERCENTILES:
        low, high = np.percentile(flat, [100 - percent, percent])
        found.append(Range(f"percentile {percent:g}", float(low), float(high)))
    limit = least_squares_limit(flat)
    found.append(Range("mse-optimal", max(found[0].low, -limit), min(found[0].high, limit)))
    return [span for i, span in enumerate(found) if span[1:] not in [earlier[1:] for earlier in found[:i]]]


def least_squares_limit(values: Floats) -> float:
    """The limit that minimises the mean squared error of rounding to 127 steps on either side and clipping beyond.

    Searched over `FRACTIONS` fractions of the largest magnitude, on a histogram of magnitudes.
    """
    magnitudes = np.abs(values)
    largest = float(magnitudes.max())
    if largest == 0:
        return 0.0
    counts, edges = np.histogram(magnitudes, BINS, (0, largest))
    centres = (edges[:-1] + edges[1:]) / 2  # (BINS,)
    limits = largest * np.arange(1, FRACTIONS + 1) / FRACTIONS  # (FRACTIONS,)
    clipped = np.maximum(centres - limits[:, None], 0) ** 2 @ counts  # (FRACTIONS,)
    # Rounding to a step s leaves a uniform error of variance s**2 / 12 (Widrow and Kollar, Quantization Noise, 2008, ch. 1).
    inside = (centres <= limits[:, None]) @ counts
    error = clipped + inside * (limits / LIMIT) ** 2 / 12
    return float(limits[np.argmin(error)])
