"""One stream a key: as many as there are keys, each the copy of a stream in its initial state."""

import copy
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import StateError, UsageError

if TYPE_CHECKING:
    from ..stream import Stream


class StreamEach:
    """Streams by name, made when they are first met; see `keyed.Streams`.

    Parameters
    ----------
    stream : Stream
        In its initial state; it is copied, never stepped.
    capacity : int
        Most streams.

    Raises
    ------
    UsageError
        If the model does not answer at every step.
    """

    def __init__(self, stream: "Stream", capacity: int = 100_000) -> None:
        if stream.program.reads_recordings or not stream.program.sizes.each_step:
            raise UsageError("streams by key need a model that answers at every step; this one answers more seldom.")
        self._first, self._capacity = stream, capacity
        self._streams: dict[str, Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def _of(self, key: str) -> "Stream":
        if key not in self._streams:
            if len(self._streams) >= self._capacity:
                raise UsageError(f"there are {self._capacity} streams already, and {key[:40]!r} is a further one.")
            self._streams[key] = copy.copy(self._first)
        return self._streams[key]

    @property
    def bad_inputs(self) -> int:
        """Samples that the NaN policy acted upon."""
        return sum(stream.bad_inputs for stream in self._streams.values())

    def step_many(self, keys: Sequence[str], xs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Step the stream of each key with its row of xs (n, input_size): (n, output_size)."""
        answers = np.empty((len(keys), self._first.output_size), np.float32)
        for i, key in enumerate(keys):
            answers[i] = self._of(key).step(xs[i]).reshape(-1)
        return answers

    def snapshot(self) -> bytes:
        """The states of all streams."""
        parts = []
        for key, stream in self._streams.items():
            name, blob = key.encode(), stream.snapshot()
            parts += [struct.pack("<II", len(name), len(blob)), name, blob]
        return b"".join(parts)

    def restore(self, blob: bytes) -> None:
        """Take up the states of `snapshot`.

        Raises
        ------
        StateError
            If one is damaged or of another model.
        """
        start, streams = 0, {}
        while start < len(blob):
            if start + 8 > len(blob):
                raise StateError("the states are cut short; take others, or start anew.")
            name, size = struct.unpack_from("<II", blob, start)
            key = blob[start + 8 : start + 8 + name].decode("utf-8", "replace")
            streams[key] = copy.copy(self._first)
            streams[key].restore(blob[start + 8 + name : start + 8 + name + size])
            start += 8 + name + size
        self._streams = streams
