"""Windows of samples -> what the float model's layers see over them: the ranges from which scales are made.

It decides nothing: `choosing` measures which range is best.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, printable
from ..layers.integers import LIMIT
from ..layers.order import INPUT
from ..layers.record import Layer
from ..layers.recurrent import Recurrent
from ..model import Model
from ..runtime.conversion import Form, floats, is_table
from .places import Place, channel
from .spread import spread
from .trace import Batch, Floats, Trace, run

#: Shares of values that the percentile ranges cover, in percent.
PERCENTILES = (99.9, 99.99)

#: Resolution of the search for the range of least mean squared error.
BINS, FRACTIONS = 2048, 100

#: A cell is said to grow if it still does so by this share of its largest value over the last half of the longest windows, and if its rise
#: is this many times the standard error of one through the means of so many parts: the noise of a settled cell is larger.
GROWTH_SHARE, SURE_RISE, PARTS = 0.05, 5.0, 8

#: What is larger than anything calibration saw: the same windows, so many times as far from their centre.
LOUDER = 10.0

#: Beyond this share of its channel's samples, in the order of their distances from the median, one that is so many times further away than
#: the one before is no measurement.
USUAL, FAR = 0.9, 1e9


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
        For recurrent layers that have one.
    endless : bool
        Whether the model carries its state on and on, beyond the windows' end.
    bounded : bool
        Whether no input can ever leave +-1, whatever the model is given.
    loud_inputs, loud_outputs : (steps, size) or None
        The same over `louder` windows; None where there are none.
    every_input : (steps, input_size) or None
        All inputs that there can ever be, where they come from a table alone.
    recurs : bool
        Whether the layer reads its own outputs.
    """

    inputs: Floats
    outputs: Floats
    cell: CellRange | None
    endless: bool
    bounded: bool = False
    loud_inputs: Floats | None = None
    loud_outputs: Floats | None = None
    every_input: Floats | None = None
    recurs: bool = False


def batch_of(model: Model, windows: Iterable[ArrayLike] | NDArray[Any], places: Sequence[Place] = ()) -> Batch:
    """Check windows and set them side by side.

    Parameters
    ----------
    model : Model
    windows : iterable of (time, input_size), or one such array, or (windows, time, input_size)
        (time,) does as well where input_size is 1, and (time, height, width, channels) where samples are maps.
    places : sequence of Place, optional
        Where each window begins, for messages and the report.

    Raises
    ------
    InputError
        If there are none, or one has the wrong shape or holds what must not enter a state.
    """
    size = model.input_size
    if not is_table(windows) and not isinstance(windows, Iterable):
        raise InputError(f"windows must be arrays of samples, (time, {size}) each; got {printable(repr(windows), 60)}.")
    alone = is_table(windows) or (isinstance(windows, np.ndarray) and _is_window(windows.shape, model))
    checked = [
        _window(model, size, places[number] if places else Place(f"window {number}"), window)
        for number, window in enumerate([windows] if alone else windows)
    ]
    if not checked:
        raise InputError(f"calibration needs at least one window of samples, (time, {size}); got none.")
    return side_by_side(checked, places)


def _is_window(shape: tuple[int, ...], model: Model) -> bool:
    """Whether an array of this shape is one window: rows, or maps of a map's own shape."""
    return len(shape) < 3 or (len(model.input_shape) > 1 and shape[1:] == model.input_shape)


def side_by_side(windows: Sequence[Floats], places: Sequence[Place] = ()) -> Batch:
    """Windows (time, input_size) as one batch."""
    lengths = np.array([len(window) for window in windows])
    xs = np.empty((len(windows), lengths.max(), windows[0].shape[1]), np.float32)
    for row, window in zip(xs, windows, strict=True):
        row[: len(window)] = window
        row[len(window) :] = window[-1]
    return Batch(xs, lengths, tuple(places))


