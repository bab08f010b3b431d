"""The chorale network foresees Bach better than counting does, and what it composes is four voices, as MIDI and as sound."""

import wave
import zipfile

import numpy as np
import pytest
from example_modules import EXAMPLES, script

from edgelstm.gallery.result import read

FOLDER = EXAMPLES / "chorales"

#: Four parts of six quarters: a tie over a bar, eighths, a rest, an accidental, notes that move within an eighth.
PARTS = {
    "Soprano": [("C5", 2, ""), ("D5", 1, ""), ("E5", 1, "start"), ("E5", 2, "stop"), ("F#5", 4, ""), ("G5", 2, "")],
    "Alto": [("G4", 8, ""), ("", 2, ""), ("A4", 2, "")],
    "Tenor": [("E4", 1, ""), ("F4", 0.5, ""), ("G4", 0.5, ""), ("E4", 10, "")],
    "Bass": [("C3", 4, ""), ("C3", 4, ""), ("Bb2", 4, "")],
}
REPEATED = 3  # times, so that it is long enough

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ALTERED = {"#": 1, "b": -1}


@pytest.fixture(scope="module")
def run():
    return script("chorales")


@pytest.fixture(scope="module")
def composed(run):
    return run.compose(run.load(), 1)


def xml_of(sign, eighths, tie):
    if not sign:
        return f"<note><rest/><duration>{round(4 * eighths)}</duration></note>"
    alter = f"<alter>{ALTERED[sign[1]]}</alter>" if len(sign) == 3 else ""
    ties = f'<tie type="{tie}"/>' if tie else ""
    pitch = f"<pitch><step>{sign[0]}</step>{alter}<octave>{sign[-1]}</octave></pitch>"
    return f"<note>{pitch}<duration>{round(4 * eighths)}</duration>{ties}</note>"


def score(parts, more=""):
    """A compressed score, whose divisions are eight to a quarter, two notes a bar."""
    listed = "".join(f'<score-part id="P{k}"><part-name>{name}</part-name></score-part>' for k, name in enumerate(parts))
    bodies = ""
    for k, notes in enumerate(parts.values()):
        signs = [xml_of(*note) for note in notes * REPEATED]
        bars = "".join(f"<measure>{''.join(signs[at : at + 2])}</measure>" for at in range(0, len(signs), 2))
        bodies += f'<part id="P{k}"><measure><attributes><divisions>8</divisions></attributes></measure>{bars}{more}</part>'
    return f"<score-partwise><part-list>{listed}</part-list>{bodies}</score-partwise>"


def written(folder, text, name="bwv1.mxl"):
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("score.xml", text)


def test_scores_are_read_by_eighths(run, tmp_path):
    written(tmp_path, score(PARTS))
    written(tmp_path, score(PARTS), "bwv2.mxl")  # the same again
    written(tmp_path, score(PARTS, "<measure><backup/></measure>"), "bwv3.mxl")
    written(tmp_path, score({**PARTS, "Alto": [("C7", 12, "")]}), "bwv4.mxl")
    written(tmp_path, score({name: part for name, part in PARTS.items() if name != "Bass"}), "bwv5.mxl")
    (chorale,) = run.chorales.read(tmp_path)
    on = run.chorales.ON
    first = chorale[:12].T.tolist()
    assert first == [
        [72, on, 74, 76, on, on, 78, on, on, on, 79, on],
        [67, on, on, on, on, on, on, on, 0, 0, 69, on],
        [64, 65, 64, on, on, on, on, on, on, on, on, on],  # the second half of the second eighth is left out
        [48, on, on, on, 48, on, on, on, 46, on, on, on],
    ]
    assert run.chorales.sounding(chorale)[11].tolist() == [79, 69, 64, 46]
    indices = run.chorales.indices(chorale)
    np.testing.assert_array_equal(run.chorales.chorale_of(indices[1:-1]), chorale)
    assert indices[0] == indices[-1] == 0
    with pytest.raises(SystemExit, match="are not those of music21"):
        run.chorales.check([chorale])


def test_the_command_writes_both_files(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "-o", str(tmp_path / "mine")])
    run.main()
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'mine.mid'} and {tmp_path / 'mine.wav'}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.mid", "mine.wav"]


