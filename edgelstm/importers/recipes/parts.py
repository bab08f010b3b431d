"""What all layers of a recipe share: checks of what was said, and a record made of it."""

from dataclasses import fields
from typing import Any

from ...errors import ShapeError, UnsupportedModelError, UsageError, printable
from ...layers.record import Layer
from .text import Step


def array_fields(cls: type[Layer]) -> list[str]:
    """The fields of a record that hold arrays."""
    return [f.name for f in fields(cls) if f.type is Any]


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