def refuse_wild(model: Model, batch: Batch) -> None:
    """Refuse samples that no sensor gives: a few of a channel that lie `FAR` times beyond all others, with nothing in between.

    Raises
    ------
    InputError
        With the place of the one furthest away.
    """
    values = batch.xs[batch.own]
    ordered = np.sort(values, axis=0)
    median = ordered[(len(values) - 1) // 2].astype(np.float64)
    distance = np.abs(values - median)  # (steps, channels)
    ordered = np.sort(distance, axis=0)
    usual = int(USUAL * (len(values) - 1))
    floor = np.where(ordered[usual] > 0, ordered[usual], np.maximum(np.abs(median), 1))
    with np.errstate(over="ignore"):
        jumps = ordered[usual + 1 :] > FAR * np.maximum(ordered[usual:-1], floor)  # (rare steps, channels)
    jumps &= np.equal(model.vocabularies, 0)
    if not jumps.any():
        return
    index = int(jumps.any(axis=0).argmax())
    window, step = np.argwhere(batch.own)[distance[:, index].argmax()]
    where = f"{batch.place(window).at(step)}, {channel(index, model.input_names)}"
    raise InputError(
        f"{where} is {batch.xs[window, step, index]:g}, more than {FAR:g} times as far from the "
        f"median as other values of that channel; repair or remove it."
    )


def refuse_short(model: Model, batch: Batch) -> None:
    """Refuse windows that end before the model's first answer.

    Raises
    ------
    InputError
        With the shortest one.
    """
    shortest, first = int(batch.lengths.argmin()), model.output_wire.first
    if batch.lengths[shortest] < first:
        raise InputError(
            f"{batch.place(shortest).name} has {batch.lengths[shortest]} steps; the model answers for the first time at step {first}. "
            "Give longer windows."
        )


def _window(model: Model, size: int, place: Place, window: object) -> Floats:
    try:
        rows = floats(window, Form(size, 2, lambda: model.input_names, model.input_shape))
    except InputError as problem:
        raise InputError(f"{place.name}: {problem}") from None
    if not len(rows):
        raise InputError(f"{place.name} must have at least one step; got none.")
    good = np.isfinite(rows)
    tables = np.array(model.vocabularies)  # (input_size,), 0 for a measurement
    good &= (tables == 0) | ((rows >= 0) & (rows < tables) & (rows == np.floor(rows)))
    if not good.all():
        step, index = (int(i) for i in np.argwhere(~good)[0])
        what = f"a whole number from 0 to {tables[index] - 1}" if tables[index] else "a finite number"
        where = f"{place.at(step)}, {channel(index, model.input_names)}"
        raise InputError(f"{where} is {rows[step, index]:g}, not {what}; repair or remove it.")
    return rows


def seen_by(layer: Layer, trace: Trace, batch: Batch, endless: bool = False) -> Seen:
    """What `layer` met in a trace of the float model, padding left out."""
    cells = trace.cells.get(layer.name)
    cell = None if cells is None else cell_range(cells, batch.due(trace.wires[layer.name]))
    return Seen(trace.taken(layer, batch), trace.answered(layer, batch), cell, endless, recurs=isinstance(layer, Recurrent))


def louder(model: Model, batch: Batch) -> Batch | None:
    """The same windows, in which every measurement goes `LOUDER` times as far from its centre; None where all samples are indices."""
    if all(model.vocabularies):
        return None
    most = np.finfo(np.float32).max / (8 * LOUDER)
    centre = spread(batch.xs[batch.own]).centre.astype(np.float32)
    louder = centre + np.clip(batch.xs - centre, -most, most) * np.float32(LOUDER)  # (windows, time, input_size)
    return Batch(np.where(np.equal(model.vocabularies, 0), louder, batch.xs), batch.lengths)


def every_row(model: Model) -> Trace | None:
    """What layers that look at no other step make of every index; None where measurements are among the samples."""
    if not all(model.vocabularies):
        return None
    kept: list[Layer] = []
    for layer in model.layers:
        if layer.receptive_field == 1 and not layer.whole and {INPUT, *(k.name for k in kept)}.issuperset(layer.inputs):
            kept.append(layer)
    rows = np.arange(max(model.vocabularies))[:, None, None]
    every = np.minimum(rows, np.array(model.vocabularies) - 1).astype(np.float32)  # (rows, 1, input_size)
    return run(kept, Batch(every, np.ones(len(every), np.int64)))


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
