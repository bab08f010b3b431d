"""How well the text network guesses the next character of the held-out fortunes, beside what counting and bzip2 reach.

Writes `data/results.json`, with two minutes of work; `run.py` takes from it what counting and bzip2 reach.

    apt-get install fortunes fortunes-min
    python examples/text/evaluate.py [/usr/share/games/fortunes]
"""

import argparse
import bz2
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fortunes
import numpy as np
from numpy.typing import NDArray

import edgelstm as el

HERE = Path(__file__).parent

RESULTS = HERE / "data" / "results.json"

#: Characters that the n-gram models count together.
ORDERS = (3, 5)

#: Most characters that a keyboard might offer.
OFFERED = 8


def load() -> el.Model:
    """The trained network, with its vocabulary."""
    known = json.loads((HERE / "data" / "vocabulary.json").read_text())
    model = el.load(HERE / "data" / "text.pt", layers="embedding, lstm, fc")
    return el.Model(model.layers, vocabulary=el.Vocabulary(**known))


def indices(texts: list[str], vocabulary: el.Vocabulary) -> NDArray[np.int64]:
    """Texts one behind the other, each between two ends: (characters,)."""
    return np.array([0, *(index for text in texts for index in (*vocabulary.indices(text), 0))])


@dataclass(frozen=True)
class Guesses:
    """Of each character of a text but the first, from those before it."""

    bits: NDArray[np.float64]  # (characters - 1,) of the probability that the right one had
    likelier: NDArray[np.int64]  # (characters - 1,) how many others were thought likelier

    def figures(self) -> dict[str, Any]:
        among = [round(float((self.likelier < offered).mean()), 6) for offered in range(1, OFFERED + 1)]
        return {"bits": round(float(self.bits.mean()), 6), "among": among}


def network_guesses(model: el.Model, text: NDArray[np.int64]) -> Guesses:
    """Those of the network over a text (characters,)."""
    scores = el.Stream(model).process(text[:-1]).astype(np.float64)  # (characters - 1, vocabulary)
    right = scores[np.arange(len(scores)), text[1:]]
    top = scores.max(axis=1)
    nats = top + np.log(np.exp(scores - top[:, None]).sum(axis=1)) - right
    return Guesses(nats / np.log(2), (scores > right[:, None]).sum(axis=1))


class Counts:
    """An n-gram model with Witten and Bell's smoothing: each order mixed with the next shorter one by how many kinds followed a context."""

    def __init__(self, text: NDArray[np.int64], order: int, size: int) -> None:
        self.order, self.size = order, size
        self.after: list[dict[tuple[int, ...], Counter[int]]] = [{} for _ in range(order)]
        characters = text.tolist()
        for at, character in enumerate(characters):
            for length in range(min(order, at + 1)):
                context = tuple(characters[at - length : at])
                self.after[length].setdefault(context, Counter())[character] += 1

    def probabilities(self, before: tuple[int, ...]) -> NDArray[np.float64]:
        """Of each character behind `before`: (size,)."""
        mixed = np.full(self.size, 1 / self.size)
        for length in range(self.order):
            context = before[len(before) - length :] if length else ()
            if (counter := self.after[length].get(context)) is None or length > len(before):
                break
            seen, kinds = sum(counter.values()), len(counter)
            mixed *= kinds / (seen + kinds)
            for character, count in counter.items():
                mixed[character] += count / (seen + kinds)
        return mixed


def counted_guesses(training: NDArray[np.int64], text: NDArray[np.int64], order: int, size: int) -> Guesses:
    """The same of an n-gram model."""
    counts, characters = Counts(training, order, size), text.tolist()
    found = []
    for at in range(1, len(characters)):
        chances = counts.probabilities(tuple(characters[max(0, at - order + 1) : at]))
        right = chances[characters[at]]
        found.append((-np.log2(right), (chances > right).sum()))
    bits, likelier = np.array(found).T
    return Guesses(bits, likelier.astype(np.int64))


def evaluate(texts: list[str]) -> dict[str, Any]:
    """What `data/results.json` holds: counts of the fortunes, bits a character, and how often the right one is among 1, 2, … likeliest."""
    model = load()
    assert model.vocabulary is not None
    training, held_out = (indices(part, model.vocabulary) for part in fortunes.parted(texts))
    guesses = {"network": network_guesses(model, held_out)}
    guesses |= {f"{order}-gram": counted_guesses(training, held_out, order, len(model.vocabulary)) for order in ORDERS}
    whole = fortunes.SEPARATOR.join(texts).encode()
    return {
        "packages": f"{fortunes.PACKAGES} {fortunes.VERSION}",
        "fortunes": [len(part) for part in fortunes.parted(texts)],
        "characters": [len(training), len(held_out)],
        **{name: found.figures() for name, found in guesses.items()},
        "bzip2": {"bits": round(8 * len(bz2.compress(whole, 9)) / len(whole), 6)},
    }


def draw(figure: Any) -> None:
    """Bits a character, and how often the right one is among so many likeliest."""
    results = json.loads(RESULTS.read_text())
    colours = {"network": "C0", "5-gram": "C1", "3-gram": "0.6", "bzip2": "0.8"}
    left, right = figure.subplots(1, 2)
    bits = [results[name]["bits"] for name in colours]
    left.bar_label(left.bar(list(colours), bits, color=list(colours.values())), fmt="%.3f")
    left.set_ylabel("bits a character")
    left.margins(y=0.12)
    offered = np.arange(1, OFFERED + 1)
    for name in list(colours)[:3]:
        right.plot(offered, 100 * np.array(results[name]["among"]), color=colours[name], marker=".", label=name)
    right.set_xlabel("characters offered")
    right.set_ylabel("right one among them, %")
    right.legend()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=fortunes.FOLDER, help="where the fortunes lie")
    options = parser.parse_args()
    texts = fortunes.read(options.folder)
    fortunes.check(texts)
    results = evaluate(texts)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    for name in ("network", *(f"{order}-gram" for order in ORDERS)):
        print(f"{name}: {results[name]['bits']:.3f} bits a character, right among three {results[name]['among'][2]:.1%}")
    print(f"bzip2 of the whole text: {results['bzip2']['bits']:.3f} bits a character")


if __name__ == "__main__":
    main()
