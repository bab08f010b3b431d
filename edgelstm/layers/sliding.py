"""What layers over a window of the last rows share: how far it reaches, and when an answer is due."""

from typing import Any

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import MAX_SIZE, Layer

#: What may stand before the first row: zeros, so that an answer is due before the window is full, or nothing.
PADDINGS = ("causal", "valid")

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
    """One that may answer before its window is full: `padding` ``"causal"`` has zeros before the first row, ``"valid"`` has not."""

    padding: str
    align: str

    @property
    def rate(self) -> tuple[int, int]:
        if self.padding == "valid":
            return self.stride, self.receptive_field
        return self.stride, self.stride if self.align == "last" else 1

    def _check_padding(self) -> None:
        for name, words in (("padding", PADDINGS), ("align", ALIGNMENTS)):
            if (word := getattr(self, name)) not in words:
                raise UnsupportedModelError(f"{self.label}: {name} must be one of {', '.join(words)}; got {printable(repr(word), 60)}.")


def counted(owner: str, name: str, value: Any) -> int:
    """`value` as a whole number from 1 on, or refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value.__index__() <= MAX_SIZE:
        raise ShapeError(f"{owner}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
    return int(value)
