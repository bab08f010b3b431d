"""Honest and made names, as training reads them and as they are held back; and naive ways to tell them apart."""

from collections import Counter
from pathlib import Path

import malware
import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
HONEST, DGAINTEL = DATA / "honest.txt", DATA / "dgaintel.elstm"

#: Families that are easier to tell, and others.
RANDOM, SPEAKABLE = ("dircrypt", "tinba", "vawtrak"), ("banjori", "simda")

#: Made names of each family that train the regressions, and those held back, where most names are honest.
TRAINED, HELD_BACK = 400, 40

#: What the network reads: an index for each of these, and how long a name is for it, with zeros behind.
CHARACTERS, LENGTH = "-.0123456789_abcdefghijklmnopqrstuvwxyz", 82

#: A name without its ending, and whether malware made it.
Named = tuple[str, bool]


def read_honest() -> tuple[list[str], list[str]]:
    """Those to train with, and those held back."""
    names = HONEST.read_text(encoding="utf-8").split()
    return names[: len(names) // 2], names[len(names) // 2 :]


def training(families: tuple[str, ...]) -> list[Named]:
    return [(name, False) for name in read_honest()[0]] + [(name, True) for name in malware.names(families, 0, TRAINED)]


def held_back() -> list[Named]:
    """The honest names first; made ones from other seeds than those that train."""
    return [(name, False) for name in read_honest()[1]] + [(name, True) for name in malware.names(RANDOM + SPEAKABLE, 1, HELD_BACK)]


def padded(name: str) -> NDArray[np.float32]:
    """A name with the ending .com as the network reads it: (82,)."""
    known = [CHARACTERS.index(character) for character in f"{name}.com"]
    return np.array(known + [0] * (LENGTH - len(known)), np.float32)


def entropy(name: str) -> float:
    """Bits a character, by how often each is in the name."""
    share = np.array(list(Counter(name).values())) / len(name)
    return float(-(share * np.log2(share)).sum())


def rule(names: list[Named]) -> NDArray[np.float64]:
    """Length and entropy of names: (names, 2)."""
    return np.array([[len(name), entropy(name)] for name, _ in names])


def grams(name: str) -> list[str]:
    """One, two and three characters that follow each other, ends included."""
    ended = f"^{name}$"
    return [ended[at : at + size] for size in (1, 2, 3) for at in range(len(ended) - size + 1)]


class Grams:
    """How often what occurs at least three times in training occurs in a name, beside the length and the entropy: (names, features)."""

    def __init__(self, names: list[Named]) -> None:
        counts = Counter(gram for name, _ in names for gram in set(grams(name)))
        self.column = {gram: at for at, gram in enumerate(gram for gram, count in counts.items() if count >= 3)}

    def __call__(self, names: list[Named]) -> NDArray[np.float32]:
        found = np.zeros((len(names), len(self.column)), np.float32)
        for row, (name, _) in zip(found, names, strict=True):
            for gram in grams(name):
                if gram in self.column:
                    row[self.column[gram]] += 1
        return np.hstack([found, rule(names).astype(np.float32) / 10])


def regression(xs: NDArray[np.floating], wanted: NDArray[np.bool_], penalty: float = 1e-3, iterations: int = 600) -> NDArray[np.float64]:
    """Weights (1 + features,) of a logistic regression, the constant first: Nesterov's gradient, the penalty on squares of weights."""
    ones = np.hstack([np.ones((len(xs), 1)), xs]).astype(np.float32)  # (names, 1 + features)
    rate = 4 / ((ones**2).sum(axis=1).max() + 4 * penalty)
    weights = ahead = np.zeros(ones.shape[1], np.float32)
    for iteration in range(iterations):
        slope = ones.T @ (1 / (1 + np.exp(-(ones @ ahead))) - wanted).astype(np.float32) / len(xs) + penalty * ahead
        before, weights = weights, ahead - rate * slope
        ahead = weights + iteration / (iteration + 3) * (weights - before)
    return weights


def regressed(weights: NDArray[np.float64], xs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of names: (names,)."""
    return weights[0] + xs @ weights[1:]
