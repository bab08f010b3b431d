"""Where a step of calibration data stands, as messages and the report name it."""

from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where a window stands.

    Parameters
    ----------
    name : str
        Of the file, or of the array or window in it.
    lines : sequence of int
        The line of each step, from 1, where the file has lines; else empty.
    step : int, optional
        Number of the window's first step in what `name` names.
    every : int, optional
        Steps from one of the window's to the next.
    """

    name: str
    lines: Sequence[int] = ()
    step: int = 0
    every: int = 1

    def at(self, step: int) -> str:
        """A step of the window, counted from 0."""
        return f"{self.name}, line {self.lines[step]}" if self.lines else f"{self.name}, step {self.step + self.every * step}"

    def later(self, steps: int) -> "Place":
        """The place so many steps on."""
        return self._replace(lines=self.lines[steps:], step=self.step + steps)

    def thinned(self, every: int, first: int) -> "Place":
        """The place of the `first` step, from 1, and every `every` steps after it."""
        return self._replace(lines=self.lines[first - 1 :: every], step=self.step + first - 1, every=every)


def channel(index: int, names: tuple[str, ...]) -> str:
    """How messages call an input of the model."""
    return f"channel {index}" + (f" ({names[index]})" if names else "")
