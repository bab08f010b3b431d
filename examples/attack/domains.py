"""Honest and made names, as training reads them and as they are held back; and naive ways to tell them apart."""

from collections import Counter
from itertools import islice
from pathlib import Path

import malware
import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
HONEST, PACKAGES, DGAINTEL, STEPPING = DATA / "honest.txt", DATA / "packages.txt", DATA / "dgaintel.elstm", DATA / "attack.elstm"

#: Families that are easier to tell, and others.
RANDOM, SPEAKABLE = ("dircrypt", "tinba", "vawtrak"), ("banjori", "simda")

#: Made names of each family that train the regressions, and those held back, where most names are honest.
TRAINED, HELD_BACK = 400, 40

#: Of names that follow each other from a drawn seed one among the first so many is taken.
OF_A_SEED = 40

#: What the networks read: an index for each of these; and how long a name is for dgaintel, with zeros behind.
CHARACTERS, LENGTH = "-.0123456789_abcdefghijklmnopqrstuvwxyz", 82

#: A name without its ending, and whether malware made it.
Named = tuple[str, bool]


def read_honest() -> tuple[list[str], list[str]]:
    """Those to train with, and those held back."""
    names = HONEST.read_text(encoding="utf-8").split()
    return names[: len(names) // 2], names[len(names) // 2 :]


def training(families: tuple[str, ...]) -> list[Named]:
    return [(name, False) for name in read_honest()[0]] + [(name, True) for name in malware.names(families, 0, TRAINED)]


def drawn(honest: list[str], rng: np.random.Generator) -> str:
    """A made name of one of the families, from a seed that is drawn: of banjori some honest names in a row, as its seeds are words."""
    family = str(rng.choice(RANDOM + SPEAKABLE))
    if family == "banjori":
        seed: int | str = "".join(rng.choice(honest, 3)).replace("-", "")[: int(rng.integers(14, 27))] + ".com"
        if not all("a" <= letter <= "z" for letter in seed[:4]):
            return drawn(honest, rng)
    elif family == "tinba":
        seed = "".join(chr(97 + at) for at in rng.integers(26, size=12)) + ".com"
    else:
        seed = int(rng.integers(1, 2**31 - 1))
    *_, name = islice(malware.FAMILIES[family][0](seed), int(rng.integers(2, OF_A_SEED)))
    return name.removesuffix(".com")


def as_the_network() -> list[Named]:
    """Names of the kinds that the network learned from: 2,000 of packages with the honest ones, and made ones as many of drawn seeds."""
    honest, rng = read_honest()[0], np.random.default_rng(0)
    known = honest + PACKAGES.read_text(encoding="utf-8").split()[:2000]
    return [(name, False) for name in known] + [(drawn(honest, rng), True) for _ in known]


def held_back() -> list[Named]:
    """The honest names first; made ones from other seeds than those that train."""
    return [(name, False) for name in read_honest()[1]] + [(name, True) for name in malware.names(RANDOM + SPEAKABLE, 1, HELD_BACK)]


def indices(name: str) -> list[int]:
    """Of its characters."""
    return [CHARACTERS.index(character) for character in name]


def padded(name: str) -> NDArray[np.float32]:
    """A name with the ending .com as dgaintel reads it: (82,)."""
    known = indices(f"{name}.com")
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
    row, column = np.nonzero(ones)  # few: a name has few of all the grams
    values = ones[row, column].astype(np.float64)
    weights = ahead = np.zeros(ones.shape[1])
    for iteration in range(iterations):
        error = 1 / (1 + np.exp(-np.bincount(row, values * ahead[column], len(xs)))) - wanted
        slope = np.bincount(column, values * error[row], len(ahead)) / len(xs) + penalty * ahead
        before, weights = weights, ahead - rate * slope
        ahead = weights + iteration / (iteration + 3) * (weights - before)
    return weights


def regressed(weights: NDArray[np.float64], xs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores of names: (names,)."""
    return weights[0] + xs @ weights[1:]
