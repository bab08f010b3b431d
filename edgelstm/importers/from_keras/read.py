"""A Keras file as a `Model`."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import EdgeLSTMError, ModelFileError, UsageError, printable
from ...model import Model
from .bare import described
from .description import beside
from .graph import model_of
from .store import Stored, config_of, read

if TYPE_CHECKING:
    from ..readers import Asked


def from_keras(file: BinaryIO, asked: "Asked", source: str) -> tuple[Model, str, list[str]]:
    """The network in a file, the names of its layers, and notes. `asked` says what a file of weights alone does not.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError, UsageError
    """
    stored = read(file)
    if stored.config is not None:
        asked.refuse()
        return model_in(lambda: stored, source)
    if asked == type(asked)() and (description := beside(file)):
        return _by_neighbour(stored, *description, source)
    if value := asked.prefix:
        raise UsageError(f'is a Keras file; leave out prefix="{value}".')
    notes: list[str] = []

    def found() -> Stored:
        bare = described(stored.root, asked)
        notes.extend(bare.notes)
        return replace(stored, config=bare.config, weights=bare.weights)

    model, order, more = model_in(found, source)
    return model, order, [*notes, *more]


def by_description(file: BinaryIO, found: str, description: bytes, source: str) -> tuple[Model, str, list[str]]:
    """The network that ``model.to_json()`` described, of the weights in a file of the format `found`. Errors as `from_keras`."""
    if not found.startswith("Keras"):
        raise UsageError(f"is a file of {found}; a description by Keras' to_json() is for Keras' files of weights alone.")
    file.seek(0)
    stored = read(file)
    if stored.config is not None:
        raise UsageError("says itself what its layers are; leave out recipe=.")
    config, version = config_of(description, "the description")
    return model_in(lambda: replace(stored, config=config, version=version), source)


def _by_neighbour(stored: Stored, name: str, config: dict[str, Any], version: int, source: str) -> tuple[Model, str, list[str]]:
    """The network of a file of weights alone that a file beside it describes."""
    told = f"Its layers are those of {printable(name, 100)}, which stands beside it."
    try:
        model, order, notes = model_in(lambda: replace(stored, config=config, version=version), source)
    except EdgeLSTMError as problem:
        raise type(problem)(f"holds weights alone, whose layers {printable(name, 100)} beside it describes: {problem}") from None
    return model, order, [told, *notes]


def model_in(found: Callable[[], Stored], source: str) -> tuple[Model, str, list[str]]:
    """The network of what `found` gives. Errors as `from_keras`, where a description is damaged too."""
    try:
        return model_of(found(), source)
    except EdgeLSTMError:
        raise
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as problem:
        raise ModelFileError(
            f"describes its layers in values of wrong types ({printable(repr(problem), 100)}); the file is damaged, save the model again."
        ) from None
    except RecursionError:
        raise ModelFileError("holds layers in layers without end; the file is damaged.") from None
