"""The keyboard at work: three words offered at every letter, and those of a text typed so far."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import words
from numpy.typing import NDArray
from safetensors.numpy import load_file

import edgelstm as el

HERE = Path(__file__).parent
WEIGHTS = HERE / "data" / "keyboard.safetensors"

#: Words that are offered.
OFFERED = 3

#: Words, drawn by the network itself, by which the scales of int8 are settled.
CALIBRATED = 2000

#: The smallest score: what is never offered.
NEVER = np.float32(-np.inf)


def load() -> el.Model:
    """The trained network with its weights in float32, and its vocabulary: one matrix for words read and words offered."""
    held = load_file(WEIGHTS)
    arrays = {name: value * held[f"{name}.scale"][:, None] if value.dtype == np.int8 else value for name, value in held.items()}
    lstm = el.LSTM(
        with_input_gate(arrays["weight_ih"]),
        with_input_gate(arrays["weight_hh"]),
        with_input_gate(arrays["bias"]),
        weight_hr=arrays["weight_hr"],
        coupled="i=1-f",
        name="lstm",
    )
    layers = [el.Embedding(arrays["words"], name="words"), lstm, el.Dense(arrays["words"], arrays["offset"], name="scores")]
    return el.Model(layers, vocabulary=el.Vocabulary(words.known(), between=" "), source="examples/keyboard/train.py")


def with_input_gate(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of f, g and o behind zeros for those of i, which is 1 - f."""
    return np.concatenate([np.zeros_like(rows[: len(rows) // 3]), rows])


def small(model: el.Model) -> el.Model:
    """The same in int8, calibrated by what the network itself writes."""
    drawn = el.generate(el.Stream(model), [0], CALIBRATED, sample=el.Sampler(seed=1))
    return el.quantize(model, [np.array([0, *drawn], np.float32)[:, None]], scheme="int8-dynamic", int8=["scores"])


class Completions:
    """Which known words begin with some letters."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary
        beginning = defaultdict(list)
        for index, word in enumerate(vocabulary[2:], 2):  # behind the end and the unknown
            for letters in range(len(word) + 1):
                beginning[word[:letters]].append(index)
        self._beginning = {letters: np.array(found) for letters, found in beginning.items()}

    def best(self, scores: NDArray[np.floating], letters: str) -> list[str]:
        """The likeliest of them, best first."""
        found = self._beginning.get(letters)
        if found is None:
            return []
        order = np.argsort(-scores[found], kind="stable")[:OFFERED]
        return [self.vocabulary[index] for index in found[order]]


class Keyboard:
    """A text that is being typed, and what is offered for the word that is begun.

    Parameters
    ----------
    model : Model
        `load` or `small`.
    """

    def __init__(self, model: el.Model) -> None:
        assert model.vocabulary is not None
        self._completions = Completions(list(model.vocabulary.tokens))
        self._index = {word: index for index, word in enumerate(model.vocabulary.tokens)}
        self._stream = el.Stream(model)
        self._before: list[tuple[bytes, str, NDArray[np.float32]]] = []  # of each sign that was typed: what was there before it
        self.text, self.taps = "", 0
        self._read(words.END)

    def _read(self, word: str) -> None:
        self._scores = self._stream.step([self._index.get(word, self._index[words.UNKNOWN])]).copy()

    @property
    def letters(self) -> str:
        """The word that is begun."""
        return self.text[len(self.text.rstrip("abcdefghijklmnopqrstuvwxyz'ABCDEFGHIJKLMNOPQRSTUVWXYZ")) :]

    @property
    def offered(self) -> list[str]:
        """What it may become, likeliest first."""
        return self._completions.best(self._scores, self.letters.lower())

    def type(self, sign: str) -> None:
        """One sign: a word ends with the first that is no letter."""
        self._before.append((self._stream.snapshot(), self.text, self._scores))
        self.taps += 1
        self._put(sign)

    def _put(self, sign: str) -> None:
        word = self.letters.lower()
        self.text += sign
        if word and not self.letters:
            self._read(word)
        if sign in ".!?;:":
            self._read(words.END)

    def take(self, place: int) -> None:
        """The word that is offered at this place, with a space behind it, in one tap."""
        offered = self.offered
        if place < len(offered):
            self._before.append((self._stream.snapshot(), self.text, self._scores))
            self.taps += 1
            for sign in f"{offered[place][len(self.letters) :]} ":
                self._put(sign)

    def back(self) -> None:
        """As before the last tap."""
        if self._before:
            state, self.text, self._scores = self._before.pop()
            self._stream.restore(state)
