"""A Keras file as a `Model`."""

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from ...errors import EdgeLSTMError, ModelFileError, UsageError, printable
from ...model import Model
from .bare import described
from .graph import model_of
from .store import read

if TYPE_CHECKING:
    from .. import Asked


def from_keras(file: BinaryIO, asked: "Asked", source: str) -> tuple[Model, str, list[str]]:
    """The network in a file, the names of its layers, and notes. `asked` says what a file of weights alone does not.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError, UsageError
    """
    stored = read(file)
    try:
        if stored.config is not None:
            asked.refuse()
            return model_of(stored, source)
        for option in ("prefix", "without"):
            if value := getattr(asked, option):
                raise UsageError(f'is a Keras file; leave out {option}="{value}".')
        config, weights = described(stored.root, asked, stored.version)
        return model_of(replace(stored, config=config, weights=weights), source)
    except EdgeLSTMError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as problem:
        raise ModelFileError(
            f"describes its layers in values of wrong types ({printable(repr(problem), 100)}); the file is damaged, save the model again."
        ) from None
    except RecursionError:
        raise ModelFileError("holds layers in layers without end; the file is damaged.") from None
