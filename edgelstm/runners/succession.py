"""A stream whose model is followed by newer ones while it runs."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EdgeLSTMError
from .followers import Followers

if TYPE_CHECKING:
    from ..stream import Stream


class Succession(Followers["Stream"]):
    """What runners step: the stream of the model that answers now.

    Parameters
    ----------
    stream : Stream
        The first.
    shadow, keep_state, say, number
        As of `Followers`.
    recent : int
        Samples kept to warm a follower with.
    """

    def __init__(
        self, stream: "Stream", *, shadow: int, keep_state: bool, recent: int, say: Callable[[str], None], number: int = -1
    ) -> None:
        super().__init__(stream, shadow=shadow, keep_state=keep_state, say=say, number=number)
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=recent)
        self._bad = self._steps = 0

    @property
    def stream(self) -> "Stream":
        """The one that answers."""
        return self._now

    def stream_of(self, one: "Stream") -> "Stream":
        """Itself."""
        return one

    def _warmed(self, one: "Stream") -> bool:
        one.reset()
        try:
            if self._recent:
                one.process(np.array(self._recent))
        except EdgeLSTMError:
            return False
        return True

    def _take_over(self, old: "Stream", new: "Stream") -> None:
        new._arena.state[:] = old._arena.state

    def _account(self, old: "Stream", new: "Stream") -> None:
        self._bad += old.bad_inputs - new.bad_inputs
        self._steps += old.steps - new.steps

    def process(self, xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Stream.process`; a follower that is due takes over behind it."""
        answers = self._now.process(xs)
        self._recent.extend(xs.reshape(len(xs), -1))
        self._beside(xs, answers, lambda follower: follower.process(xs))
        return answers

    def step(self, x: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """As `Stream.step`, with a copy for an answer."""
        answer = self._now.step(x)
        answer = None if answer is None else answer.copy()
        row = np.array(x, np.float32).reshape(1, -1)  # (1, input_size)
        self._recent.append(row[0])
        self._beside(row, np.empty(0, np.float32) if answer is None else answer, lambda follower: follower.process(row))
        return answer

    @property
    def bad_inputs(self) -> int:
        """Samples that the NaN policy acted upon, whichever model answered."""
        return self._now.bad_inputs + self._bad

    @property
    def steps(self) -> int:
        """Steps taken since the initial state."""
        return self._now.steps + self._steps

    def reset(self) -> None:
        """Go back to the initial state, and forget the samples before."""
        self._recent.clear()
        self._steps = 0
        self._now.reset()
        if self._follower is not None:
            self._follower.reset()

    def snapshot(self) -> bytes:
        """The state of the model that answers."""
        return self._now.snapshot()

    def restore(self, blob: bytes) -> None:
        """Take up a state of the model that answers."""
        self._now.restore(blob)

    def __getattr__(self, name: str) -> Any:
        """Sizes, names and the program are those of the stream that answers."""
        return getattr(self._now, name)
