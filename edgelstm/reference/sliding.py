"""What twins of layers over a window of the last rows share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers.sliding import Padded, Sliding
from .functions import Rows, State, Twin, Vector


def _padding(layer: Sliding, rows: int, width: int) -> Rows:
    return np.full((rows, width), layer.fill if isinstance(layer, Padded) else 0.0)


def sliding(answer: Callable[[Any, Vector], Vector]) -> Twin:
    """The twin of a layer over a window: ``answer(layer, rows) -> y``, rows (taps, input_size), the oldest first.

    Stepped, it keeps the rows that are still needed, (rows, input_size), zeros before the first, and how many were read, (1,).
    """

    def step(layer: Sliding, xs: list[Vector], state: State) -> tuple[Vector | None, State]:
        x = np.concatenate(xs)
        past = state[0] if state[0].size else _padding(layer, layer.history, x.size)
        rows, read = np.concatenate([past, x[None]]), state[1] + 1
        stride, first = layer.rate
        due = read[0] >= first and (read[0] - first) % stride == 0
        return answer(layer, rows[:: layer.spacing]) if due else None, (rows[1:], read)

    def whole(layer: Sliding, xs: list[Rows]) -> Rows:
        x = np.concatenate(xs, axis=1)
        left, right = layer.pads(len(x)) if isinstance(layer, Padded) else (0, 0)
        width = x.shape[1]
        padded = np.concatenate([_padding(layer, max(left, 0), width), x[max(-left, 0) :], _padding(layer, right, width)])
        begins = range(0, len(padded) - layer.history, layer.stride)
        answers = [answer(layer, padded[t : t + layer.receptive_field : layer.spacing]) for t in begins]
        return np.array(answers).reshape(len(answers), layer.output_size([width]))

    return Twin(step, lambda layer: (np.zeros((0, 0)), np.zeros(1)), whole)
