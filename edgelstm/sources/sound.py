"""Sound becomes samples of a model: a frame for each of its channels, or a run of frames for each step."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..runners.rows import Inputs


class Framing:
    """Cuts sound into samples.

    Where a model takes as many values as the sound has channels, each frame is a sample. Where the sound has one channel, each sample is
    the next input_size frames; what is left at the end is no whole sample and is left out.

    Parameters
    ----------
    channels, rate : int
        Of the sound; frames a second.
    model : Model or Stream
    rate_hz : float or None
        Samples a second that the model was trained at.
    name : str
        What errors call the sound.

    Raises
    ------
    UsageError
        If the channels do not fit, or the model was trained at another rate.
    """

    def __init__(self, channels: int, rate: int, model: Inputs, rate_hz: float | None, name: str) -> None:
        size = model.input_size
        if channels not in (1, size):
            raise UsageError(f"{name} has {channels} channels; the model takes {size} values a sample: give one channel, or {size}.")
        self.frames = 1 if channels == size else size
        self._width = size
        self._left = np.empty((0,), np.float32)
        if rate_hz is not None and not np.isclose(rate / self.frames, rate_hz, rtol=1e-3):
            each = f" of {self.frames} frames" if self.frames > 1 else ""
            raise UsageError(
                f"{name} has {rate} frames a second, which are {rate / self.frames:g} samples{each}; the model was trained at {rate_hz:g}: "
                f"resample to {round(rate_hz * self.frames)}."
            )

    def cut(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples that frames (count, channels) complete: (count, input_size)."""
        flat = np.concatenate([self._left, sound.reshape(-1)])
        whole = len(flat) - len(flat) % self._width
        self._left = flat[whole:]
        return flat[:whole].reshape(-1, self._width)

    def cut_all(self, sound: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """`cut` of each block."""
        return map(self.cut, sound)
