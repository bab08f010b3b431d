"""What a row of text is to those that read it: the protocol of `csv_rows` and `json_rows`, and the words that they share."""

from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import InputError, UsageError
from .reading import Reading


class Inputs(Protocol):
    """How wide a sample is and what its values are called: a Model or a Stream tells."""

    @property
    def input_size(self) -> int:
        """Values in a sample."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Their names; empty where they have none."""


class NoSample(InputError):
    """A line holds no sample, and lost none: a comment, a row of units, a header of numbers again."""


class NoText(InputError):
    """The first line is the beginning of a file that holds no lines; the error says what to do with it."""


class Refused(InputError):
    """Going on would misread all lines that follow, so bad lines are not passed over here."""


class Row(Protocol):
    """Reads one line after the other, as the first one was laid out."""

    #: The first line where it is a header, else empty.
    header: str
    #: What a user should know of how the first line was understood; empty where that was clear.
    note: str
    #: What the kept values are called.
    kept_names: Sequence[str]
    #: Samples read so far.
    samples: int

    def parse(self, text: str) -> tuple[list[float], list[Any]]:
        """The input_size numbers on a line, NaN where one is missing, and the values that are kept."""

    def repeats_header(self, text: str) -> bool:
        """Whether a line is the header again."""

    def begins_anew(self, text: str, *, whole: bool) -> bool:
        """Whether a line is another header, by which those that follow are to be read; `whole`: only if it names all that is looked for."""

    def reads_as(self, other: "Row") -> bool:
        """Whether another row takes the same columns."""

    def quick(self, lines: Sequence[bytes]) -> tuple[list[list[float]], list[list[Any]]] | None:
        """What `parse` gives for each of many lines; None if any of them needs a closer look."""


def check_columns(model: Inputs, reading: Reading) -> None:
    """Refuse columns that do not fit the model.

    Raises
    ------
    UsageError
    """
    if reading.columns and len(reading.columns) != model.input_size:
        raise UsageError(f"columns chooses {len(reading.columns)} of them; the model takes {inputs_of(model)}.")


def inputs_of(model: Inputs) -> str:
    """How errors call what a model takes."""
    names = f" ({', '.join(model.input_names)})" if 0 < len(model.input_names) <= 16 else ""
    return f"{model.input_size} value{'s' * (model.input_size > 1)} a sample{names}"


def example(size: int, first: int = 2) -> str:
    """Columns for a model of `size` inputs, as an example of --columns."""
    return f"{first}" if size == 1 else f"{first}-{first + size - 1}"
