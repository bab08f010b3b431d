"""A Keras file as a `Model`."""

from typing import TYPE_CHECKING, BinaryIO

from ...errors import ModelFileError, UnsupportedModelError, UsageError
from ...model import Model
from .graph import model_of
from .store import read

if TYPE_CHECKING:
    from .. import Asked


def from_keras(file: BinaryIO, asked: "Asked", source: str) -> tuple[Model, str, list[str]]:
    """The network in a file, the names of its layers, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError, UsageError
    """
    stored = read(file)
    if stored.config is None:
        raise UnsupportedModelError("holds weights alone; save the whole model.")
    for option, value in asked._asdict().items():
        if value is not None:
            raise UsageError(f'says itself what its layers are; leave out {option}="{value}".')
    try:
        return model_of(stored, source)
    except RecursionError:
        raise ModelFileError("holds layers in layers without end; the file is damaged.") from None
