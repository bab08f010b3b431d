"""Models that follow one another while samples come: each is warmed, steps beside the one before for a while, and takes over.

At most two models are there at a time: the one that answers, and the one that is to follow it or the one that it followed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError, UsageError

if TYPE_CHECKING:
    from ..stream import Stream

#: What a model is at work on: a stream, or the streams of a bank.
One = TypeVar("One")

#: Facts of streams that must be the same, since answers are written in one form and samples read in one.
_SHARED = ("input_size", "input_shape", "input_names", "output_shape", "labels", "thresholds", "every", "first")


def same_architecture(one: "Stream", other: "Stream") -> bool:
    """Whether two models differ in nothing but their weights, so that the state of one has a meaning in the other."""
    try:
        outlines = [
            [
                (layer.kind, layer.name, layer.inputs, layer.options(), [(name, a.shape) for name, a in layer.arrays().items()])
                for layer in stream.model.layers
            ]
            for stream in (one, other)
        ]
    except UsageError:  # a built library does not say
        return False
    return outlines[0] == outlines[1] and one._arena.state.nbytes == other._arena.state.nbytes


class Followers(ABC, Generic[One]):
    """The model that answers now, and the one that is to follow it. A subclass steps.

    Parameters
    ----------
    first : stream or bank
    shadow : int
        Steps that a follower takes beside the one that answers before it takes over.
    keep_state : bool
        Whether a follower of the same architecture takes over the state; else it begins with the recent samples alone.
    say : callable
        Takes a sentence for the user.

    Attributes
    ----------
    number : int
        Of the model that answers, as it was offered; -1 for the first.
    swaps : int
        Followers that took over.
    refused : set of int
        Numbers of those that did not, or were taken back.
    on_swap : list of callable
        Each is given the stream that answers from now on, or one of its model.
    """

    def __init__(self, first: One, *, shadow: int, keep_state: bool, say: Callable[[str], None], number: int) -> None:
        self._now, self._shadow, self._keep_state, self._say = first, shadow, keep_state, say
        self._follower: One | None = None
        self._follows = self._former = -1
        self._before: One | None = None
        self._stepped = self._trusted = 0
        self.number, self.swaps, self.refused = number, 0, set[int]()
        self.on_swap: list[Callable[[Stream], Any]] = []

    @abstractmethod
    def stream_of(self, one: One) -> "Stream":
        """A stream of the model."""

    @abstractmethod
    def _warmed(self, one: One) -> bool:
        """Put it into the state that the recent samples lead to; False if it refuses them."""

    @abstractmethod
    def _take_over(self, old: One, new: One) -> None:
        """Give the state of one to another of the same architecture."""

    @abstractmethod
    def _account(self, old: One, new: One) -> None:
        """Let the counters go on from where the old one's stand."""

    @property
    def busy(self) -> bool:
        """Whether a follower steps beside the one that answers."""
        return self._follower is not None

    def offer(self, number: int, follower: One) -> bool:
        """Let a model step beside the one that answers, and take over in time; the one before is let go. False if it does not fit."""
        now, new = self.stream_of(self._now), self.stream_of(follower)
        odd = [name for name in _SHARED if getattr(new, name) != getattr(now, name)]
        if odd or not self._warmed(follower):
            self.refused.add(number)
            why = f"its {odd[0].replace('_', ' ')} is another" if odd else "it refuses samples that the present one took"
            self._say(f"model {number} is not taken: {why}. Model {self.number} goes on.")
            return False
        self._before, self._follower, self._follows, self._stepped = None, follower, number, 0
        return True

    def _beside(self, xs: NDArray[np.float32], answers: NDArray[np.float32], step: Callable[[One], NDArray[np.float32] | None]) -> None:
        """Let a follower step the samples that were answered; it takes over, or is let go, or the one that answers is."""
        if self._trusted > 0:
            self._trusted -= len(xs)
            if not np.isfinite(answers).all() and np.isfinite(xs).all():
                self.roll_back("it answered what is no number")
                return
        if self._follower is None:
            return
        try:
            answered = step(self._follower)
            sound = answered is None or bool(np.isfinite(answered).all()) or not np.isfinite(answers).all()
            why = "it answered what is no number"
        except EdgeLSTMError as problem:
            sound, why = False, str(problem)
        self._stepped += len(xs)
        if not sound:
            self.refused.add(self._follows)
            self._say(f"model {self._follows} is not taken: beside model {self.number}, {why}")
            self._follower = None
        elif self._stepped >= self._shadow:
            self._swap()

    def _swap(self) -> None:
        follower, old = self._follower, self._now
        assert follower is not None
        kept = self._keep_state and same_architecture(self.stream_of(old), self.stream_of(follower))
        if kept:
            self._take_over(old, follower)
        self._account(old, follower)
        self._before, self._former, self._now, self._follower = old, self.number, follower, None
        self.number, self._trusted = self._follows, self._shadow
        self.swaps += 1
        self._say(f"model {self.number} answers from now on, with {'the state of the one before' if kept else 'the recent samples read'}.")
        self._told()

    def roll_back(self, why: str) -> bool:
        """Let the model before answer again. False where there is none."""
        if self._before is None:
            return False
        bad, self._now, self._before = self._now, self._before, None
        self._warmed(self._now)
        self._account(bad, self._now)
        self._say(f"model {self.number} is taken back: {why}. Model {self._former} answers again.")
        self.refused.add(self.number)
        self.number, self._trusted = self._former, 0
        self._told()
        return True

    def _told(self) -> None:
        for call in self.on_swap:
            call(self.stream_of(self._now))
