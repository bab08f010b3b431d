"""What a user gives to `generate` and `beam_search`: indices or text, and numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from ..stream import Stream


def check_reads_itself(stream: Stream) -> None:
    """Refuse a model that does not read what it answers."""
    if stream.program.tokens is None:
        raise UsageError(
            "this model does not read what it answers: generate needs one that reads an index at each step, and answers with a number for "
            "each index."
        )


def start_of(stream: Stream, start: object) -> tuple[list[int], int]:
    """What to read first, as indices: all but the last, and the last."""
    *before, first = _indices(stream, start, "start") or [-1]
    if first < 0:
        raise InputError("start must hold at least one index or token; got none.")
    return before, first


def stops_of(stream: Stream, stop: int | str | Iterable[int | str]) -> list[int]:
    """What ends a text, as indices."""
    return [index for one in ([stop] if isinstance(stop, int | str) else stop) for index in _indices(stream, one, "stop")]


def whole(value: object, name: str) -> int:
    """A whole number that a user gave."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{name} must be a whole number; got {printable(repr(value), 60)}.") from None


def _indices(stream: Stream, given: object, name: str) -> list[int]:
    """What a user gave as indices that the model reads."""
    if isinstance(given, str):
        vocabulary = stream.model.vocabulary
        if vocabulary is None:
            raise UsageError(f"{name} is a text, and the model has no vocabulary: give indices, or convert it again with --vocabulary.")
        return [vocabulary.index(given)] if name == "stop" else vocabulary.indices(given)
    found = [whole(value, name) for value in (given if isinstance(given, Iterable) else [given])]
    if bad := [index for index in found if not 0 <= index < stream.program.sizes.vocabulary]:
        raise InputError(f"{name} holds {bad[0]}, and the model reads indices from 0 to {stream.program.sizes.vocabulary - 1}.")
    return found
