"""Daily returns of a stock, the parts they are cut into, and naive forecasts of their variance."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DATA = Path(__file__).parent / "data"

#: Returns that train, and those that choose the weights; what follows is held back.
TRAINING, CHOOSING = 5185, 1200

#: Days that a naive forecast begins with.
BEGIN = 60


def read() -> Floats:
    """Logarithmic returns from day to day, in percent: (days - 1,)."""
    with np.load(DATA / "msft.npz") as file:
        return 100 * np.diff(np.log(file["close"] / 1e5))


def features(returns: Floats) -> NDArray[np.float32]:
    """What the network reads of each day: the return and its size, (days, 2)."""
    return np.stack([returns, np.abs(returns)], axis=1).astype(np.float32)


def qlike(returns: Floats, variance: Floats) -> float:
    """The loss of forecasts of variance (Patton 2011), of returns and variances as plain numbers, not in percent."""
    return float(np.mean(np.log(variance * 1e-4) + returns**2 / variance))


def smoothed(returns: Floats, kept: float = 0.94) -> Floats:
    """The exponentially weighted mean of squares up to the day before (RiskMetrics): (days,)."""
    variance = np.empty_like(returns)
    now = float(np.mean(returns[:BEGIN] ** 2))
    for day, x in enumerate(returns):
        variance[day] = now
        now = kept * now + (1 - kept) * x * x
    return variance


def garch(returns: Floats, training: int) -> Floats:
    """GARCH(1,1) (Bollerslev 1986), its two numbers those of a grid with the least loss in training, its mean that of training: (days,)."""
    new, old = (grid.ravel() for grid in np.meshgrid(np.linspace(0.01, 0.2, 20), np.linspace(0.75, 0.985, 48)))
    fits = new + old < 0.9995
    new, old = new[fits], old[fits]
    mean = float(np.mean(returns[:training] ** 2))
    now, variance = np.full(len(new), mean), np.empty((len(returns), len(new)))
    for day, x in enumerate(returns):
        variance[day] = now
        now = mean * (1 - new - old) + new * x * x + old * now
    losses = (np.log(variance[:training]) + returns[:training, None] ** 2 / variance[:training]).mean(axis=0)
    return variance[:, losses.argmin()]
