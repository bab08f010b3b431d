"""Many streams shared among threads, where a user asks for them: each steps some of the streams of a call, all of their steps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .keyed import Integers
from .states import Floats, Stepper

#: Fewer streams for each thread are not worth waking it.
_FEWEST = 4


class Threads:
    """A `Stepper` of several, one a thread. Started with the first call that is shared; they end with it."""

    def __init__(self, steppers: Sequence[Stepper]) -> None:
        self.stride = steppers[0].stride
        self._steppers, self._pool = steppers, ThreadPoolExecutor(len(steppers), "edgelstm")

    def check(self, x: Floats) -> int:
        return self._steppers[0].check(x)

    def run(self, places: Integers, x: Floats, y: Floats, time: int, checked: bool) -> int:
        """As `Stepper.run`. Where a stream stands twice, its steps follow each other: then one thread takes all."""
        count = len(self._steppers)
        if len(places) < _FEWEST * count or len(np.unique(places)) < len(places):
            return self._steppers[0].run(places, x, y, time, checked)
        if checked and (bad := self.check(x)) < len(x):
            return bad
        ends = [len(places) * k // count for k in range(count + 1)]

        def part(k: int) -> int:
            rows = slice(ends[k] * time, ends[k + 1] * time)
            own = x if len(x) < len(y) else x[rows]
            return self._steppers[k].run(places[ends[k] : ends[k + 1]], own, y[rows], time, False)

        list(self._pool.map(part, range(count)))
        return len(x)
