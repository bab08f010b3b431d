"""Bach's chorales in four voices, from music21's corpus, as symbols: those that the network learned from, and those held back.

Time goes in eighths. In each, soprano, alto, tenor and bass have one symbol, in this order: a pitch that is struck (``S67``, by its MIDI
number), a pitch that sounds on (``S~``), or silence (``S.``). What moves within an eighth is left out, and repeats are not played twice.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

#: The package whose corpus holds the chorales, and the version that the network learned from.
PACKAGE = "music21==10.5.1"

#: SHA-256 of all chorales of that version, in the order that `read` gives them.
SHA256 = "b2aea435381266a425eba87c382de1f0c07be99a447a4831978f92abe4b6d783"

VOICES = "SATB"

#: The names of the voices in the scores.
PARTS = ("Soprano", "Alto", "Tenor", "Bass")

#: Lowest and highest pitch of each voice, by MIDI number.
RANGES = ((57, 81), (50, 76), (45, 71), (33, 64))

#: In place of a pitch: it sounds on; nothing sounds.
ON, SILENT = -1, 0

#: The symbol that stands before and behind a chorale, and all of them.
END = "<end>"
SYMBOLS = [
    END,
    *(f"{voice}{what}" for voice, (low, high) in zip(VOICES, RANGES, strict=True) for what in ("~", ".", *range(low, high + 1))),
]
INDEX = {symbol: index for index, symbol in enumerate(SYMBOLS)}

#: Eighths in a quarter note.
GRID = 2

#: Intervals of the soprano by which tunes are told apart.
TUNE = 8

SEED = 5

#: A chorale, (eighths, 4): pitches that are struck, `ON` or `SILENT`.
Chorale = NDArray[np.int64]

Element = ElementTree.Element


def folder() -> Path:
    """Where the package keeps them; its code is not run."""
    try:
        return Path(str(metadata.distribution("music21").locate_file("music21/corpus/bach")))
    except metadata.PackageNotFoundError:
        raise SystemExit(f"the chorales are not installed. Run: pip install --no-deps {PACKAGE}") from None


def read(place: Path) -> list[Chorale]:
    """Every score of four voices within `RANGES`, each once, in the order of their names."""
    found = {}
    for path in sorted(place.glob("bwv*.mxl")):
        chorale = grid(score(path))
        if chorale is not None:
            found.setdefault(chorale.tobytes(), chorale)
    return list(found.values())


def check(chorales: Iterable[Chorale]) -> None:
    """Refuse other chorales than the network learned from: those held back would be others than it never saw."""
    if digest(chorales) != SHA256:
        raise SystemExit(f"these chorales are not those of {PACKAGE}, which the network learned from.")


def digest(chorales: Iterable[Chorale]) -> str:
    return hashlib.sha256(b"|".join(chorale.astype("<i2").tobytes() for chorale in chorales)).hexdigest()


def score(path: Path) -> Element:
    """The MusicXML of a compressed score."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("xml") and not name.startswith("META-INF"))
        return ElementTree.parse(io.BytesIO(archive.read(name))).getroot()


def grid(root: Element) -> Chorale | None:
    """A score by eighths; None where it has not four voices of one length and within their ranges."""
    names = {part.get("id"): (part.findtext("part-name") or "").strip() for part in root.iter("score-part")}
    parts = {names[part.get("id")]: part for part in root.iter("part")}
    if not set(PARTS) <= set(parts):
        return None
    voices = [_voice(parts[name]) for name in PARTS]
    if any(voice is None for voice in voices) or len({len(voice or ()) for voice in voices}) != 1:
        return None
    chorale = np.array(voices).T
    for column, (low, high) in zip(chorale.T, RANGES, strict=True):
        if not all(low <= pitch <= high for pitch in column if pitch > 0):
            return None
    return chorale if len(chorale) >= 8 * GRID else None


def _voice(part: Element) -> list[int] | None:
    """The symbols of a part, one an eighth; None where it has several voices."""
    notes: list[tuple[float, int]] = []  # when each is struck, in quarters, and its pitch
    at, divisions = 0.0, 1
    for element in part.iter():
        if element.tag == "divisions":
            divisions = int(element.text or 1)
        elif element.tag in ("backup", "forward") or (element.tag == "note" and element.find("chord") is not None):
            return None
        elif element.tag == "note" and element.find("grace") is None:
            if not any(tie.get("type") == "stop" for tie in element.findall("tie")):
                notes.append((at, _pitch(element)))
            at += int(element.findtext("duration") or 0) / divisions
    symbols, last = [], -1
    for eighth in range(round(at * GRID)):
        current = last
        while current + 1 < len(notes) and notes[current + 1][0] <= eighth / GRID + 1e-6:
            current += 1
        symbols.append(notes[current][1] if current != last or notes[current][1] == SILENT else ON)
        last = current
    return symbols


def _pitch(note: Element) -> int:
    pitch = note.find("pitch")
    if pitch is None:
        return SILENT
    step, octave, alter = (pitch.findtext(name) for name in ("step", "octave", "alter"))
    return 12 * (int(octave or 4) + 1) + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step or "C"] + round(float(alter or 0))


def tune(chorale: Chorale) -> tuple[int, ...]:
    """The first intervals of the soprano."""
    struck = chorale[chorale[:, 0] > 0, 0]
    return tuple(np.diff(struck[: TUNE + 1]).tolist())


def parted(chorales: Sequence[Chorale]) -> tuple[list[Chorale], list[Chorale]]:
    """Those to train with, and those held back: a tenth of the tunes, drawn by a seed. No tune is in both."""
    tunes = sorted({tune(chorale) for chorale in chorales})
    order = np.random.default_rng(SEED).permutation(len(tunes))
    held = {tunes[k] for k in order[: len(tunes) // 10]}
    return [c for c in chorales if tune(c) not in held], [c for c in chorales if tune(c) in held]


def indices(chorale: Chorale) -> NDArray[np.int64]:
    """A chorale as the network reads it, between two ends: (1 + 4 eighths + 1,)."""
    marks = {ON: "~", SILENT: "."}
    symbols = [f"{voice}{marks.get(pitch, pitch)}" for row in chorale.tolist() for voice, pitch in zip(VOICES, row, strict=True)]
    return np.array([0, *map(INDEX.__getitem__, symbols), 0])


def chorale_of(tokens: Iterable[int]) -> Chorale:
    """The other way, as far as the voices stand in their order."""
    marks = {"~": ON, ".": SILENT}
    pitches = []
    for place, index in enumerate(tokens):
        symbol = SYMBOLS[index]
        if symbol[0] != VOICES[place % 4]:
            break
        pitches.append(marks[symbol[1:]] if symbol[1:] in marks else int(symbol[1:]))
    return np.array(pitches[: len(pitches) // 4 * 4]).reshape(-1, 4)


def sounding(chorale: Chorale) -> Chorale:
    """What sounds in each eighth, struck or not: pitches, or `SILENT`. (eighths, 4)."""
    heard = chorale.copy()
    heard[0, heard[0] == ON] = SILENT
    for row in range(1, len(heard)):
        heard[row] = np.where(heard[row] == ON, heard[row - 1], heard[row])
    return heard
