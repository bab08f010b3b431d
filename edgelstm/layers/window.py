"""The record of a window: the last rows side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .sliding import Padded


@dataclass(eq=False, repr=False)
class Window(Padded):
    """The last rows side by side, the oldest first: what a Dense layer behind reads as one vector.

    With `stride` equal to `steps` and padding ``"valid"``, each row is in one window: flattening (time, features) of fixed-size recordings.

    Parameters
    ----------
    steps : int
        Rows in a window.
    stride : int
        Rows from one answer to the next.
    dilation : int
        Rows from one of the window's rows to the next.
    padding : str or (int, int)
        As `Conv1D` takes it.
    align : {"first", "last"}
        With ``"causal"``: whether answers are due at the first row of each stride, or at the last.
    """

    kind: ClassVar[str] = "window"
    steps: int
    stride: int = 1
    dilation: int = 1
    padding: str | Sequence[int] = "causal"
    align: str = "first"

    def _check(self) -> None:
        self._check_counts("steps", "stride", "dilation")
        self._check_padding()

    @property
    def taps(self) -> int:
        return self.steps

    @property
    def spacing(self) -> int:
        return self.dilation

    def output_size(self, sizes: Sequence[int]) -> int:
        return self.steps * sum(sizes)
