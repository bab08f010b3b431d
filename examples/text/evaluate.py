"""How well the text network guesses the next character of the held-out fortunes, beside what counting and bzip2 reach.

apt-get install fortunes fortunes-min
python examples/text/evaluate.py [/usr/share/games/fortunes]
"""

import bz2
import gzip
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgelstm as el

HERE = Path(__file__).parent

#: What stands between two fortunes in a file.
SEPARATOR = "\n%\n"


def load() -> el.Model:
    """The trained network, with its vocabulary."""
    known = json.loads((HERE / "data" / "vocabulary.json").read_text())
    model = el.load(HERE / "data" / "text.pt", layers="embedding, lstm, fc")
    return el.Model(model.layers, vocabulary=el.Vocabulary(**known))


def held_out() -> list[str]:
    """The fortunes that training did not see."""
    return gzip.decompress((HERE / "data" / "held_out.txt.gz").read_bytes()).decode().split(SEPARATOR)


def indices(texts: list[str], vocabulary: el.Vocabulary) -> NDArray[np.int64]:
    """Texts one behind the other, each between two ends: (characters,)."""
    return np.array([0, *(index for text in texts for index in (*vocabulary.indices(text), 0))])


def network_guesses(model: el.Model, text: NDArray[np.int64]) -> tuple[float, float]:
    """Bits a character, and how often the right one is among the three likeliest."""
    scores = el.Stream(model).process(text[:-1]).astype(np.float64)  # (characters - 1, vocabulary)
    right = scores[np.arange(len(scores)), text[1:]]
    top = scores.max(axis=1)
    nats = top + np.log(np.exp(scores - top[:, None]).sum(axis=1)) - right
    return float(nats.mean() / np.log(2)), float(((scores > right[:, None]).sum(axis=1) < 3).mean())


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


def counted_guesses(training: NDArray[np.int64], text: NDArray[np.int64], order: int, size: int) -> tuple[float, float]:
    """The same of an n-gram model."""
    counts, characters = Counts(training, order, size), text.tolist()
    bits, among = 0.0, 0
    for at in range(1, len(characters)):
        chances = counts.probabilities(tuple(characters[max(0, at - order + 1) : at]))
        right = chances[characters[at]]
        bits -= np.log2(right)
        among += int((chances > right).sum() < 3)
    return bits / (len(characters) - 1), among / (len(characters) - 1)


def main() -> None:
    model = load()
    assert model.vocabulary is not None
    kept = held_out()
    text = indices(kept, model.vocabulary)
    print("network: {:.3f} bits a character, right among three {:.1%}".format(*network_guesses(model, text)))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/games/fortunes")
    from train import fortunes

    texts = fortunes(folder)
    training = indices(texts[: len(texts) - len(kept)], model.vocabulary)
    for order in (3, 5):
        guesses = counted_guesses(training, text, order, len(model.vocabulary))
        print(f"{order}-gram: {{:.3f}} bits a character, right among three {{:.1%}}".format(*guesses))
    whole = SEPARATOR.join(texts).encode()
    print(f"bzip2 of the whole text: {8 * len(bz2.compress(whole, 9)) / len(whole):.3f} bits a character")


if __name__ == "__main__":
    main()
