"""What twins of layers over a window of the last rows share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers.sliding import Sliding
from .functions import State, Twin, Vector


def sliding(answer: Callable[[Any, Vector], Vector]) -> Twin:
    """The twin of a layer over a window: ``answer(layer, rows) -> y``.

    rows: (taps, input_size), the oldest first, zeros before the first row. The state is the list of all rows that are still needed, and
    how many were read: ((rows, input_size), (1,)).
    """

    def step(layer: Sliding, xs: list[Vector], state: State) -> tuple[Vector | None, State]:
        x = np.concatenate(xs)
        past = state[0] if state[0].size else np.zeros((layer.history, x.size))
        rows, read = np.concatenate([past, x[None]]), state[1] + 1
        stride, first = layer.rate
        due = read[0] >= first and (read[0] - first) % stride == 0
        return answer(layer, rows[:: layer.spacing]) if due else None, (rows[1:], read)

    return Twin(step, lambda layer: (np.zeros((0, 0)), np.zeros(1)))
