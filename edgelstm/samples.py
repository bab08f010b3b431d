"""What users pass as samples -> float32 rows fit to enter the state, or an error that says why not."""

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .program import Program


class NanPolicy(StrEnum):
    """What to do with a sample that is NaN, infinite, beyond what float32 sums can hold, or no index of the table."""

    RAISE = "raise"
    """Refuse it; the state stays."""
    HOLD = "hold"
    """Put the last accepted value of that channel in its place; the initial one is 0."""
    RESET = "reset"
    """Go back to the initial state and drop the sample; its output is NaN."""
    PROPAGATE = "propagate"
    """Let it into the state."""


class Samples:
    """Conversion and checks for one program."""

    def __init__(self, program: Program) -> None:
        self.size = program.shape.input_size
        self.vocabulary = program.shape.vocabulary
        self._about = program.about
        self.limit = np.float32(program.shape.input_limit)

    def one(self, x: ArrayLike) -> NDArray[np.float32]:
        """One sample: (input_size,), or a bare number where input_size is 1."""
        row = self._numbers(x)
        if row.ndim == 0 and self.size == 1:
            row = row.reshape(1)
        if row.shape != (self.size,):
            raise InputError(f"a sample has shape ({self.size},){self._channels()}; got {row.shape}.{self._advice(row)}")
        return row

    def many(self, xs: ArrayLike) -> NDArray[np.float32]:
        """Samples in order of time: (time, input_size), or (time,) where input_size is 1."""
        rows = self._numbers(xs)
        if rows.ndim == 1 and self.size == 1:
            rows = rows.reshape(-1, 1)
        elif rows.shape == (0,):
            rows = rows.reshape(0, self.size)
        if rows.ndim != 2 or rows.shape[1] != self.size:
            raise InputError(f"samples have shape (time, {self.size}){self._channels()}; got {rows.shape}.")
        return rows

    def good(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values may enter the state: bool of the same shape."""
        if self.vocabulary:
            return np.asarray((rows >= 0) & (rows < self.limit) & (rows == np.floor(rows)))
        return np.asarray(np.abs(rows) <= self.limit)

    def refusal(self, value: float, channel: int, step: int | None) -> InputError:
        """The error for a value that may not enter the state."""
        where = f"channel {channel}" + (f" ({self.names[channel]})" if self.names else "") + ("" if step is None else f" of sample {step}")
        if self.vocabulary:
            return InputError(
                f"{where} must be a whole number from 0 to {self.vocabulary - 1}, an index of the model's table; got {value:g}."
            )
        fault = "beyond what this model's float32 sums can hold" if np.isfinite(value) else "not a number that can enter the state"
        return InputError(
            f"{where} is {value:g}, {fault}. The state is as it was; repair the sample, or choose nan_policy='hold' or 'reset'."
        )

    def _numbers(self, x: ArrayLike) -> NDArray[np.float32]:
        if type(x) is np.ndarray and x.dtype == np.float32 and x.flags.c_contiguous and x.flags.aligned:
            return x
        try:
            given = np.asarray(x)
            if given.dtype.kind not in "fiub" and given.size:
                raise TypeError(f"dtype {given.dtype}")
            with np.errstate(over="ignore"):
                return np.require(given, np.float32, ["C", "A"])
        except (TypeError, ValueError) as problem:
            raise InputError(f"samples must be numbers, (time, {self.size}) or ({self.size},); got {problem}.") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the channels; empty where they have none."""
        return self._about().input_names

    def _channels(self) -> str:
        return f" ({', '.join(self.names)})" if self.names else ""

    def _advice(self, row: NDArray[np.float32]) -> str:
        return " For several samples at once use process()." if row.ndim == 2 and row.shape[1] == self.size else ""
