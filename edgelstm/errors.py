"""The exceptions of edgelstm: each says what was expected, what came, and what to do.

The message is written where the fault is seen. Here it becomes one printable line of bounded length, whatever a file put into it.
Beside them stands the one warning that Python code may want to tell apart, and `warn`, for what a user should know and no error is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Most characters of a message, and how many of them are its end, which says what to do.
LONGEST, LAST = 2000, 300


def printable(value: object, most: int | None = None) -> str:
    """`value` as one line of text that a terminal shows as it is.

    Parameters
    ----------
    value : object
    most : int, optional
        Characters beyond this many are cut off, and "…" stands for them.
    """
    text = str(value)
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class EdgeLSTMError(Exception):
    """Base of every error that edgelstm raises on purpose. Its message is one printable line."""

    def __init__(self, message: str = "") -> None:
        line = " ".join(message.split()) if "\n" in message else message
        if len(line) > LONGEST:
            line = f"{line[: LONGEST - LAST - 3]} … {line[-LAST:]}"
        super().__init__(printable(line))


class ShapeError(EdgeLSTMError, ValueError):
    """The arrays of a model do not fit together."""


class UnsupportedModelError(EdgeLSTMError):
    """A model is well formed but holds something that edgelstm cannot honour, named in the message."""


class ModelFileError(EdgeLSTMError):
    """A model file is truncated, foreign, corrupt, hostile, or fails its own probe."""


class InputError(EdgeLSTMError, ValueError):
    """A sample has the wrong shape, is not a number, or lies outside what the model can take."""


class StateError(EdgeLSTMError, ValueError):
    """A snapshot is damaged or belongs to another model."""


class CompileError(EdgeLSTMError):
    """A model could not be compiled, or compiled code failed its probe on this machine."""


class LibraryError(EdgeLSTMError):
    """A library built ahead of time is damaged, foreign, of another version, or for another machine."""


class CalibrationWarning(UserWarning):
    """Calibration windows hold too little to quantise a model by; the result was made all the same."""


class UsageError(EdgeLSTMError, ValueError):
    """A request contradicts itself or names something that does not exist."""


#: Who takes what `warn` is given; nobody: Python's logging does, under the name ``edgelstm``.
_listeners: list[Callable[[str], None]] = []


def warn(sentence: str) -> None:
    """Say what a user should know to the program's own way of telling, or log it."""
    if _listeners:
        _listeners[-1](sentence)
        return
    import logging  # which takes longer to import than a model to load

    logging.getLogger("edgelstm").warning("%s", sentence)


@contextmanager
def heard(listener: Callable[[str], None]) -> Iterator[None]:
    """Give what is warned of within to `listener`."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
