"""A stream whose model is followed by newer ones while it runs: each is warmed, steps beside the old one for a while, and takes over.

At most two models are there at a time: the one that answers, and the one that is to follow it or the one that it followed.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError, UsageError

if TYPE_CHECKING:
    from ..stream import Stream

#: Facts of streams that must be the same, since answers are written in one form and samples read in one.
_SHARED = ("input_size", "input_shape", "input_names", "output_shape", "labels", "every", "first")


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


class Succession:
    """What runners step: the stream of the model that answers now.

    Parameters
    ----------
    stream : Stream
        The first.
    shadow : int
        Steps that a follower takes beside the one that answers before it takes over.
    keep_state : bool
        Whether a follower of the same architecture takes over the state; else it begins with the recent samples alone.
    recent : int
        Samples kept to warm a follower with.
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
        Each is given the stream that answers from now on.
    """

    def __init__(
        self, stream: "Stream", *, shadow: int, keep_state: bool, recent: int, say: Callable[[str], None], number: int = -1
    ) -> None:
        self._stream, self._shadow, self._keep_state, self._say = stream, shadow, keep_state, say
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=recent)
        self._follower: Stream | None = None
        self._follows = self._former = -1
        self._before: Stream | None = None
        self._stepped = self._trusted = 0
        self.number, self.swaps, self.refused = number, 0, set[int]()
        self.on_swap: list[Callable[[Stream], Any]] = []
        self._bad = self._steps = 0

    @property
    def stream(self) -> "Stream":
        """The one that answers."""
        return self._stream

    @property
    def busy(self) -> bool:
        """Whether a follower steps beside it."""
        return self._follower is not None

    def offer(self, number: int, follower: "Stream") -> bool:
        """Let a model step beside the one that answers, and take over in time; the one before is let go. False if it does not fit."""
        odd = [name for name in _SHARED if getattr(follower, name) != getattr(self._stream, name)]
        if odd or not self._warmed(follower):
            self.refused.add(number)
            why = f"its {odd[0].replace('_', ' ')} is another" if odd else "it refuses samples that the present one took"
            self._say(f"model {number} is not taken: {why}. Model {self.number} goes on.")
            return False
        self._before, self._follower, self._follows, self._stepped = None, follower, number, 0
        return True

    def _warmed(self, stream: "Stream") -> bool:
        """Put a stream into the state that the recent samples lead to."""
        stream.reset()
        try:
            if self._recent:
                stream.process(np.array(self._recent))
        except EdgeLSTMError:
            return False
        return True

    def process(self, xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Stream.process`; a follower that is due takes over behind it."""
        answers = self._stream.process(xs)
        self._recent.extend(xs.reshape(len(xs), -1))
        self._beside(xs, answers)
        return answers

    def step(self, x: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """As `Stream.step`, with a copy for an answer."""
        answer = self._stream.step(x)
        answer = None if answer is None else answer.copy()
        self._recent.append(np.array(x, np.float32).reshape(-1))
        self._beside(np.asarray(x, np.float32).reshape(1, -1), np.empty(0, np.float32) if answer is None else answer)
        return answer

    def _beside(self, xs: NDArray[np.float32], answers: NDArray[np.float32]) -> None:
        if self._trusted > 0:
            self._trusted -= len(xs)
            if not np.isfinite(answers).all() and np.isfinite(xs).all():
                self.roll_back("it answered what is no number")
                return
        if self._follower is None:
            return
        try:
            sound = bool(np.isfinite(self._follower.process(xs)).all()) or not np.isfinite(answers).all()
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
        follower, old = self._follower, self._stream
        assert follower is not None
        kept = self._keep_state and same_architecture(old, follower)
        if kept:
            follower._arena.state[:] = old._arena.state
        self._account(old, follower)
        self._before, self._former, self._stream, self._follower = old, self.number, follower, None
        self.number, self._trusted = self._follows, self._shadow
        self.swaps += 1
        self._say(f"model {self.number} answers from now on, with {'the state of the one before' if kept else 'the recent samples read'}.")
        self._told()

    def roll_back(self, why: str) -> bool:
        """Let the model before answer again. False where there is none."""
        if self._before is None:
            return False
        bad, self._stream, self._before = self._stream, self._before, None
        self._warmed(self._stream)
        self._account(bad, self._stream)
        self._say(f"model {self.number} is taken back: {why}. Model {self._former} answers again.")
        self.refused.add(self.number)
        self.number, self._trusted = self._former, 0
        self._told()
        return True

    def _account(self, old: "Stream", new: "Stream") -> None:
        """Let the counters go on from where the old one's stand."""
        self._bad += old.bad_inputs - new.bad_inputs
        self._steps += old.steps - new.steps

    def _told(self) -> None:
        for call in self.on_swap:
            call(self._stream)

    @property
    def bad_inputs(self) -> int:
        """Samples that the NaN policy acted upon, whichever model answered."""
        return self._stream.bad_inputs + self._bad

    @property
    def steps(self) -> int:
        """Steps taken since the initial state."""
        return self._stream.steps + self._steps

    def reset(self) -> None:
        """Go back to the initial state, and forget the samples before."""
        self._recent.clear()
        self._steps = 0
        self._stream.reset()
        if self._follower is not None:
            self._follower.reset()

    def snapshot(self) -> bytes:
        """The state of the model that answers."""
        return self._stream.snapshot()

    def restore(self, blob: bytes) -> None:
        """Take up a state of the model that answers."""
        self._stream.restore(blob)

    def __getattr__(self, name: str) -> Any:
        """Sizes, names and the program are those of the stream that answers."""
        return getattr(self._stream, name)
