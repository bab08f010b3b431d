"""A guitar made of delays; and the filter, and the curve without memory, that come nearest to a pedal."""

import numpy as np
from numpy.typing import NDArray

#: Samples a second, which the pedal's network needs.
RATE = 48_000

#: The strings' lowest pitches in hertz, and the fret on each for the chords that are played; None is a string that is left.
STRINGS = (82.41, 110.0, 146.83, 196.0, 246.94, 329.63)
CHORDS = {
    "Em": (0, 2, 2, 0, 0, 0),
    "G": (3, 2, 0, 0, 0, 3),
    "D": (None, None, 0, 2, 3, 2),
    "A5": (None, 0, 2, 2, None, None),
}
PLAYED = ("Em", "G", "D", "A5")

#: Seconds of a chord, and between two of its strings.
BAR, STRUM = 1.0, 0.018

#: The loudest sample.
PEAK = 0.45

#: Powers that a curve without memory is made of.
POWERS = 9

#: Samples that a filter remembers, its own included.
TAPS = 64

Floats = NDArray[np.floating]


def pluck(hertz: float, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A string that is plucked (Karplus and Strong 1983): noise in a delay whose neighbours are averaged at each turn. (count,)."""
    length = round(RATE / hertz - 0.5)
    ring, sound = rng.uniform(-1, 1, length), np.empty(count)
    for at in range(0, count, length):
        turn = ring[: count - at]
        sound[at : at + length] = turn
        ring = 0.996 * 0.5 * (ring + np.roll(ring, 1))
    return sound


def riff(seed: int = 1) -> NDArray[np.float32]:
    """All chords one behind the other, dry: (time,)."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round((len(PLAYED) + 0.5) * BAR * RATE))
    for bar, name in enumerate(PLAYED):
        for string, (open_hertz, fret) in enumerate(zip(STRINGS, CHORDS[name], strict=True)):
            if fret is not None:
                begin = round((bar * BAR + string * STRUM) * RATE)
                end = min(len(sound), round((bar + 1) * BAR * RATE))
                sound[begin:end] += pluck(open_hertz * 2 ** (fret / 12), end - begin, rng)
    return (PEAK * sound / np.abs(sound).max()).astype(np.float32)


def error_to_signal(answer: Floats, right: Floats) -> float:
    """The energy of the error over that of what is right, in decibels."""
    error = np.asarray(answer, np.float64) - right
    return float(10 * np.log10((error**2).sum() / (np.asarray(right, np.float64) ** 2).sum()))


def best_curve(dry: Floats, right: Floats) -> Floats:
    """The curve without memory that comes nearest to what is right, among sums of powers."""
    return _nearest(np.vander(np.asarray(dry, np.float64), POWERS + 1), right)


def best_filter(dry: Floats, right: Floats) -> Floats:
    """The linear filter of so many samples that comes nearest to what is right."""
    padded = np.concatenate([np.zeros(TAPS - 1), dry])
    return _nearest(np.lib.stride_tricks.sliding_window_view(padded, TAPS), right)


def _nearest(columns: Floats, right: Floats) -> Floats:
    """The sum of columns (time, columns), each times a number, that has the least squared error."""
    return columns @ np.linalg.lstsq(columns, np.asarray(right, np.float64), rcond=None)[0]
