"""Layers that a recipe can name and that are made of several records.

* ``maximum``, ``minimum``: the largest or smallest of several inputs, value by value;
* ``average``, ``subtract``: the mean of several, the first less the second;
* ``transpose``: the axes of a timestep's map in another order: its ``shape``, and ``axes``, reversed where absent;
* ``embedding`` with ``count``: so many indices in each sample, all looked up in one table, their rows side by side.
"""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UsageError, printable
from ...layers import record_of
from ...layers.activations import spelled
from ...layers.record import MAX_SIZE, Layer
from ..extremes import extreme
from .arrays import order
from .parts import text
from .text import Step

if TYPE_CHECKING:
    from .build import Kitchen

#: Most indices of one sample.
_MOST_INDICES = 1024


def records(step: Step, kitchen: "Kitchen", label: str, inputs: tuple[str, ...]) -> list[Layer]:
    """The records of a layer, which read `inputs`; the last one is called `label`.

    Raises
    ------
    UsageError
        If something is said that it has not, or it cannot read these inputs.
    """
    if step.kind == "embedding":
        return _indices(step, kitchen, label, inputs)
    return KINDS[step.kind](step, label, inputs)


def _joined(step: Step, inputs: tuple[str, ...], most: int = MAX_SIZE) -> None:
    if step.said:
        raise UsageError(f"{step.place} has {printable(next(iter(step.said)), 60)!r}; it may have name, inputs, activation.")
    if not 2 <= len(inputs) <= most:
        wanted = "two" if most == 2 else "two or more"
        raise UsageError(f'{step.place} joins {wanted} layers; name them: inputs = ["NAME", "NAME"].')


def _extreme(*, largest: bool) -> Callable[[Step, str, tuple[str, ...]], list[Layer]]:
    def make(step: Step, label: str, inputs: tuple[str, ...]) -> list[Layer]:
        _joined(step, inputs)
        return extreme(inputs, label, largest=largest)

    return make


def _average(step: Step, label: str, inputs: tuple[str, ...]) -> list[Layer]:
    _joined(step, inputs)
    return [
        record_of("add")(name=f"{label}.sum", inputs=inputs),
        _affine(1 / len(inputs), label, f"{label}.sum"),
    ]


def _subtract(step: Step, label: str, inputs: tuple[str, ...]) -> list[Layer]:
    _joined(step, inputs, most=2)
    return [_affine(-1.0, f"{label}.minus", inputs[1]), record_of("add")(name=label, inputs=(inputs[0], f"{label}.minus"))]


def _affine(factor: float, name: str, of: str) -> Layer:
    fields: dict[str, Any] = {"function": spelled("affine", factor, 0.0), "name": name, "inputs": (of,)}
    return record_of("activation")(**fields)


def _transpose(step: Step, label: str, inputs: tuple[str, ...]) -> list[Layer]:
    said = dict(step.said)
    shape = said.pop("shape", None)
    axes = said.pop("axes", None)
    sound = isinstance(shape, list) and 2 <= len(shape) <= 3 and all(type(n) is int and n > 0 for n in shape) and prod(shape) <= MAX_SIZE
    if not sound or said:
        raise UsageError(
            f"{step.place} takes shape, the two or three axes of a timestep's map, and axes, their order behind it; "
            f"got {printable(repr(step.said), 60)}."
        )
    turned = list(range(len(shape)))[::-1] if axes is None else order(axes, len(shape), step)
    places = np.arange(prod(shape)).reshape(shape).transpose(turned).ravel()
    fields: dict[str, Any] = {"indices": places, "name": label, "inputs": inputs}
    return [record_of("gather")(**fields)]


def _indices(step: Step, kitchen: "Kitchen", label: str, inputs: tuple[str, ...]) -> list[Layer]:
    said = dict(step.said)
    count = said.pop("count")
    if type(count) is not int or not 1 <= count <= _MOST_INDICES or len(inputs) != 1:
        raise UsageError(f"{step.place}: count must be a whole number from 1 to {_MOST_INDICES}; got {printable(repr(count), 60)}.")
    table = kitchen.record(Step(step.place, step.kind, said), label, inputs).arrays()["weight"]
    made: list[Layer] = []
    for place in range(count):
        at = text(f"{label}.{place}", step)
        part: dict[str, Any] = {"start": place, "stop": place + 1, "name": f"{at}.index", "inputs": inputs}
        row: dict[str, Any] = {"weight": table, "name": at, "inputs": (f"{at}.index",)}
        made += [record_of("slice")(**part), record_of("embedding")(**row)]
    return [*made, record_of("concat")(name=label, inputs=tuple(f"{label}.{place}" for place in range(count)))]


#: What makes the records of each kind that stands for several.
KINDS: dict[str, Callable[[Step, str, tuple[str, ...]], list[Layer]]] = {
    "maximum": _extreme(largest=True),
    "minimum": _extreme(largest=False),
    "average": _average,
    "subtract": _subtract,
    "transpose": _transpose,
}
