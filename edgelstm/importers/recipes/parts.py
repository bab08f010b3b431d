"""What all layers of a recipe share: checks of what was said, and a record made of it."""

import operator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError, UsageError, printable
from ...layers.feedforward import Normalizer
from ...layers.record import MAX_SIZE, Layer
from .text import Step

#: Fields of any type that hold no array: the layout of windows on a map.
_SIZES = ("shape", "size", "strides", "dilation", "padding", "cropping")


def array_fields(cls: type[Layer]) -> list[str]:
    """The fields of a record that hold arrays."""
    return [f.name for f in fields(cls) if f.type is Any and f.name not in _SIZES]


def flag(said: dict[str, Any], name: str, step: Step, default: bool) -> bool:
    """Take a yes or no out of what was said."""
    value = said.pop(name, default)
    if not isinstance(value, bool):
        raise UsageError(f"{step.place}: {name} must be true or false; got {printable(repr(value), 60)}.")
    return value


def text(value: Any, step: Step) -> str:
    """`value`, if it is a text that may be a name.

    Raises
    ------
    UsageError
    """
    if not isinstance(value, str) or not value.isprintable() or len(value) > 1000:
        raise UsageError(f"{step.place}: a name must be text; got {printable(repr(value), 60)}.")
    return value


def made(cls: Any, said: dict[str, Any], step: Step, **more: Any) -> Layer:
    """The record of a class from its fields: those that were said, and `more`.

    Raises
    ------
    UsageError
        If something was said that it has not, or lacks what it needs.
    ShapeError, UnsupportedModelError
        If the record refuses it.
    """
    known = [f.name for f in fields(cls) if f.name not in ("name", "inputs")]
    if unknown := sorted(set(said) - set(known)):
        raise UsageError(
            f"{step.place} has {printable(unknown[0], 60)!r}; it may have {', '.join(known) or 'nothing'}, name, inputs, activation."
        )
    try:
        record: Layer = cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}, **more)
        return record
    except TypeError as problem:
        raise UsageError(f"{step.place} cannot be made: {printable(problem, 200)}.") from None
    except (ShapeError, UnsupportedModelError) as problem:
        raise type(problem)(f"{step.place}: {problem}") from None


def samples(step: Step, **more: Any) -> Layer:
    """A layer that changes nothing and says how many numbers a timestep has.

    Raises
    ------
    UsageError
        If that is no number of them.
    """
    size = step.said.get("size")
    if set(step.said) != {"size"} or isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_SIZE:
        raise UsageError(f"{step.place} takes size, a whole number from 1 to {MAX_SIZE}; got {printable(repr(step.said), 60)}.")
    return Normalizer(np.zeros(size), np.ones(size), **more)


def places(said: Any, step: Step) -> NDArray[np.int64]:
    """The places that a list of whole numbers, or a text such as ``"448:1024, 1022:958:-1"``, stands for; as Python's ``range`` counts.

    Raises
    ------
    UsageError
        If it lists none, or more than a layer has.
    """
    found: list[int] = []
    for part in said.split(",") if isinstance(said, str) else said if isinstance(said, list) else [said]:
        try:
            numbers = [int(word) for word in part.split(":")] if isinstance(part, str) else [operator.index(part)]
            counted = range(*numbers) if len(numbers) > 1 else range(numbers[0], numbers[0] + 1)
        except (ValueError, TypeError):
            counted = range(0)
        if isinstance(part, bool) or not counted or len(counted) + len(found) > MAX_SIZE or min(counted[0], counted[-1]) < 0:
            raise UsageError(f"{step.place}: indices are places, or ranges as '448:1024, 1022:958:-1'; got {printable(repr(part), 60)}.")
        found += counted
    return np.array(found, np.int64)