def test_tunes_are_held_back_whole(run):
    draw = np.random.default_rng(0)
    tunes = [np.column_stack([60 + draw.integers(0, 12, 40)] * 4) for _ in range(30)]
    training, held_out = run.chorales.parted([*tunes, *(tune + 2 for tune in tunes)])
    assert len(held_out) == 2 * (30 // 10)
    assert not {run.chorales.tune(one) for one in training} & {run.chorales.tune(one) for one in held_out}


def test_a_composition(run, composed):
    assert run.LEAST <= len(composed) <= run.EIGHTHS
    for column, (low, high) in zip(composed.T, run.chorales.RANGES, strict=True):
        assert all(low <= pitch <= high for pitch in column if pitch > 0)
    np.testing.assert_array_equal(run.compose(run.load(), 1), composed)
    assert run.compose(run.load(), 2).tobytes() != composed.tobytes()
    assert run.chords([composed]) > 0.6


def messages(track):
    """(ticks, message) of all voice messages of a MIDI track."""
    at, now = 0, 0
    while True:
        wait = 0
        while True:
            byte, at = track[at], at + 1
            wait = wait << 7 | byte & 0x7F
            if byte < 0x80:
                break
        now += wait
        if track[at] == 0xFF:
            if track[at + 1] == 0x2F:
                assert track[at + 2 :] == b"\x00"
                return
            at += 3 + track[at + 2]
        else:
            length = 2 if track[at] >> 4 == 0xC else 3
            yield now, track[at : at + length]
            at += length


def test_midi_holds_the_notes(run, composed, tmp_path):
    run.music.write_midi(tmp_path / "it.mid", composed)
    data = (tmp_path / "it.mid").read_bytes()
    assert data[:14] == b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + (2 * run.music.TICKS).to_bytes(2, "big")
    assert data[14:18] == b"MTrk"
    assert int.from_bytes(data[18:22], "big") == len(data) - 22
    found, begun = [], {}
    for ticks, (status, *rest) in messages(data[22:]):
        if status >> 4 == 0x9:
            assert (status & 15, rest[0]) not in begun
            begun[status & 15, rest[0]] = ticks // run.music.TICKS
        elif status >> 4 == 0x8:
            found.append((begun.pop((status & 15, rest[0])), ticks // run.music.TICKS, status & 15, rest[0]))
    assert not begun
    assert sorted(found) == run.music.notes(composed)


def test_the_sound_has_the_pitches_in_its_spectrum(run, composed, tmp_path):
    """Where nothing begins, the four pitches stand out from those between them that are no multiples of others."""
    run.music.write_wav(tmp_path / "it.wav", composed)
    with wave.open(str(tmp_path / "it.wav")) as file:
        rate = file.getframerate()
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert 0.1 < np.abs(heard).max() <= 1
    sounding, length = run.chorales.sounding(composed), round(rate / run.music.TEMPO)
    held = [at for at in range(1, len(composed) - 1) if (composed[at : at + 2] == run.chorales.ON).all() and (sounding[at] > 0).all()][:8]
    assert held
    for at in held:
        part = heard[round(at * rate / run.music.TEMPO) :][: 2 * length]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 8 * len(part)))

        def level(hertz, spectrum=spectrum, part=part):
            return spectrum[round(hertz * 8 * len(part) / rate)]

        pitches = set(sounding[at].tolist())
        multiples = {p + rise for p in pitches for rise in (0, 12, 19, 24, 28)}
        silent = [p for p in range(min(pitches), max(pitches)) if not {p - 1, p, p + 1} & multiples]
        if silent:
            loudest = max(level(440 * 2 ** ((p - 69) / 12)) for p in silent)
            assert min(level(440 * 2 ** ((p - 69) / 12)) for p in pitches) > 5 * loudest


def test_counting(run):
    """Two voices' worth by hand, with Witten and Bell's rule."""
    chorale = np.array([[60, 55, 50, 40], [-1, -1, -1, -1], [62, -1, -1, -1]])
    counts = run.Counts([chorale], 1)
    low, high = run.chorales.RANGES[0]
    alone = (1 + 3 / (high - low + 3)) / (3 + 3)  # one of three symbols of the soprano, of three kinds
    assert counts.probability((0, 60, 0), 62) == pytest.approx((1 + 2 * alone) / (2 + 2))  # behind 60 twice, of two kinds
    assert sum(counts.probability((0, 60, 0), symbol) for symbol in (-1, 0, *range(low, high + 1))) == pytest.approx(1)
    assert run.chords([np.array([[72, 67, 64, 48], [72, 66, 61, 48]])]) == 0.5


def test_bach_is_foreseen(run):
    try:
        run.parts()
    except SystemExit as problem:
        pytest.skip(str(problem))
    result = read(FOLDER)
    assert result.held_back.startswith(f"{len(run.parts()[1])} chorales")
    struck = sum(int((chorale > 0).sum()) for chorale in run.parts()[1])
    assert run.network_nats(run.load(), run.parts()[1]) / struck == pytest.approx(result.figure, abs=1e-3)
    assert result.beaten
