"""The tokens behind a model's indices, and text as indices and back."""

import json
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from ..errors import InputError, ModelFileError, UsageError, printable

#: Most bytes of a file of tokens.
MOST_BYTES = 16 << 20

#: Most characters of a token.
LONGEST_TOKEN = 256


class Vocabulary:
    """Tokens by index: what an index that the model reads stands for. It never changes.

    Parameters
    ----------
    tokens : sequence of str
        In order of their indices, each once. Characters, pieces of words, or words; ends and beginnings by their names, as ``"<end>"``.
    between : str, optional
        What stands between two tokens in a text: nothing, or a space. By default a space, unless more than half of the tokens are single
        characters.

    Raises
    ------
    UsageError
        If a token is there twice, or is no text, or another thing stands between tokens.

    Examples
    --------
    >>> vocabulary = Vocabulary(["<end>", "a", "b"])
    >>> vocabulary.indices("abba")
    [1, 2, 2, 1]
    >>> vocabulary.text([2, 1])
    'ba'
    """

    def __init__(self, tokens: Iterable[str], between: str | None = None) -> None:
        self.tokens = tuple(tokens)
        single = sum(len(token) == 1 for token in self.tokens if isinstance(token, str))
        self.between = between if between is not None else "" if 2 * single > len(self.tokens) else " "
        if fault := fault_of({"tokens": list(self.tokens), "between": self.between}):
            raise UsageError(f"a vocabulary needs {fault}.")

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.tokens, self.between) == (other.tokens, other.between)

    def __hash__(self) -> int:
        return hash((self.tokens, self.between))

    def __repr__(self) -> str:
        return printable(f"Vocabulary({len(self)} tokens: {' '.join(map(repr, self.tokens[:8]))}{' …' * (len(self) > 8)})", 200)

    def document(self) -> dict[str, Any]:
        """As model files hold it: plain JSON values."""
        return {"tokens": list(self.tokens), "between": self.between}

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

    @cached_property
    def _lengths(self) -> list[int]:
        """Lengths of tokens, longest first."""
        return sorted({len(token) for token in self.tokens} - {0}, reverse=True)

    def index(self, token: str) -> int:
        """The index of one token.

        Raises
        ------
        InputError
            If there is none.
        """
        if token not in self._index:
            raise InputError(f"{printable(repr(token), 60)} is none of the model's {len(self)} tokens.")
        return self._index[token]

    def indices(self, text: str) -> list[int]:
        """A text as indices. Where nothing stands between tokens, the longest that fits is taken first; else words are cut at white space.

        Raises
        ------
        InputError
            If some part of the text is no token.
        """
        if self.between:
            return [self.index(word) for word in text.split()]
        found, at = [], 0
        while at < len(text):
            length = next((n for n in self._lengths if text[at : at + n] in self._index and at + n <= len(text)), 0)
            if not length:
                raise InputError(
                    f"{printable(repr(text[at]), 20)}, character {at} of the text, is none of the model's {len(self)} tokens, "
                    "nor does one begin with what follows; leave it out."
                )
            found.append(self._index[text[at : at + length]])
            at += length
        return found

    def text(self, indices: Iterable[int]) -> str:
        """Indices as text.

        Raises
        ------
        InputError
            If an index has no token.
        """
        found = list(indices)
        if bad := [index for index in found if not 0 <= index < len(self)]:
            raise InputError(f"{printable(bad[0], 20)} is no index of the model's {len(self)} tokens.")
        return self.between.join(self.tokens[index] for index in found)


def fault_of(found: object) -> str:
    """What a vocabulary's document lacks, in words; empty where it is sound."""
    if not isinstance(found, dict) or set(found) != {"tokens", "between"}:
        return "tokens, and what stands between them"
    tokens = found["tokens"]
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) and len(token) <= LONGEST_TOKEN for token in tokens):
        return f"at least one token, each a text of at most {LONGEST_TOKEN} characters"
    if found["between"] not in ("", " "):
        return "nothing or a space between tokens"
    if len(set(tokens)) < len(tokens):
        seen: set[str] = set()
        twice = next(token for token in tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
        return f"each token once; {printable(repr(twice), 60)} is there twice"
    return ""


def read_vocabulary(path: str | os.PathLike[str]) -> Vocabulary:
    """The vocabulary in a file: a JSON list of tokens, a JSON object of tokens and their indices, or of `tokens` and `between`; else a
    text of one token a line.

    Raises
    ------
    ModelFileError
        If the file cannot be read, or holds no vocabulary.
    """
    place = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise ModelFileError(f"{place}: expected a vocabulary, a text in UTF-8 ({problem}).") from None
    if len(data) > MOST_BYTES:
        raise ModelFileError(f"{place}: a vocabulary takes at most {MOST_BYTES >> 20} MiB; this file is larger.")
    try:
        return _of_text(text)
    except (UsageError, ValueError, RecursionError) as problem:
        raise ModelFileError(f"{place}: {problem}") from None


def _of_text(text: str) -> Vocabulary:
    if not text.lstrip().startswith(("[", "{")):
        return Vocabulary(text.removesuffix("\n").split("\n"))
    found = json.loads(text)
    if isinstance(found, dict) and isinstance(found.get("tokens"), list):
        if unknown := sorted(set(found) - {"tokens", "between"}):
            raise UsageError(f"a vocabulary has tokens and between; {printable(unknown[0], 60)!r} is neither.")
        return Vocabulary(found["tokens"], found.get("between"))
    if isinstance(found, dict):
        return Vocabulary(in_order(found))
    return Vocabulary(found)


def in_order(indices: dict[str, Any]) -> Sequence[str]:
    """The tokens of an object that gives the index of each.

    Raises
    ------
    UsageError
        If the indices are not 0, 1, 2, … to the last.
    """
    numbers = {index: token for token, index in indices.items() if type(index) is int}
    if len(numbers) != len(indices) or set(numbers) != set(range(len(numbers))):
        raise UsageError(
            f"tokens must have the indices 0 to {len(indices) - 1}, each once; name those that stand for nothing, as '<unused>'."
        )
    return [numbers[index] for index in range(len(numbers))]
