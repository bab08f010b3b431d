"""The array that a recipe names: a tensor, several one behind the other, a part of one, or numbers that stand in the recipe."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UsageError, printable
from ..chain import listed
from .bag import Bag
from .parts import places
from .text import Step

#: Most numbers that one array has.
_MOST_NUMBERS = 1 << 26

#: What a table may say of a part of a tensor.
_PART = ("tensor", "rows", "columns", "shape", "axes")


def array(bag: Bag, said: Any, step: Step, axes: tuple[int, ...] | None = None) -> NDArray[Any]:
    """What is said of one array of a layer.

    Parameters
    ----------
    bag : Bag
        The tensors are taken from it.
    said : str, list or dict
        The name of a tensor; a list of names, whose rows follow each other; numbers; or a table of one tensor, or some, with the ``rows``
        and ``columns`` that are taken of it, as `places` reads them, then the ``shape`` that the rest has, then its ``axes`` in another
        order. An array stays itself.
    step : Step
        The layer.
    axes : tuple of int, optional
        How axes of each tensor are exchanged.

    Raises
    ------
    UsageError
        If it is none of these, or names what the file does not hold.
    ShapeError
        If tensors do not fit together, or have other dimensions than `axes`.
    """
    if isinstance(said, np.ndarray):
        return said.transpose(_fitting(said, axes, "an array", step)) if axes else said
    if isinstance(said, dict):
        part = _part(bag, said, step)
        return part.transpose(_fitting(part, axes, str(said["tensor"]), step)) if axes else part
    if isinstance(said, str):
        said = [said]
    if isinstance(said, list) and said and all(isinstance(name, str) for name in said):
        parts = [bag.take(name, step.place) for name in said]
        parts = [part.transpose(_fitting(part, axes, name, step)) if axes else part for part, name in zip(parts, said, strict=True)]
        if len({(part.ndim, *part.shape[1:]) for part in parts}) != 1 or not parts[0].ndim:
            raise ShapeError(f"{step.place}: {listed(said)} have the shapes {', '.join(str(part.shape) for part in parts)}.")
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    try:
        numbers: NDArray[Any] = np.array(said, np.float64)
    except (ValueError, TypeError):
        numbers = np.zeros(0)
    if not numbers.size or not numbers.ndim:
        raise UsageError(f"{step.place} takes names of tensors or a list of numbers; got {printable(repr(said), 60)}.")
    return numbers


def _fitting(part: NDArray[Any], axes: tuple[int, ...], name: str, step: Step) -> tuple[int, ...]:
    if part.ndim != len(axes):
        raise ShapeError(f"{step.place}: {printable(name, 100)} must have {len(axes)} dimensions; got shape {part.shape}.")
    return axes


def _part(bag: Bag, said: dict[str, Any], step: Step) -> NDArray[Any]:
    """Rows, columns and shape of one tensor."""
    if "tensor" not in said or not set(said) <= set(_PART):
        raise UsageError(f"{step.place}: a part of a tensor is a table of {', '.join(_PART)}; got {printable(repr(said), 60)}.")
    found = array(bag, said["tensor"], step)
    for axis, name in enumerate(("rows", "columns")):
        if name in said:
            taken = places(said[name], step)
            if found.ndim <= axis or taken.max() >= found.shape[axis]:
                raise ShapeError(f"{step.place} takes {name} up to {taken.max()} of a tensor of shape {found.shape}, counted from 0.")
            if taken.size * (found.size // max(1, found.shape[axis])) > _MOST_NUMBERS:
                many = f"{taken.size} {name} of a tensor of shape {found.shape}"
                raise ShapeError(f"{step.place} takes {many}, more than {_MOST_NUMBERS} numbers.")
            found = found.take(taken, axis)
    if "shape" in said:
        shape = said["shape"] if isinstance(said["shape"], list) else [said["shape"]]
        if not all(type(n) is int and n > 0 for n in shape) or np.prod(shape, dtype=float) != found.size:
            raise ShapeError(f"{step.place}: shape must be whole numbers whose product is {found.size}; got {printable(repr(shape), 60)}.")
        found = found.reshape(shape)
    return found.transpose(order(said["axes"], found.ndim, step)) if "axes" in said else found


def order(said: Any, count: int, step: Step) -> list[int]:
    """Another order of `count` axes.

    Raises
    ------
    UsageError
        If it does not name each of them once.
    """
    if not isinstance(said, list) or not all(type(n) is int for n in said) or sorted(said) != list(range(count)):
        raise UsageError(f"{step.place}: axes must name each of 0 to {count - 1} once; got {printable(repr(said), 60)}.")
    return said
