"""Naive ways that networks are measured beside, and the scores of both."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def time_warped(recording: NDArray[np.floating], others: list[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Squared distances by dynamic time warping, all channels together and without a band.

    Parameters
    ----------
    recording : (time, channels)
    others : list of (any time, channels)

    Returns
    -------
    distances : (len(others),) float64

    Notes
    -----
    Sakoe and Chiba (1978), with steps of equal weight.
    """
    lengths = np.array([len(other) for other in others])
    padded = np.zeros((len(others), lengths.max(), recording.shape[1]))  # (others, longest, channels)
    for row, other in zip(padded, others, strict=True):
        row[: len(other)] = other
    before = np.full((len(others), lengths.max() + 1), np.inf)  # sums up to each row of the others
    before[:, 0] = 0
    for sample in recording:
        cost = ((padded - sample) ** 2).sum(axis=2)  # (others, longest)
        now = np.full_like(before, np.inf)
        for at in range(cost.shape[1]):
            now[:, at + 1] = cost[:, at] + np.minimum(np.minimum(before[:, at], before[:, at + 1]), now[:, at])
        before = now
    ends: NDArray[np.float64] = before[np.arange(len(others)), lengths]
    return ends


def average_precision(wanted: ArrayLike, scores: ArrayLike) -> float:
    """The mean, over what is wanted, of the share of wanted among all that score as high or higher; ties count as one step.

    Parameters
    ----------
    wanted : (cases,) bool
    scores : (cases,)
    """
    found, among = _cumulated(wanted, scores)
    return float(np.sum(np.diff(found, prepend=0) * found / among) / found[-1])


def area_under_curve(wanted: ArrayLike, scores: ArrayLike) -> float:
    """The chance that a case that is wanted scores higher than one that is not; a tie counts half.

    Parameters
    ----------
    wanted : (cases,) bool
    scores : (cases,)
    """
    found, among = _cumulated(wanted, scores)
    false = among - found
    between = (found + np.append(0, found[:-1])) / 2
    return float(np.sum(np.diff(false, prepend=0) * between) / (found[-1] * false[-1]))


def _cumulated(wanted: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the highest score down, at each: how many are wanted so far, and how many there are."""
    scores = np.asarray(scores, np.float64)
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(np.asarray(wanted, bool)[order]).astype(np.float64)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each group of equals
    return found[last], last + 1.0
