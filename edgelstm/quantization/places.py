"""Where a step of calibration data stands, as messages and the report name it."""

from typing import NamedTuple


class Place(NamedTuple):
    """Where a window begins.

    Parameters
    ----------
    name : str
        Of the file, or of the array or window in it.
    line : int, optional
        Line of the window's first step, from 1, where the file has lines; each step has the next one.
    step : int, optional
        Number of the window's first step in what `name` names.
    """

    name: str
    line: int | None = None
    step: int = 0

    def at(self, step: int) -> str:
        """A step of the window, counted from 0."""
        return f"{self.name}, step {self.step + step}" if self.line is None else f"{self.name}, line {self.line + step}"

    def later(self, steps: int) -> "Place":
        """The place so many steps on."""
        return self._replace(line=None if self.line is None else self.line + steps, step=self.step + steps)


def channel(index: int, names: tuple[str, ...]) -> str:
    """How messages call an input of the model."""
    return f"channel {index}" + (f" ({names[index]})" if names else "")
