"""Anomalies by what a forecaster did not expect: recordings, errors, scores, alarms; and what needs no network."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import edgelstm as el

DATA = Path(__file__).parent / "data"


class Kind(NamedTuple):
    """Of a recording: what the file keeps of a unit, how many samples ahead the forecaster looks, how many the mean of its errors spans."""

    parts: int
    ahead: int
    span: int


#: The recordings by name.
KINDS = {"ecg": Kind(1000, 1, 48), "pressure": Kind(100, 1, 6)}

#: Samples at the beginning in which the state finds the beat, and those that pass after an alarm before there can be another.
SETTLING, HOLD_OFF = 200, 100

Floats = NDArray[np.float64]


class Recording(NamedTuple):
    """A heart's: without anomalies (time,), held back (time,), and begin and end of each anomaly in that, (anomalies, 2)."""

    training: Floats
    held_back: Floats
    anomalies: NDArray[np.int64]

    @property
    def wanted(self) -> NDArray[np.bool_]:
        """Whether a sample held back is in an anomaly: (time,)."""
        at = np.arange(len(self.held_back))[:, None]
        return ((self.anomalies[:, 0] <= at) & (at < self.anomalies[:, 1])).any(axis=1)


def read(name: str) -> Recording:
    with np.load(DATA / "heart.npz") as file:
        parts = KINDS[name].parts
        return Recording(file[f"{name}_training"] / parts, file[f"{name}_held_back"] / parts, file[f"{name}_anomalies"])


def read_choosing() -> Recording:
    """Another electrocardiogram of the same source, with three wrong beats, by which settings are chosen, as if it were held back."""
    with np.load(DATA / "heart.npz") as file:
        parts = KINDS["ecg"].parts
        return Recording(file["ecg_training"] / parts, file["ecg_choosing"] / parts, file["ecg_choosing_anomalies"])


def spoilt(recording: Floats, rng: np.random.Generator) -> Recording:
    """A recording with anomalies put in, by which settings are chosen: noise, a stretch played backwards, one held still."""
    held_back, width = recording.copy(), float(recording.std())
    begins = SETTLING + np.arange(50, len(recording) - SETTLING - 50, 100)
    anomalies = np.stack([begins, begins + rng.integers(10, 30, len(begins))], axis=1)
    for at, (begin, end) in enumerate(anomalies):
        part = recording[begin:end]
        ways = (part + rng.normal(0, width / 4, len(part)), part[::-1], np.full(len(part), part[0]))
        held_back[begin:end] = ways[at % len(ways)]
    return Recording(recording, held_back, anomalies)


def load(name: str) -> el.Model:
    return el.load(DATA / f"{name}.elstm")


def smoothed(squares: Floats, span: int) -> Floats:
    """The mean of the last `span` squares at each sample: (time,)."""
    sums = np.cumsum(np.concatenate([np.zeros(span), squares]))
    return (sums[span:] - sums[:-span]) / span


def errors_of(said: Floats, recording: Floats, kind: Kind) -> Floats:
    """The mean square of the last errors at each sample, zero at first: (time,). `said` is what each sample was answered with."""
    errors = recording - np.roll(said, kind.ahead)
    errors[:SETTLING] = 0
    return smoothed(errors**2, kind.span)


class Detector:
    """A forecaster at work: how much less a sample was expected than those of training."""

    def __init__(self, name: str) -> None:
        self.stream, self.kind = el.Stream(load(name)), KINDS[name]
        training = read(name).training
        self.usual = 1.0
        scores = self.scores(training)[SETTLING:]
        self.usual = float(scores.mean())
        self.threshold = 2 * float(scores.max()) / self.usual

    def scores(self, recording: Floats) -> Floats:
        """Of each sample: the mean square of the last errors, over that of training. (time,)."""
        self.stream.reset()
        said = self.stream.process(recording[:, None].astype(np.float32))[:, 0].astype(np.float64)
        return errors_of(said, recording, self.kind) / self.usual

    def alarms(self, scores: Floats) -> list[int]:
        """Samples at which an alarm goes off: the score is above twice the greatest of training, and none went off shortly before."""
        above = np.flatnonzero(scores > self.threshold)
        return above[np.diff(above, prepend=-HOLD_OFF - 1) > HOLD_OFF].tolist()


def robust(training: Floats, values: Floats) -> Floats:
    """How far values are from the median of training, in its median absolute deviations (times 1.4826): (time,)."""
    middle = np.median(training)
    return np.abs(values - middle) / (1.4826 * np.median(np.abs(training - middle)))
