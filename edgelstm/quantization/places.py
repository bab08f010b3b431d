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
    """

    name: str
    lines: Sequence[int] = ()
    step: int = 0

    def at(self, step: int) -> str:
        """A step of the window, counted from 0."""
        return f"{self.name}, line {self.lines[step]}" if self.lines else f"{self.name}, step {self.step + step}"

    def later(self, steps: int) -> "Place":
        """The place so many steps on."""
        return self._replace(lines=self.lines[steps:], step=self.step + steps)


def channel(index: int, names: tuple[str, ...]) -> str:
    """How messages call an input of the model."""
    return f"channel {index}" + (f" ({names[index]})" if names else "")
