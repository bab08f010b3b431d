"""``wav:file.wav``: the samples of a RIFF WAVE file, as Microsoft's and IBM's "Multimedia Programming Interface and Data
Specifications 1.0" (1991) and RFC 2361 lay it out: whole numbers of 8 to 32 bits, and floats of 32 and 64.
"""

import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from . import Wanted
from .address import Address
from .numbers import NumberSource, check_no_columns
from .sound import Framing

#: Frames read at once.
BLOCK = 1 << 14

#: From so many bytes on a size stands for one that was not known when the header was written, as to a pipe.
UNKNOWN = 0x7FFFF000

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE

#: The type that numbers are read as, by form and bits.
_TYPES = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 24): "u1", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8"}


class WavSource(NumberSource):
    """The samples of a WAVE file, between -1 and 1.

    Parameters
    ----------
    address : Address
        Its path is the file.
    wanted : Wanted

    Raises
    ------
    OSError
        If the file cannot be read.
    InputError
        If it is no WAVE file of numbers.
    UsageError
        If its channels or its rate do not fit the model.
    """

    def __init__(self, address: Address, wanted: Wanted) -> None:
        address.settled()
        check_no_columns(address, wanted.reading)
        super().__init__()
        self._name = address.path
        piped = address.path == "-"
        self._stream = open(sys.stdin.fileno() if piped else address.path, "rb", closefd=not piped)  # noqa: SIM115  closed by close
        try:
            self._form, self._channels, rate, self._bits, self._bytes = _header(self._stream, self._name)
            self._framing = Framing(self._channels, rate, wanted.model, wanted.rate_hz, self._name)
        except BaseException:
            self._stream.close()
            raise

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Samples (count, input_size)."""
        return self._framing.cut_all(self._sound())

    def _sound(self) -> Iterator[NDArray[np.float32]]:
        """Frames (count, channels) between -1 and 1."""
        width = self._channels * self._bits // 8
        left, rest = self._bytes, b""
        while left is None or left >= width:
            most = BLOCK * width - len(rest)
            got = self._stream.read1(most if left is None else min(most, left - left % width - len(rest)))
            if not got and left is not None:
                raise InputError(f"{self._name}: the file ends {left} bytes before its own header says; copy it again, whole.")
            if not got:
                return
            data = rest + got
            rest = data[len(data) - len(data) % width :]
            data = data[: len(data) - len(rest)]
            left = None if left is None else left - len(data)
            if data:
                yield _numbers(data, self._form, self._bits).reshape(-1, self._channels)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def _numbers(data: bytes, form: int, bits: int) -> NDArray[np.float32]:
    """Numbers of one form, scaled to lie between -1 and 1 where they are whole."""
    raw: NDArray[np.generic] = np.frombuffer(data, _TYPES[form, bits])
    if form == _FLOAT:
        return raw.astype(np.float32)
    if bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        raw, bits = wide.view("<i4").reshape(-1), 32
    middle = 128 if bits == 8 else 0
    return ((raw.astype(np.float64) - middle) / (1 << (bits - 1))).astype(np.float32)


def _header(file: BinaryIO, name: str) -> tuple[int, int, int, int, int | None]:
    """The form, channels, frames a second, bits and bytes of the sound, whose first byte is the next of the file.

    Without a number of bytes it goes on to the end: who wrote it did not know, or never came to write it.
    """
    start = file.read(12)
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise InputError(f"{name} is no WAVE file; convert it, for example with ffmpeg -i {name} sound.wav.")
    form: tuple[int, int, int, int] | None = None
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            if form is None:
                raise InputError(f"{name}: the sound comes before its format; write the file anew.")
            unsaid = size >= UNKNOWN or (not size and struct.unpack("<I", start[4:8])[0] in (0, 0xFFFFFFFF))
            return *form, None if unsaid else size
        if kind == b"fmt ":
            form = _format(file.read(min(size + size % 2, 64)), name)
            size = max(0, size + size % 2 - 64)
        _pass(file, size + size % 2)
    raise InputError(f"{name} holds no sound: it has no data chunk.")


def _pass(file: BinaryIO, size: int) -> None:
    """Read over bytes; a pipe cannot be told to go on elsewhere."""
    while size > 0 and (data := file.read(min(size, 1 << 16))):
        size -= len(data)


def _format(chunk: bytes, name: str) -> tuple[int, int, int, int]:
    if len(chunk) < 16:
        raise InputError(f"{name}: its format chunk has {len(chunk)} bytes, not 16 or more; write the file anew.")
    form, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if form == _EXTENSIBLE and len(chunk) >= 26:
        form = struct.unpack_from("<H", chunk, 24)[0]
    if (form, bits) not in _TYPES or not channels or block != channels * bits // 8 or not rate:
        raise InputError(
            f"{name} holds sound of form {form} with {bits} bits in {channels} channels; whole numbers of 8, 16, 24 or 32 bits and floats "
            "of 32 or 64 are read: ffmpeg -i IN -c:a pcm_s16le OUT.wav makes such a file."
        )
    return form, channels, rate, bits


def open_input(address: Address, wanted: Wanted) -> WavSource:
    """The sound of a file."""
    return WavSource(address, wanted)
