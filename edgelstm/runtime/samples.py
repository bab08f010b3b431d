"""Which samples are fit to enter the state, and what to say of the others."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError, UsageError, printable
from .program import Program
from .sizes import Sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What users write for a `NanPolicy`.
NanPolicyName = Literal["raise", "hold", "reset", "propagate"]


class NanPolicy(StrEnum):
    """What to do with a sample that is NaN, infinite, beyond what float32 sums can hold, or no index of the table."""

    RAISE = "raise"
    """Refuse it; the state stays."""
    HOLD = "hold"
    """Put the last accepted value of that channel in its place; the initial one is 0."""
    RESET = "reset"
    """Go back to the initial state and drop the sample; its output is NaN. Where answers are not due at every step, it has none."""
    PROPAGATE = "propagate"
    """Let it into the state."""


def policy_of(name: str) -> NanPolicy:
    """The policy of a name that a user gave."""
    try:
        return NanPolicy(name)
    except ValueError:
        raise UsageError(f"nan_policy must be one of {', '.join(NanPolicy)}; got {printable(repr(name), 60)}.") from None


def check_policy(policy: NanPolicy, sizes: Sizes) -> None:
    """Refuse a policy that has no sense for a model."""
    if policy is NanPolicy.PROPAGATE and sizes.vocabularies:
        raise UsageError("nan_policy='propagate' is for measurements; this model takes an index, which must lie in its table.")
    if policy is NanPolicy.RESET and sizes.reads_recordings:
        raise UsageError("nan_policy='reset' is for models that step; this one reads whole recordings: choose 'raise' or 'hold'.")


class Samples:
    """Conversion and checks for one program."""

    def __init__(self, program: Program) -> None:
        self.size, self.shape = program.sizes.input_size, program.sizes.input_shape
        self.vocabularies = np.array(program.sizes.vocabularies, np.float32)  # (input_size,), 0 for a measurement; empty without indices
        self._about = program.about
        self.limit = np.float32(program.sizes.input_limit)

    @cached_property
    def one(self) -> Callable[[object], NDArray[np.float32]]:
        """``one(x)``: one sample, of its own shape or flat, as (input_size,); a bare number will do where input_size is 1."""
        return self._reader(1)

    @cached_property
    def many(self) -> Callable[[object], NDArray[np.float32]]:
        """``many(xs)``: samples in order of time, flat or not, as (time, input_size); (time,) will do where input_size is 1."""
        return self._reader(2)

    def _reader(self, axes: int) -> Callable[[object], NDArray[np.float32]]:
        from .conversion import Form, floats  # a step with a float32 array never needs it

        about = self._about
        return partial(floats, form=Form(self.size, axes, lambda: about().input_names, self.shape))

    def good(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which values may enter the state: bool of the same shape."""
        fit = np.abs(rows) <= self.limit
        if not self.vocabularies.size:
            return np.asarray(fit)
        index = (rows >= 0) & (rows < self.vocabularies) & (rows == np.floor(rows))
        return np.where(self.vocabularies > 0, index, fit)

    def all_good(self, rows: NDArray[np.float32]) -> bool:
        """Whether all values may enter the state; it costs a fraction of `good`."""
        if self.vocabularies.size or not rows.size:
            return bool(self.good(rows).all())
        return bool(-self.limit <= rows.min() and rows.max() <= self.limit)  # a NaN is the least and the greatest

    def refusal(self, value: float, channel: int, step: int | None) -> InputError:
        """The error for a value that may not enter the state."""
        where = (
            f"channel {channel}"
            + (f" ({printable(names[channel], 60)})" if (names := self._names()) else "")
            + ("" if step is None else f" of sample {step}")
        )
        if self.vocabularies.size and (rows := int(self.vocabularies[channel])):
            return InputError(f"{where} must be a whole number from 0 to {rows - 1}, an index of the model's table; got {value:g}.")
        fault = "beyond what this model's float32 sums can hold" if np.isfinite(value) else "not a number that can enter the state"
        return InputError(
            f"{where} is {value:g}, {fault}. The state is as it was; repair the sample, or choose nan_policy='hold' or 'reset'."
        )

    def _names(self) -> tuple[str, ...]:
        return self._about().input_names
