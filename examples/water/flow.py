"""The flow of water, hour by hour; what is said of later hours; and the scores of that."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"

#: How many hours ahead each forecast is, and the shares of hours that are to lie below its three numbers.
AHEAD, SHARES = (1, 3, 6), (0.1, 0.5, 0.9)

#: Of the series this share is held back, its end.
HELD_BACK = 0.2

#: Below this many litres a second the pipe was shut for work on it; hours near it neither train nor are counted.
SHUT = 99.0

Floats = NDArray[np.float64]


def read() -> Floats:
    """Litres a second: (hours,)."""
    return np.loadtxt(DATA / "flow.csv", delimiter=",", skiprows=1, usecols=1)


def first_held_back(flow: Floats) -> int:
    """The first hour that training never saw."""
    return len(flow) - int(len(flow) * HELD_BACK)


def later(flow: Floats, ahead: int, first: int) -> Floats:
    """Forecasts of the hours from `first` on, as the hour `ahead` hours before each."""
    return flow[first - ahead : -ahead]


def absolute_error(said: Floats, flow: Floats, first: int) -> float:
    """Mean over the hours from `first` on."""
    return float(np.abs(said - flow[first:]).mean())


def within(low: Floats, high: Floats, flow: Floats, first: int) -> float:
    """Percentage of the hours from `first` on that lie between two forecasts."""
    return 100 * float(np.mean((low <= flow[first:]) & (flow[first:] <= high)))
