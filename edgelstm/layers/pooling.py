"""Records of pooling along time: over a window of the last rows, or over all rows so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .record import Layer
from .sliding import Padded


@dataclass(eq=False, repr=False)
class Pool1D(Padded):
    """What pooling over a window has: each channel on its own."""

    size: int
    stride: int = 0
    padding: str | Sequence[int] = "valid"
    align: str = "first"

    def _check(self) -> None:
        self._set("stride", self.stride or self.size)
        self._check_counts("size", "stride")
        self._check_padding()

    @property
    def taps(self) -> int:
        return self.size

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class MaxPool1D(Pool1D):
    """Largest of the last `size` rows, channel by channel.

    Parameters
    ----------
    size : int
        Rows in a window.
    stride : int, optional
        Rows from one answer to the next; default: `size`.
    padding : str or (int, int)
        As `Conv1D` takes it; rows of padding are never the largest.
    align : {"first", "last"}
        As `Conv1D` takes it.
    """

    kind: ClassVar[str] = "max_pool1d"
    fill: ClassVar[float] = -3.4028234663852886e38  # the lowest float32


@dataclass(eq=False, repr=False)
class AveragePool1D(Pool1D):
    """Mean of the last `size` rows, channel by channel.

    Parameters
    ----------
    size : int
        Rows in a window.
    stride : int, optional
        Rows from one answer to the next; default: `size`.
    padding : str or (int, int)
        As `Conv1D` takes it; rows of padding are zeros, and count.
    align : {"first", "last"}
        As `Conv1D` takes it.
    """

    kind: ClassVar[str] = "average_pool1d"


@dataclass(eq=False, repr=False)
class GlobalPool1D(Layer):
    """What pooling over all rows so far has: an answer for each row."""

    @property
    def receptive_field(self) -> int:
        return 0

    def output_size(self, sizes: Sequence[int]) -> int:
        return sum(sizes)


@dataclass(eq=False, repr=False)
class GlobalMaxPool1D(GlobalPool1D):
    """Largest of all rows so far, channel by channel: at the last row, the largest of the recording."""

    kind: ClassVar[str] = "global_max_pool1d"


@dataclass(eq=False, repr=False)
class GlobalAveragePool1D(GlobalPool1D):
    """Mean of all rows so far, channel by channel: at the last row, the mean of the recording."""

    kind: ClassVar[str] = "global_average_pool1d"
