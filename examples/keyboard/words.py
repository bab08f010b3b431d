"""The fortunes as words: sentences that the keyboard learned from, and those held back.

The text and what is held back of it are those of the text example next door.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent

sys.path.insert(0, str(HERE.parent / "text"))
import fortunes  # noqa: E402  the example next door

#: Between two sentences; a word that the keyboard does not know.
END, UNKNOWN = "<end>", "<unknown>"

#: Words that it knows, these two included.
KNOWN = 2000

VOCABULARY = HERE / "data" / "vocabulary.json"

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|[.!?;:]|[^\s\w'\"(),-]|\d+")


class Texts(NamedTuple):
    """Words of fortunes, with an end behind each sentence: to train with, to tell how well settings do, and held back."""

    training: list[str]
    choosing: list[str]
    held_back: list[str]


def read() -> Texts:
    texts = fortunes.read()
    fortunes.check(texts)
    trained, held_back = fortunes.parted(texts)
    return Texts(*(words("\n.\n".join(part)) for part in (*fortunes.parted(trained), held_back)))


def words(text: str) -> list[str]:
    """A text in small letters, as words and ends of sentences; numbers and signs are words that nobody knows."""
    found = [END]
    for word in _WORD.findall(text.lower()):
        if word[0] in ".!?;:":
            found += [END] * (found[-1] != END)
        else:
            found.append(word)
    return found


def vocabulary_of(training: Iterable[str]) -> list[str]:
    """The most frequent words, by letters alone."""
    counts = Counter(word for word in training if word != END and word[0].isalpha())
    return [END, UNKNOWN, *(word for word, _ in counts.most_common(KNOWN - 2))]


def known() -> list[str]:
    """The words that the trained keyboard knows."""
    tokens: list[str] = json.loads(VOCABULARY.read_text())["tokens"]
    return tokens


def indices(text: Iterable[str], vocabulary: Iterable[str]) -> NDArray[np.int64]:
    """(words,)."""
    index = {word: k for k, word in enumerate(vocabulary)}
    return np.array([index.get(word, index[UNKNOWN]) for word in text])
