"""A Keras file as a `Model`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import EdgeLSTMError, ModelFileError, UsageError, printable
from ...model import Model
from .bare import described
from .description import beside
from .graph import model_of
from .store import Stored, read

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
        if asked == type(asked)() and (found := beside(file)):
            return _by_description(stored, found, source)
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


def _by_description(stored: Stored, found: tuple[str, dict[str, Any], int], source: str) -> tuple[Model, str, list[str]]:
    """The network of a file of weights alone that a file beside it describes."""
    name, config, version = found
    told = f"Its layers are those of {printable(name, 100)}, which stands beside it."
    try:
        model, chain, notes = model_of(replace(stored, config=config, version=version), source)
    except EdgeLSTMError as problem:
        raise type(problem)(f"holds weights alone, whose layers {printable(name, 100)} beside it describes: {problem}") from None
    return model, chain, [told, *notes]
