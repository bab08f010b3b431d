"""Figures that compare two sequences of answers. All errors are differences from the float model's answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...layers.feedforward import Activation
from ...model import Model
from ..trace import Batch, Floats

#: Signal-to-noise ratios are cut off here: beyond it, float32 itself is the noise.
MOST_DB = 120.0

#: An output varies if it leaves its mean by more than this share of its size: a few steps of float32.
LEAST_VARIATION = 1e-6

#: Points of a curve over time.
POINTS = 240

#: What a task may lose: accuracy in absolute terms, a forecast's error relative to what it was.
ACCURACY_LOSS, FORECAST_LOSS = 0.005, 0.01


#: Decisions that became wrong outnumber those that became right by more than this many standard deviations, if not by chance.
BY_CHANCE = 2.0


def snr_db(signal: Floats, noisy: Floats) -> float:
    """``10 log10(sum(signal**2) / sum((noisy - signal)**2))``, at most `MOST_DB`."""
    return ratio_db(_power(signal), _power(noisy - signal))


def ratio_db(signal: float, noise: float) -> float:
    """A ratio of two powers in decibels, within +-`MOST_DB`."""
    if noise == 0 or signal == 0:
        return MOST_DB if noise == 0 else -MOST_DB
    return float(np.clip(10 * np.log10(signal / noise), -MOST_DB, MOST_DB))


def varying_db(signal: Floats, noisy: Floats) -> float | None:
    """`snr_db` of what varies alone: an output that lies far from zero hides any error behind its mean. None where nothing varies.

    Parameters
    ----------
    signal, noisy : (steps, size)
    """
    varying = _power(signal - signal.mean(axis=0, dtype=np.float64))
    return ratio_db(varying, _power(noisy - signal)) if varying > LEAST_VARIATION**2 * _power(signal) else None


def _power(values: Floats) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def worst_step(before: Floats, after: Floats, batch: Batch) -> dict[str, Any]:
    """Where two answers (windows, time, size) differ most."""
    error = np.where(batch.own[..., None], np.abs(after - before), -1)
    window, step, output = (int(i) for i in np.unravel_index(np.argmax(error), error.shape))
    at = window, step, output
    return {"window": window, "step": step, "output": output, "error": float(error[at]), "f32": float(before[at]), "int8": float(after[at])}


def error_over_time(before: Floats, after: Floats, batch: Batch) -> dict[str, list[float]]:
    """Root mean square and largest error by step since the start of a window, in at most `POINTS` bins of equal width."""
    squared = np.where(batch.own[..., None], np.square(after - before, dtype=np.float64), 0)  # (windows, time, size)
    starts = bins(before.shape[1])
    counts = np.add.reduceat(batch.own.sum(axis=0), starts) * before.shape[2]
    rms = np.sqrt(np.add.reduceat(squared.sum(axis=(0, 2)), starts) / counts)
    largest = np.sqrt(np.maximum.reduceat(squared.max(axis=(0, 2)), starts))
    return {"step": starts.tolist(), "rms": rms.tolist(), "max": largest.tolist()}


def bins(steps: int) -> NDArray[np.int64]:
    """First steps of at most `POINTS` bins."""
    return np.unique(np.linspace(0, steps, min(steps, POINTS), endpoint=False).astype(np.int64))


def growth(rms: Sequence[float]) -> float:
    """Error of the last quarter relative to the worse quarter of the first half: well above 1, it grows. 1 for short windows."""
    if len(rms) < 16:
        return 1.0
    first, second, _, last = (float(np.mean(part)) for part in np.array_split(np.asarray(rms), 4))
    earlier = max(first, second)
    return last / earlier if earlier > 0 else 1.0


def checked_labels(model: Model, labels: Sequence[ArrayLike], batch: Batch) -> NDArray[np.float64]:
    """Labels as (windows, answers due), NaN where an answer has none.

    Parameters
    ----------
    model : Model
    labels : sequence, one item a window
        One number, which the last answer of the window shall be, or one a step, (time,), of which those count at which an answer is due.
        A class is its index; NaN is no label.

    Raises
    ------
    InputError
        If they do not fit the windows or the model's outputs.
    """
    if len(labels) != len(batch.lengths):
        raise InputError(f"labels must be one item a window; got {len(labels)} for {len(batch.lengths)} windows.")
    wire = model.output_wire
    due = batch.due(wire)
    filled = np.full(due.xs.shape[:2], np.nan)
    for number, (given, length, answers) in enumerate(zip(labels, batch.lengths, due.lengths, strict=True)):
        name = batch.place(number).name
        try:
            row = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"labels of {name} must be numbers (the index of a class).") from None
        if row.shape not in ((), (length,)):
            raise InputError(f"labels of {name} must be one number or one a step, ({length},); got shape {row.shape}.")
        filled[number, answers - 1 if row.ndim == 0 else slice(answers)] = row if row.ndim == 0 else row[wire.first - 1 :: wire.every]
    known = ~np.isnan(filled)
    if not known.any():
        raise InputError("no step has a label; leave the labels out, or give at least one.")
    allowed = np.isin(filled, np.arange(model.output_size)) if model.output_size > 1 else np.isfinite(filled)
    if (wrong := known & ~allowed).any():
        window, step = (int(i) for i in np.argwhere(wrong)[0])
        what = f"whole numbers from 0 to {model.output_size - 1}, the indices of the outputs" if model.output_size > 1 else "finite"
        raise InputError(f"{due.place(window).at(step)}: labels must be {what}; got {filled[window, step]:g}.")
    return filled


def task(model: Model, labels: NDArray[np.float64], before: Floats, after: Floats) -> dict[str, Any]:
    """What labels say of the answers (windows, time, size) before and after.

    Several outputs, or one that ends in a sigmoid with labels 0 and 1: accuracy. Else one output: mean absolute error.
    """
    asked = ~np.isnan(labels)
    truth = labels[asked]
    last = model.layers[-1]
    decides = isinstance(last, Activation) and last.function == "sigmoid" and bool(np.isin(truth, (0, 1)).all())
    if model.output_size > 1 or decides:
        said = [a[asked].argmax(axis=-1) if model.output_size > 1 else a[asked][:, 0] > 0.5 for a in (before, after)]
        right = [s == truth for s in said]
        was, now = (float(r.mean()) for r in right)
        lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        return {
            "name": "accuracy",
            "before": was,
            "after": now,
            "labelled": truth.size,
            "changed": int((said[0] != said[1]).sum()),
            "passed": was - now <= ACCURACY_LOSS,
            "falls": bool(lost - won > BY_CHANCE * np.sqrt(lost + won)),
            "guessing": 1 / max(model.output_size, 2),
        }
    was, now = (float(np.abs(a[asked][:, 0] - truth).mean()) for a in (before, after))
    passed = now <= was * (1 + FORECAST_LOSS)
    told = {"name": "mean absolute error", "before": was, "after": now, "labelled": truth.size, "changed": None, "passed": passed}
    return {**told, "falls": False, "guessing": None}
