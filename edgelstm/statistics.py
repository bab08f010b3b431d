"""What a model's inputs looked like in training: the measure by which sensors in the field are judged."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import UsageError, printable

#: The parts of a record that have one number a channel.
_CHANNELS = ("mean", "std", "low", "high", "longest_run")


class InputStatistics:
    """Statistics of each input channel over training recordings, in the units that the model takes. They never change.

    Parameters
    ----------
    count : int
        Samples that were looked at.
    mean, std, low, high : (input_size,)
        Mean, standard deviation (population), smallest and largest value of each channel.
    longest_run : (input_size,) of int
        Most consecutive samples of a recording in which the channel kept one value.

    Raises
    ------
    UsageError
        If the parts do not fit together, or are not finite.

    Examples
    --------
    >>> model = dataclasses.replace(model, statistics=el.InputStatistics.of(recordings))
    """

    def __init__(self, count: int, mean: ArrayLike, std: ArrayLike, low: ArrayLike, high: ArrayLike, longest_run: ArrayLike) -> None:
        self.count = count
        self.mean, self.std, self.low, self.high = (_frozen(values, np.float64) for values in (mean, std, low, high))  # (input_size,) each
        self.longest_run = _frozen(longest_run, np.int64)  # (input_size,)
        if fault := fault_of(self.document()):
            raise UsageError(f"input statistics need {fault}.")

    @classmethod
    def of(cls, recordings: ArrayLike | Iterable[ArrayLike]) -> "InputStatistics":
        """The statistics of recordings, each (time, input_size); missing values (NaN) are left out.

        Raises
        ------
        UsageError
            If they are no such arrays, of one width, or a channel has no value at all.
        """
        rows = _recordings(recordings)
        values = np.concatenate(rows)  # (time, input_size)
        finite = np.isfinite(values)
        if not values.size or not finite.any(axis=0).all():
            missing = [] if not values.size else np.flatnonzero(~finite.any(axis=0)).tolist()
            what = f"channel {missing[0]} has none" if missing else "there is no sample"
            raise UsageError(f"input statistics need at least one value of each channel, and {what}; give recordings from training.")
        known = np.where(finite, values, np.nan)
        runs = np.max([_longest_runs(part) for part in rows], axis=0)  # (input_size,)
        mean, std, low, high = (statistic(known, axis=0) for statistic in (np.nanmean, np.nanstd, np.nanmin, np.nanmax))
        return cls(len(values), mean, std, low, high, np.maximum(runs, 1))

    @property
    def input_size(self) -> int:
        """How many channels."""
        return len(self.mean)

    def document(self) -> dict[str, Any]:
        """As model files hold it: plain JSON values."""
        return {"count": self.count, **{name: getattr(self, name).tolist() for name in _CHANNELS}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputStatistics) and self.document() == other.document()

    def __hash__(self) -> int:
        return hash((self.count, self.mean.tobytes()))

    def __repr__(self) -> str:
        return f"InputStatistics({self.input_size} channel{'s' * (self.input_size != 1)}, {self.count} samples)"


def fault_of(found: dict[str, Any]) -> str:
    """What `InputStatistics` needs and a JSON object lacks; empty where it is sound."""
    if set(found) != {"count", *_CHANNELS}:
        return f"count, {', '.join(_CHANNELS)}, and no others; got {printable(', '.join(map(str, found)), 120) or 'none'}"
    count = found["count"]
    if type(count) is not int or not 0 < count < 1 << 62:
        return f"a count of samples; got {printable(repr(count), 60)}"
    for name in _CHANNELS:
        values, kind = found[name], (int,) if name == "longest_run" else (int, float)
        if not isinstance(values, list) or not all(type(v) in kind and abs(v) < 1e300 for v in values):
            return f"{name} as a list of finite {'whole ' * (kind == (int,))}numbers; got {printable(repr(values), 60)}"
    sizes = {len(found[name]) for name in _CHANNELS}
    if len(sizes) != 1 or 0 in sizes:
        return "lists of one length, a number for each input"
    for mean, std, low, high, run in zip(*(found[name] for name in _CHANNELS), strict=True):
        slack = 1e-9 * max(abs(low), abs(high))
        if not (low - slack <= mean <= high + slack and std >= 0 and run >= 1):
            return "low <= mean <= high, std >= 0 and longest_run >= 1 of each channel"
    return ""


def told(outline: Mapping[str, Any]) -> InputStatistics | None:
    """The statistics in what a model, or a library, tells of itself; None where there are none, or none that could be."""
    found = outline.get("input_statistics")
    sound = isinstance(found, dict) and not fault_of(found) and len(found["mean"]) == outline["input_size"]
    return InputStatistics(**found) if isinstance(found, dict) and sound else None


def _frozen(values: ArrayLike, dtype: type[np.generic]) -> NDArray[Any]:
    try:
        array = np.array(values, dtype).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"input statistics are numbers, one for each input; got {printable(repr(values), 60)}.") from None
    array.flags.writeable = False
    return array


def _recordings(given: Any) -> list[NDArray[np.float64]]:
    """Recordings as arrays (time, input_size) of one width."""
    parts = [given] if isinstance(given, np.ndarray) and given.ndim == 2 else list(given)
    try:
        rows = [np.asarray(part, np.float64) for part in parts]
    except (TypeError, ValueError):
        raise UsageError("input statistics are taken over recordings of numbers, each (time, inputs).") from None
    if not rows or any(part.ndim != 2 for part in rows) or len({part.shape[1] for part in rows}) != 1:
        shapes = ", ".join(str(part.shape) for part in rows[:8]) or "none"
        raise UsageError(f"input statistics are taken over recordings (time, inputs) of one width; got {shapes}.")
    return rows


def _longest_runs(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """Most consecutive equal values of each channel: (input_size,) of (time, input_size)."""
    if not len(rows):
        return np.zeros(rows.shape[1], np.int64)
    place = np.arange(1, len(rows) + 1)[:, None]  # (time, 1)
    changed = np.vstack([np.ones((1, rows.shape[1]), bool), rows[1:] != rows[:-1]])  # (time, input_size)
    begun = np.maximum.accumulate(np.where(changed, place, 0))  # (time, input_size) where each value's run began
    runs: NDArray[np.int64] = (place - begun + 1).max(axis=0)
    return runs
