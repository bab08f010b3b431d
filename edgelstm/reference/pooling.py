"""Twins of pooling along time."""

import numpy as np

from .functions import State, Twin, Vector
from .sliding import sliding


def largest(_layer: object, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the largest values so far, of each channel; none before the first step."""
    x = np.concatenate(xs)
    y = np.maximum(x, *state) if state else x
    return y, (y,)


def mean(_layer: object, xs: list[Vector], state: State) -> tuple[Vector, State]:
    """One step. state: the sums of all rows so far, and their number (1,); nothing before the first step."""
    total, rows = state or (np.zeros(1), np.zeros(1))
    total, rows = total + np.concatenate(xs), rows + 1
    return total / rows, (total, rows)


TWINS = {
    "max_pool1d": sliding(lambda _layer, rows: rows.max(axis=0)),
    "average_pool1d": sliding(lambda _layer, rows: rows.mean(axis=0)),
    "global_max_pool1d": Twin(largest),
    "global_average_pool1d": Twin(mean),
}
