"""Records of the layers that look at a recording as a whole: its ends, its order, its padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import UsageError, printable
from .record import Layer

#: The rows that `Last` can take.
ENDS = ("last", "first")

#: Most rows that `Repeat` gives where it states their number.
MOST_REPEATED = 4096


@dataclass(eq=False, repr=False)
class Last(Layer):
    """The rows at the end of a recording, one of each input, side by side: what a sequence-to-one network answers from.

    A layer that reads forwards has seen all samples at the recording's last row, a layer with ``reverse=True`` at its first.

    Parameters
    ----------
    ends : sequence of {"last", "first"}, optional
        Which row of each input, in the order of `inputs`. The last ones where absent.
    """

    kind: ClassVar[str] = "last"
    channelwise: ClassVar[bool] = True
    ends: Sequence[str] = ()

    def _check(self) -> None:
        ends = (self.ends,) if isinstance(self.ends, str) else tuple(self.ends)
        if wrong := [end for end in ends if end not in ENDS]:
            raise UsageError(f"{self.label}: ends must be of {', '.join(ENDS)}; got {printable(repr(wrong[0]), 60)}.")
        count = max(1, len(self.inputs))
        self._set("ends", ends or ("last",) * count)
        if len(self.ends) != count:
            raise UsageError(f"{self.label}: ends must name one row for each of {count} inputs; got {len(self.ends)}.")

    @property
    def whole(self) -> bool:
        return True

    @property
    def answers(self) -> int | None:
        return 1

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Repeat(Layer):
    """The last row of a recording, again and again: what the decoder of an autoencoder reads (Keras: ``RepeatVector``).

    Parameters
    ----------
    rows : int, optional
        How many rows it gives, up to 4096. Where absent, one at each sample of the recording.
    """

    kind: ClassVar[str] = "repeat"
    channelwise: ClassVar[bool] = True
    rows: int | None = None

    def _check(self) -> None:
        rows = self.rows
        if rows is not None and (type(rows) is not int or not 1 <= rows <= MOST_REPEATED):
            told = printable(repr(rows), 60)
            raise UsageError(f"{self.label}: rows must be a whole number from 1 to {MOST_REPEATED}, or None; got {told}.")

    @property
    def whole(self) -> bool:
        return True

    @property
    def answers(self) -> int | None:
        return self.rows or 0

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Reverse(Layer):
    """The rows of a recording in the opposite order, the last one first."""

    kind: ClassVar[str] = "reverse"
    channelwise: ClassVar[bool] = True

    @property
    def whole(self) -> bool:
        return True

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class Mask(Layer):
    """1 where a sample counts, 0 where it is padding: all its values equal `value`.

    Recurrent layers with a `mask` read it as their last input (Keras: ``Masking``, ``Embedding(mask_zero=True)``).

    Parameters
    ----------
    value : float
    """

    kind: ClassVar[str] = "mask"
    takes_any: ClassVar[bool] = True
    value: float = 0.0

    def _check(self) -> None:
        with np.errstate(over="ignore"):
            sound = isinstance(self.value, float | int) and not isinstance(self.value, bool) and np.isfinite(np.float32(self.value))
        if not sound:
            raise UsageError(f"{self.label}: value must be a finite number; got {printable(repr(self.value), 60)}.")
        self._set("value", float(self.value))

    @property
    def within_one(self) -> bool:
        return True

    def output_size(self, sizes: Sequence[int]) -> int:
        return 1
