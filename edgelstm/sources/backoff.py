"""How long to wait before trying again."""

import random


class BackOff:
    """Waits that double from `first` to `most` seconds, each shortened by up to a quarter at random.

    Parameters
    ----------
    first, most : float
        Seconds.
    """

    def __init__(self, first: float = 0.05, most: float = 5.0) -> None:
        self._first, self._most = first, most
        self._next = first

    def seconds(self) -> float:
        """The next wait."""
        wait, self._next = self._next, min(2 * self._next, self._most)
        return wait * random.uniform(0.75, 1.0)

    @property
    def fresh(self) -> bool:
        """Whether no wait was given since the last success."""
        return self._next == self._first

    def reset(self) -> None:
        """Begin anew: an attempt succeeded."""
        self._next = self._first
