"""Chorales as files that one can hear: MIDI, and WAV of a plain organ."""

import struct
import wave
from pathlib import Path

import numpy as np
from chorales import GRID, ON, SILENT, Chorale
from numpy.typing import NDArray

#: Samples a second, and eighths a second.
RATE, TEMPO = 22_050, 2.8

#: How loud the multiples of a pitch's frequency are.
PARTIALS = (1.0, 0.5, 0.3, 0.15, 0.08)

#: Seconds in which a note rises and falls.
EDGE = 0.03

#: MIDI: ticks of an eighth, the organ among the instruments, how hard a note is struck.
TICKS, ORGAN, VELOCITY = 240, 19, 80

#: A note: the eighth that it begins in, the one that it ends before, its voice and its pitch.
Note = tuple[int, int, int, int]


def notes(chorale: Chorale) -> list[Note]:
    """What is struck, and how long it sounds, by begin."""
    found = []
    for voice, column in enumerate(chorale.T.tolist()):
        edges = [k for k, symbol in enumerate(column) if symbol != ON] + [len(column)]
        found += [(edges[k], edges[k + 1], voice, column[edges[k]]) for k in range(len(edges) - 1) if column[edges[k]] != SILENT]
    return sorted(found)


def write_midi(path: Path, chorale: Chorale) -> None:
    """A standard MIDI file of one track, each voice on a channel of its own."""
    events = [(0, bytes([0xC0 | voice, ORGAN])) for voice in range(4)]
    for begin, end, voice, pitch in notes(chorale):
        events += [(begin * TICKS, bytes([0x90 | voice, pitch, VELOCITY])), (end * TICKS, bytes([0x80 | voice, pitch, 0]))]
    events.sort(key=lambda event: (event[0], event[1][0] & 0xF0))  # at one time, notes end before others begin
    tempo = round(1e6 * GRID / TEMPO)
    track, now = b"\x00\xff\x51\x03" + tempo.to_bytes(3, "big"), 0
    for at, message in events:
        track += _variable(at - now) + message
        now = at
    track += b"\x00\xff\x2f\x00"
    path.write_bytes(struct.pack(">4sIHHH4sI", b"MThd", 6, 0, 1, GRID * TICKS, b"MTrk", len(track)) + track)


def _variable(number: int) -> bytes:
    """A number in groups of seven bits, as MIDI has times."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def samples(chorale: Chorale) -> NDArray[np.float64]:
    """What the organ plays, between -1 and 1: (time,)."""
    played = np.zeros(round((len(chorale) + 1) * RATE / TEMPO))
    for begin, end, _, pitch in notes(chorale):
        first, last = (round(eighth * RATE / TEMPO) for eighth in (begin, end))
        seconds = np.arange(last - first) / RATE
        edges = np.minimum(1, np.minimum(seconds, seconds[::-1]) / EDGE)
        turns = 440 * 2 ** ((pitch - 69) / 12) * seconds
        played[first:last] += edges * sum(loud * np.sin(2 * np.pi * k * turns) for k, loud in enumerate(PARTIALS, 1))
    return played / (4 * sum(PARTIALS))


def write_wav(path: Path, chorale: Chorale) -> None:
    """One channel of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.rint(samples(chorale) * 32767).astype("<i2").tobytes())
