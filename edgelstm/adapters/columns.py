"""Which columns of a table a model reads, and what its answers are called beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import UsageError, printable
from ..runners.names import listed
from ..runtime.facts import Facts


class Columns(NamedTuple):
    """Of a table whose rows are samples.

    Parameters
    ----------
    key, order : str
        What tells a row's stream, and its place in it: a whole number or a time, rising within a key.
    features : tuple of str
        The values of a sample, as the model takes them.
    keep : tuple of str
        What is handed on beside the answers.
    answers : tuple of str
        What the values of an answer are called: the model's labels, or ``y0``, ``y1``, ….
    """

    key: str
    order: str
    features: tuple[str, ...]
    keep: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def read(self) -> list[str]:
        """All that is read, each once."""
        return list(dict.fromkeys((self.key, self.order, *self.features, *self.keep)))


def columns_of(model: Facts, key: str, order: str, features: Sequence[str] | None, keep: Sequence[str] = ()) -> Columns:
    """The columns for a model; its own input names where no features are given.

    Raises
    ------
    UsageError
        If they are not as many as the model reads, or one has two meanings.
    """
    chosen = tuple(features) if features is not None else model.input_names
    if not chosen:
        raise UsageError(
            f"this model does not say what its {model.input_size} inputs are called; name the columns that hold them, in its order."
        )
    if len(chosen) != model.input_size:
        raise UsageError(f"this model reads {model.input_size} values a sample; got {len(chosen)} columns: {listed(chosen)}.")
    answers = model.labels or tuple(f"y{i}" for i in range(model.output_size))
    kept = tuple(name for name in dict.fromkeys(keep) if name not in (key, order))
    written = [key, order, *kept, *answers]
    for name in written:
        if written.count(name) > 1:
            raise UsageError(f"two columns of the answers would be called {printable(name, 60)}; leave one out, or call it otherwise.")
    return Columns(key, order, chosen, kept, answers)


def check_there(columns: Columns, names: Sequence[str], where: str) -> None:
    """Refuse a table that lacks a column, or has it twice.

    Raises
    ------
    UsageError
    """
    absent = [name for name in columns.read if name not in names]
    if absent:
        alone = len(names) == 1 and any(sign in names[0] for sign in ";\t|")
        cut = " Columns of a CSV are separated by commas here, and decimals by points: write it so." * alone
        raise UsageError(f"{where} has no column {printable(absent[0], 60)}; it has {listed(names) or 'none at all'}.{cut}")
    if twice := [name for name in columns.read if names.count(name) > 1]:
        raise UsageError(f"{where} has more than one column {printable(twice[0], 60)}; leave one out, or call it otherwise.")
