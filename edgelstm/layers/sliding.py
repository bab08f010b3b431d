"""What layers over a window of the last rows share: how far it reaches, and when an answer is due."""

from collections.abc import Sequence
from operator import index
from typing import Any

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import MAX_SIZE, Layer

#: What may stand before the first row: zeros, so that an answer is due before the window is full, or nothing.
PADDINGS = ("causal", "valid", "same")

#: When a window that moves on by several rows answers, where zeros stand before the first row: at the first of them, or at the last.
ALIGNMENTS = ("first", "last")


class Sliding(Layer):
    """A layer whose answer depends on the last rows that it has read: a window that moves on by `stride` rows an answer.

    A kind says how many `taps` its window has, and how many rows lie from one to the next (`spacing`). It answers when the window is full.
    """

    stride: int

    @property
    def taps(self) -> int:
        """Rows that an answer reads."""
        raise NotImplementedError

    @property
    def spacing(self) -> int:
        """Rows from one of them to the next."""
        return 1

    @property
    def history(self) -> int:
        """Rows before the present one that an answer reaches back."""
        return self.spacing * (self.taps - 1)

    @property
    def receptive_field(self) -> int:
        return self.history + 1

    @property
    def rate(self) -> tuple[int, int]:
        return self.stride, self.receptive_field

    def _check_counts(self, *names: str) -> None:
        """Take fields for whole numbers from 1 on, or refuse them."""
        for name in names:
            self._set(name, counted(self.label, name, getattr(self, name)))
        if self.history >= MAX_SIZE:
            raise ShapeError(f"{self.label} reaches back {self.history} rows; more than {MAX_SIZE} are not supported.")


class Padded(Sliding):
    """One that may answer before its window is full: `padding` ``"causal"`` has zeros before the first row, ``"valid"`` has not.

    ``"same"`` has half of a window less one before it, and the rest behind the last row; a pair says how many rows of zeros stand before
    and behind. What stands behind is known when the recording is whole: such a layer cannot step.
    """

    padding: str | Sequence[int]
    align: str

    @property
    def zeros(self) -> tuple[int, int]:
        """Rows of zeros before the first row of a recording and behind its last."""
        if isinstance(self.padding, str):
            half = self.history // 2
            return {"causal": (self.history, 0), "valid": (0, 0), "same": (half, self.history - half)}[self.padding]
        return self.padding[0], self.padding[1]

    @property
    def tail(self) -> int:
        return self.zeros[1]

    @property
    def rate(self) -> tuple[int, int]:
        if self.padding == "causal" and self.align == "last":
            return self.stride, self.stride
        return self.stride, self.receptive_field - self.zeros[0]

    def _check_padding(self) -> None:
        if not isinstance(self.padding, str):
            self._set("padding", self._pair())
        if self.padding == "same" and self.stride > 1:
            raise UnsupportedModelError(
                f"{self.label}: with padding 'same' and stride {self.stride}, the zeros depend on a recording's length; say how many stand "
                "before and behind, as a pair."
            )
        for name, words in (("padding", PADDINGS), ("align", ALIGNMENTS)):
            if isinstance(word := getattr(self, name), str) and word not in words:
                raise UnsupportedModelError(f"{self.label}: {name} must be one of {', '.join(words)}; got {printable(repr(word), 60)}.")

    def _pair(self) -> list[int]:
        """`padding` as two whole numbers, no more than a window less one together."""
        given: Any = self.padding
        try:
            before, behind = map(index, given)
        except (TypeError, ValueError):
            before, behind = -1, -1
        if min(before, behind) < 0 or before + behind > self.history:
            raise UnsupportedModelError(
                f"{self.label}: padding must be one of {', '.join(PADDINGS)}, or two numbers of rows, before and behind, that are "
                f"{self.history} together at most; got {printable(repr(self.padding), 60)}."
            )
        return [before, behind]


def counted(owner: str, name: str, value: Any) -> int:
    """`value` as a whole number from 1 on, or refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value.__index__() <= MAX_SIZE:
        raise ShapeError(f"{owner}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
    return int(value)
