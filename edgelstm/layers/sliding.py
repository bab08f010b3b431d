"""What layers over a window of the last rows share: how far it reaches, and when an answer is due."""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

from ..errors import ShapeError, UnsupportedModelError, printable
from .record import MAX_SIZE, Layer

#: What may stand around a recording. ``"causal"``: zeros before the first row, as many as the window reaches back. ``"valid"``: nothing.
#: ``"same"``: zeros on both sides, so that there is an answer to every `stride`-th row; of an odd number one more behind the last row
#: (TensorFlow, torch and ONNX's SAME_UPPER), or before the first (``"same_lower"``).
PADDINGS = ("causal", "valid", "same", "same_lower")

#: When a causal window that moves on by several rows answers: at the first of them, or at the last.
ALIGNMENTS = ("first", "last")


#: Most values of earlier rows that a layer keeps.
MAX_HISTORY = 1 << 20


class Sliding(Layer):
    """A layer whose answer depends on the last rows that it has read: a window that moves on by `stride` rows an answer.

    A kind says how many `taps` its window has, and how many rows lie from one to the next (`spacing`). It answers when the window is full.
    """

    stride: int

    @property
    def taps(self) -> int:
        """Rows that an answer reads."""
        raise UnsupportedModelError(f"{self.label}: layers of type {type(self).__name__} do not say how many rows an answer reads.")

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

    def output_shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        if (kept := self.history * sum(map(prod, shapes))) > MAX_HISTORY:
            raise ShapeError(f"{self.label} keeps {kept} values of earlier rows; more than {MAX_HISTORY} are not supported.")
        return super().output_shape(shapes)

    def _check_counts(self, *names: str) -> None:
        """Take fields for whole numbers from 1 on, or refuse them."""
        for name in names:
            self._set(name, counted(self.label, name, getattr(self, name)))
        if self.history >= MAX_SIZE:
            raise ShapeError(f"{self.label} reaches back {self.history} rows; more than {MAX_SIZE} are not supported.")


class Padded(Sliding):
    """One with zeros, or what its kind says, around the recording: `padding` is one of `PADDINGS`, or so many rows before it and behind it.

    Padding behind the last row, and as many before the first as the recording's length says, are for whole recordings alone.
    """

    padding: str | Sequence[int]
    align: str
    #: What stands in the rows of padding.
    fill: ClassVar[float] = 0.0

    def pads(self, rows: int) -> tuple[int, int]:
        """Rows of zeros before a recording of so many rows, and behind it; less than none: so many rows are passed over."""
        if not isinstance(self.padding, str):
            left, right = self.padding
            return left, right
        if self.padding in ("valid", "causal"):
            return self.receptive_field - self.rate[1], 0
        total = max((-(-rows // self.stride) - 1) * self.stride + self.receptive_field - rows, 0)
        less = total // 2
        return (less, total - less) if self.padding == "same" else (total - less, less)

    @property
    def rate(self) -> tuple[int, int]:
        if not isinstance(self.padding, str):
            return self.stride, self.receptive_field - sum(self.padding)
        if self.padding == "valid":
            return self.stride, self.receptive_field
        return self.stride, self.stride if (self.padding, self.align) == ("causal", "last") else 1

    @property
    def whole(self) -> bool:
        if not isinstance(self.padding, str):
            return self.padding[1] > 0
        return self.padding.startswith("same") and self.receptive_field > 1

    def _check_padding(self) -> None:
        if not isinstance(self.padding, str) and isinstance(self.padding, Sequence):
            pair = [value.__index__() if hasattr(value, "__index__") else -1 for value in self.padding]
            if len(pair) != 2 or min(pair) < 0 or sum(pair) >= self.receptive_field:
                raise ShapeError(
                    f"{self.label}: padding must be rows before and behind the recording, fewer than the {self.receptive_field} that the "
                    f"window spans; got {printable(repr(self.padding), 60)}."
                )
            self._set("padding", pair)
        for name, words in (("padding", PADDINGS), ("align", ALIGNMENTS)):
            if (word := getattr(self, name)) not in words and not isinstance(word, list):
                raise UnsupportedModelError(f"{self.label}: {name} must be one of {', '.join(words)}; got {printable(repr(word), 60)}.")


def counted(owner: str, name: str, value: Any) -> int:
    """`value` as a whole number from 1 on, or refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value.__index__() <= MAX_SIZE:
        raise ShapeError(f"{owner}: {name} must be a whole number from 1 to {MAX_SIZE}; got {printable(repr(value), 60)}.")
    return int(value)
