"""The page of `edgelstm demo --web`: every step is shown, at the pace of the watch."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ..web.feed import Feed
from ..web.page import serve
from .log import say

if TYPE_CHECKING:
    from ..stream import Stream
    from .demo_data import Outcome

#: Recordings whose right answers are counted.
LAST = 200


class PageView:
    """Called after each step, it tells the page and waits for the next sample.

    Parameters
    ----------
    where : str
        ``[HOST:]PORT``.
    stream : Stream
    hz : float
        Samples a second to keep pace with.

    Raises
    ------
    UsageError
        If nothing can be served there.
    """

    def __init__(self, where: str, stream: "Stream", hz: float) -> None:
        self._feed = Feed("edgelstm demo", stream.input_names, stream.labels, labels=True)
        self._outcomes: Sequence[Outcome] = ()
        self._feed.count = self._counted
        self._server, self._hz, self._due = serve(where, self._feed), hz, 0.0

    def _counted(self) -> dict[str, int]:
        ended = [outcome for outcome in self._outcomes[-LAST:] if outcome.finished]
        return {"recordings": len(self._outcomes), f"right of the last {LAST}": sum(outcome.right for outcome in ended)}

    def __enter__(self) -> Self:
        say(f"the page is at {self._server.url}")
        self._due = time.perf_counter()
        return self

    def __exit__(self, *problem: object) -> None:
        self._server.close()

    def __call__(self, outcomes: Sequence["Outcome"], probabilities: NDArray[np.float32]) -> None:
        now = outcomes[-1]
        x = now.recording.samples[len(now.answers) - 1]
        self._outcomes = outcomes
        self._feed.saw((), x.reshape(1, -1), probabilities.reshape(1, -1), now.times[-1])
        self._due += 1 / self._hz
        time.sleep(max(0.0, self._due - time.perf_counter()))
