"""Compose a chorale as `chorale.mid` and `chorale.wav`; or measure how well chorales that were never seen are foreseen.

``--write`` does the latter, beside what counting reaches; it needs music21, and matplotlib for the picture.

    python examples/chorales/run.py [--seed N] [--temperature T] [-o FILE]
    python examples/chorales/run.py --write
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import chorales
import music
import numpy as np
from chorales import SILENT, Chorale

import edgelstm as el
from edgelstm.gallery import Example, Measure
from edgelstm.gallery.example import print_result

HERE = Path(__file__).parent

#: Fewest and most eighths of a composition; how it is drawn, and how often anew behind an end that comes too early, voices out of order,
#: or silence of all four.
LEAST, EIGHTHS, TEMPERATURE, TRIES = 64, 128, 0.8, 100

#: Compositions whose chords are counted, and the one that is shown.
COMPOSED, SHOWN = 20, 1

#: Chords by their distances in semitones from some tone of theirs: triads and sevenths.
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6, 10), (0, 3, 6, 9))

KNOWN = {frozenset((root + tone) % 12 for tone in chord) for chord in CHORDS for root in range(12)}


def load() -> el.Model:
    """The trained network, with its vocabulary."""
    known = json.loads((HERE / "data" / "vocabulary.json").read_text())
    model = el.load(HERE / "data" / "chorales.pt", layers="embedding, lstm, fc")
    return el.Model(model.layers, vocabulary=el.Vocabulary(**known))


def compose(model: el.Model, seed: int, temperature: float = TEMPERATURE, eighths: int = EIGHTHS) -> Chorale:
    """A chorale of at most so many eighths; another for every seed."""
    stream, chorale = el.Stream(model), chorales.chorale_of([])
    for again in range(TRIES):
        tokens = chorales.indices(chorale)[:-1]
        stream.reset()
        stream.process(tokens[:-1, None].astype(np.float32))
        sample = el.Sampler(temperature=temperature, seed=seed + 1000 * again)
        drawn = el.generate(stream, tokens[-1:].tolist(), 4 * (eighths - len(chorale)), sample=sample, stop=0)
        chorale = chorales.chorale_of([*tokens[1:].tolist(), *drawn])
        paused = np.flatnonzero((chorale == SILENT).all(axis=1))
        chorale = chorale[: paused[0]] if len(paused) else chorale
        if len(chorale) >= min(LEAST, eighths):
            break
    return chorale


def network_nats(model: el.Model, held_out: Sequence[Chorale]) -> float:
    """Of all symbols of all chorales, each from those before it."""
    stream, total = el.Stream(model), 0.0
    for chorale in held_out:
        stream.reset()
        symbols = chorales.indices(chorale)[:-1]  # ends count for nobody
        scores = stream.process(symbols[:-1, None]).astype(np.float64)  # (symbols - 1, vocabulary)
        top = scores.max(axis=1)
        right = scores[np.arange(len(scores)), symbols[1:]]
        total += float((top + np.log(np.exp(scores - top[:, None]).sum(axis=1)) - right).sum())
    return total


class Counts:
    """Symbols of a voice counted behind a context, mixed by Witten and Bell's rule with those behind a shorter one.

    Parameters
    ----------
    training : chorales
    order : int
        What a context is: 0, the voice alone, so that the best guess is that the tone sounds on; 1, its last pitch too; 2, the pitch of
        the voice above too.
    """

    def __init__(self, training: Sequence[Chorale], order: int) -> None:
        self.order = order
        self.after: list[dict[tuple[int, ...], Counter[int]]] = [{} for _ in range(order + 1)]
        for chorale in training:
            for context, symbol in contexts(chorale):
                for length in range(order + 1):
                    self.after[length].setdefault(context[: length + 1], Counter())[symbol] += 1

    def probability(self, context: tuple[int, ...], symbol: int) -> float:
        low, high = chorales.RANGES[context[0]]
        mixed = 1 / (high - low + 3)
        for length in range(self.order + 1):
            if (counter := self.after[length].get(context[: length + 1])) is not None:
                seen, kinds = sum(counter.values()), len(counter)
                mixed = (counter[symbol] + kinds * mixed) / (seen + kinds)
        return mixed

    def nats(self, held_out: Sequence[Chorale]) -> float:
        """As `network_nats`."""
        return -float(sum(np.log(self.probability(*each)) for chorale in held_out for each in contexts(chorale)))

    def compose(self, seed: int, eighths: int = EIGHTHS) -> Chorale:
        """Drawn from the counts."""
        rng, rows, heard = np.random.default_rng(seed), [], [SILENT] * 4
        for _ in range(eighths):
            row: list[int] = []
            for voice, (low, high) in enumerate(chorales.RANGES):
                choices = [chorales.ON, SILENT, *range(low, high + 1)]
                above = heard[voice - 1] if voice else SILENT
                chances = np.array([self.probability((voice, heard[voice], above), choice) for choice in choices])
                symbol = choices[rng.choice(len(choices), p=chances / chances.sum())]
                row.append(symbol)
                heard[voice] = heard[voice] if symbol == chorales.ON else symbol
            rows.append(row)
        return np.array(rows)


def contexts(chorale: Chorale) -> list[tuple[tuple[int, ...], int]]:
    """Each symbol behind its voice, what sounded there last, and what the voice above has just come to."""
    heard = np.vstack([[SILENT] * 4, chorales.sounding(chorale)]).tolist()
    return [
        ((voice, heard[row][voice], heard[row + 1][voice - 1] if voice else SILENT), symbol)
        for row, symbols in enumerate(chorale.tolist())
        for voice, symbol in enumerate(symbols)
    ]


def chords(composed: Sequence[Chorale]) -> float:
    """The share of eighths in which four voices sound a triad or a seventh chord, whole or but for its fifth."""
    heard = np.concatenate([chorales.sounding(chorale) for chorale in composed])
    classes = [frozenset(pitch % 12 for pitch in row) for row in heard[(heard > 0).all(axis=1)].tolist()]
    return sum(any(tones <= chord for chord in KNOWN) for tones in classes) / len(classes)


@cache
def parts() -> tuple[list[Chorale], list[Chorale]]:
    """Chorales trained with, and those held back."""
    every = chorales.read(chorales.folder())
    chorales.check(every)
    return chorales.parted(every)


def figures(nats: float, composed: Sequence[Chorale]) -> tuple[float, float]:
    """Nats for each note that the held-back chorales strike, and chords in percent."""
    struck = sum(int((chorale > 0).sum()) for chorale in parts()[1])
    return nats / struck, 100 * chords(composed)


def network() -> tuple[float, float]:
    model = load()
    return figures(network_nats(model, parts()[1]), [compose(model, seed) for seed in range(COMPOSED)])


def others() -> dict[str, tuple[float | None, float]]:
    training, held_out = parts()
    found: dict[str, tuple[float | None, float]] = {}
    for name, order in (("the voice's last pitch and the voice above", 2), ("the voice's last pitch", 1), ("as before: it sounds on", 0)):
        counts = Counts(training, order)
        found[name] = figures(counts.nats(held_out), [counts.compose(seed) for seed in range(COMPOSED)])
    return {**found, "Bach": (None, 100 * chords(held_out))}


def draw(figure: Any) -> None:
    """A composition as bars of pitch over time."""
    axes = figure.subplots()
    for voice, name in enumerate(chorales.PARTS):
        played = [note for note in music.notes(compose(load(), SHOWN)) if note[2] == voice]
        begins, lengths = [begin for begin, *_ in played], [end - begin - 0.15 for begin, end, *_ in played]
        axes.barh([pitch for *_, pitch in played], lengths, left=begins, label=name)
    axes.set_xlabel("eighths")
    axes.set_ylabel("pitch (MIDI)")
    axes.set_ylim(32, 88)
    axes.legend(loc="upper right", ncols=4, fontsize=8)


def steps() -> Any:
    return el.Stream(load()).step, list(chorales.indices(compose(load(), SHOWN))[:-1, None].astype(np.float32))


EXAMPLE = Example(
    HERE,
    does="Composes chorales in four voices, as MIDI and as sound.",
    held_back="32 chorales of Bach, of tunes that it never met",
    measures=(Measure("cost", "nats a note", "lower", 3), Measure("its own eighths that sound a chord")),
    files=["data/chorales.pt"],
    load=load,
    network=network,
    others=others,
    steps=steps,
    draw=draw,
    step_of="a symbol",
    seconds=29,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SHOWN, help="which composition")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, help="how bold it is")
    parser.add_argument("-o", "--output", type=Path, default=Path("chorale"), help="files to write, without .mid and .wav")
    parser.add_argument("--write", action="store_true", help="measure on the chorales held back, and write result.json and the picture")
    asked = parser.parse_args()
    if asked.write:
        return print_result(EXAMPLE.write())
    composed = compose(load(), asked.seed, asked.temperature)
    midi, wav = (asked.output.with_suffix(suffix) for suffix in (".mid", ".wav"))
    music.write_midi(midi, composed)
    music.write_wav(wav, composed)
    print(f"wrote {midi} and {wav}: {len(composed)} eighths, {len(composed) / music.TEMPO:.0f} s")
    return None


if __name__ == "__main__":
    main()
