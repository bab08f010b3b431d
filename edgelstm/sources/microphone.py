"""``mic:?rate=16000``: sound as it is heard."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from . import Wanted
from .address import Address
from .bounded import BoundedQueue
from .extras import extra
from .numbers import NumberSource, check_no_columns
from .sound import Framing

#: Blocks that wait for the step loop: some seconds of sound.
WAITING = 256


class Microphone(NumberSource):
    """What a microphone hears, from the first `blocks` on.

    Parameters
    ----------
    address : Address
        Its options are ``rate`` (frames a second), ``channels`` and ``device`` (a number or part of a name, as ``python -m sounddevice``
        lists them). Without a rate it is the one that the model was trained at, else 16,000.
    wanted : Wanted
        ``full``: by default a block that nobody has time for lets the oldest go.

    Raises
    ------
    UsageError
        If sounddevice or PortAudio is not installed, or the device does not do what is asked.
    """

    def __init__(self, address: Address, wanted: Wanted) -> None:
        asked = address.settled(rate=0, channels=1, device="")
        check_no_columns(address, wanted.reading)
        super().__init__()
        try:
            self._sounddevice = extra("sounddevice", "sounddevice", "mic:", "audio")
        except OSError:
            raise UsageError("mic: needs the library PortAudio; install it with: apt install libportaudio2") from None
        channels = asked["channels"]
        frames = 1 if channels == wanted.model.input_size else wanted.model.input_size
        rate = asked["rate"] or (round(wanted.rate_hz * frames) if wanted.rate_hz else 16000)
        self._framing = Framing(channels, rate, wanted.model, wanted.rate_hz, address.shown)
        self._heard: BoundedQueue[NDArray[np.float32]] = BoundedQueue(WAITING, wanted.full or "drop-oldest")
        device = int(asked["device"]) if asked["device"].isdecimal() else asked["device"] or None
        try:
            self._line = self._sounddevice.InputStream(
                samplerate=rate, channels=channels, dtype="float32", device=device, callback=self._hear, blocksize=self._framing.frames * 4
            )
        except (ValueError, self._sounddevice.PortAudioError) as problem:
            raise UsageError(f"{address.shown}: no microphone works so ({problem}); python -m sounddevice lists what there is.") from None
        self._overflows = 0

    def _hear(self, sound: Any, frames: int, when: object, status: Any) -> None:
        """Take sound (frames, channels) from PortAudio's thread, which uses the memory again."""
        self._overflows += bool(status.input_overflow)
        self._heard.put(sound.copy())

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Samples (count, input_size), as they are heard."""
        with self._line:
            while sound := self._heard.take(WAITING):
                yield self._framing.cut(np.concatenate(sound))

    def remarks(self) -> Iterator[str]:
        """What went unheard."""
        if self._heard.dropped:
            yield f"{self._heard.dropped} blocks of sound were let go, since the machine did not keep up."
        if self._overflows:
            yield f"the microphone's driver lost sound {self._overflows} times."

    def close(self) -> None:
        """Stop listening."""
        self._heard.close()
        self._line.close()


def open_input(address: Address, wanted: Wanted) -> Microphone:
    """A microphone."""
    return Microphone(address, wanted)
