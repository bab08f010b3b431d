"""Which array of a framework is which layer's: the one that is nearest to it, of those that hold as many numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .. import reference
from ..model import Model

Floats = NDArray[np.float64]

#: An array further away than this, of a layer's largest value, is not the layer's.
_APART = 1e-2

#: An array this many times nearer to another layer is that one's.
_NEARER = 10

#: Outputs of a file among which those that are the model's answers are looked for.
_MOST_OUTPUTS = 8


@dataclass(frozen=True)
class LayerError:
    """How far a layer is from the framework's.

    Parameters
    ----------
    layer, kind : str
    original : str
        Name of the array there; empty where no array holds the same, for example of a layer that stands for several operators.
    error : float, optional
        Largest difference, relative to the layer's largest value, or to 1 where that is smaller.
    """

    layer: str
    kind: str
    original: str
    error: float | None


def values_of(model: Model, xs: NDArray[np.float32]) -> dict[str, Floats]:
    """What every layer of the float64 twin gives for a recording (steps, input_size): (rows, width), by name."""
    return reference.values_of(model, xs.astype(np.float64))


def layer_errors(model: Model, values: Mapping[str, Floats], within: Mapping[str, Floats]) -> tuple[LayerError, ...]:
    """The nearest array of each layer; none where that is another's, or nearer to what the layer reads: a rounding hardly changes it."""
    found = []
    for layer in model.layers:
        own, read = values[layer.name], [values[name] for name in layer.needs]
        near = min(((error, name) for name, array in within.items() if array.size for error in _errors(own, array)), default=(np.inf, ""))
        error, name = near if near[0] <= _APART else (None, "")
        if error and len({len(part) for part in read}) == 1 and min(_errors(np.hstack(read), within[name]), default=np.inf) < error:
            error, name = None, ""
        found.append(LayerError(layer.name, layer.kind, name, error))
    return tuple(_alone(one) if _others(one, found) else one for one in found)


def _others(one: LayerError, found: Sequence[LayerError]) -> bool:
    """Whether a layer's array is much nearer to another: what is between them, no array of the file holds."""
    return any(
        one.error > _NEARER * other.error for other in found if other.original == one.original and one.error and other.error is not None
    )


def _alone(one: LayerError) -> LayerError:
    return replace(one, original="", error=None)


def output_error(own: Floats, outputs: Mapping[str, Floats]) -> float:
    """The error of answers (rows, output_size): of those outputs, side by side, that fit them best; others show states."""
    arrays = list(outputs.values())[:_MOST_OUTPUTS]
    best = np.inf
    for count in range(1, len(arrays) + 1):
        for chosen in combinations(arrays, count):
            best = min(best, *_together(own, chosen), np.inf)
    return float(best)


def _together(own: Floats, chosen: tuple[Floats, ...]) -> Iterator[float]:
    """The errors of outputs side by side, where they have the width of the answers."""
    rows = 1 if own.shape[0] == 1 or any(_rows_of(array, len(own)) is None for array in chosen) else len(own)
    parts = [_rows_of(array, rows) for array in chosen]
    known = [part for part in parts if part is not None]
    if len(known) == len(chosen) and sum(part.shape[1] for part in known) == own.shape[1]:
        yield difference(own[-rows:], np.hstack(known))
    each = [part if (part := _rows_of(array, len(own))) is not None else array.reshape(1, -1) for array in chosen]
    widths = [part.shape[1] for part in each]
    if len({len(part) for part in each}) == 2 and sum(widths) == own.shape[1]:  # an output that is there once is the last answer
        columns = np.split(own, np.cumsum(widths)[:-1], axis=1)
        yield max(difference(mine[-len(part) :], part) for mine, part in zip(columns, each, strict=True))


def _rows_of(array: Floats, rows: int) -> Floats | None:
    """An array as (rows, width): the first axis that has so many entries is that of the rows."""
    kept = array.reshape([n for n in array.shape if n > 1] or [1])
    if rows == 1:
        return kept.reshape(1, -1)
    axis = next((axis for axis, size in enumerate(kept.shape) if size == rows), None)
    return None if axis is None else np.moveaxis(kept, axis, 0).reshape(rows, -1)


def _errors(own: Floats, array: Floats) -> Iterator[float]:
    """The differences of a layer from an array that holds as many numbers, by each axis that could be the rows'; or from its last row."""
    kept = array.reshape([n for n in array.shape if n > 1] or [1])
    if kept.size == own.size:
        if own.shape[0] == 1:
            yield difference(own, kept.reshape(own.shape))
        for axis, size in enumerate(kept.shape):
            if size == own.shape[0]:
                yield difference(own, np.moveaxis(kept, axis, 0).reshape(own.shape))
    elif kept.size == own.shape[1]:
        yield difference(own[-1], kept.ravel())


def difference(own: Floats, other: Floats) -> float:
    """Largest difference, relative to the largest value, or to 1 where that is smaller; infinite where one is not finite."""
    apart = float(np.abs(own - other).max()) / max(1.0, float(np.abs(other).max()))
    return apart if np.isfinite(apart) else float("inf")
