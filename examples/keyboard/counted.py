"""What a 3-gram model says at each place of the text that it counted, had it not counted that place: the network learns from it too."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class LeftOut:
    """A 3-gram model with Witten and Bell's smoothing, which leaves out of its counts the place that it is asked about.

    Parameters
    ----------
    text : (words,) int
        Read as a ring: the last words stand before the first.
    size : int
        Words that are known.
    """

    def __init__(self, text: NDArray[np.int64], size: int) -> None:
        self.text, self.before = text, np.roll(text, 1)
        alone = np.bincount(text, minlength=size)
        kinds = np.count_nonzero(alone)
        self.alone = ((alone + kinds / size) / (len(text) + kinds)).astype(np.float32)
        self.pairs = np.zeros((size, size), np.float32)  # of a word behind a word
        np.add.at(self.pairs, (self.before, text), 1)
        self.pair_totals, self.pair_kinds = self.pairs.sum(1), np.count_nonzero(self.pairs, axis=1).astype(np.float32)
        contexts, self.context = np.unique(np.roll(text, 2) * size + self.before, return_inverse=True)
        triples, self.triple, self.triples = np.unique(self.context * size + text, return_inverse=True, return_counts=True)
        self.follows = triples % size
        self.first = np.searchsorted(triples, np.arange(len(contexts) + 1) * size)  # of each context's triples
        self.context_totals = np.bincount(self.context).astype(np.float32)

    def probabilities(self, places: NDArray[np.int64]) -> Floats:
        """Of every word at each of these places: (places, size)."""
        word, before, context = self.text[places], self.before[places], self.context[places]
        rows = np.arange(len(places))
        first, kinds = self.first[context], self.first[context + 1] - self.first[context]
        in_pairs, rest = shares(self.pair_totals[before], self.pair_kinds[before], self.pairs[before, word])
        in_triples, in_shorter = shares(self.context_totals[context], kinds, self.triples[self.triple[places]])
        found = self.pairs[before]
        found[rows, word] -= 1
        found *= (in_shorter * in_pairs)[:, None]
        found += np.multiply.outer(in_shorter * rest, self.alone)
        found[rows, word] -= in_triples
        of_row = np.repeat(rows, kinds)
        entries = np.arange(len(of_row)) + np.repeat(first - np.cumsum(kinds) + kinds, kinds)
        found[of_row, self.follows[entries]] += in_triples[of_row] * self.triples[entries]
        return found


def shares(totals: Floats, kinds: NDArray[np.generic], own: NDArray[np.generic]) -> tuple[Floats, Floats]:
    """What a count is worth where one of `own` counts is left out of `totals`, and what remains for the shorter model."""
    kinds = kinds - (own == 1)
    whole = totals - 1 + kinds
    worth = np.divide(1, whole, out=np.zeros_like(totals), where=whole > 0)
    return worth, 1 - worth * (totals - 1)
