"""The words of ``sizes``: how long the open axes of a graph's inputs are, and what its whole numbers are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError, printable
from .file import Graph, Tensor

_EXAMPLE = 'sizes="input=1x576, sr=16000"'

#: One item: a name, and a whole number, or lengths of axes and names of open ones.
_ITEM = re.compile(r"\s*(.+?)\s*=\s*(-?\d{1,9}|\w+(?:x\w+)+|x?[A-Za-z]\w*)\s*")


@dataclass(frozen=True)
class Sizes:
    """What was said: of arrays their shapes, with a name for an axis that stays open or is time, and of numbers their values."""

    shapes: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)


def parse(text: str) -> Sizes:
    """Read sizes such as ``"input=1x576, sr=16000"``; ``"x=1xTx40"`` leaves an axis open, or says of a fixed one that it is time.

    Raises
    ------
    UsageError
        If an item has no such form, or one name stands twice.
    """
    shapes: dict[str, tuple[int | str, ...]] = {}
    values: dict[str, int] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or match[1] in shapes or match[1] in values:
            raise UsageError(f"the sizes {printable(text, 120)!r} cannot be read at {printable(item, 60)!r}; write for example {_EXAMPLE}.")
        name, said = match.groups()
        if said.lstrip("-").isdigit():
            values[name] = int(said)
        else:
            shapes[name] = tuple(int(n) if n.isdigit() else n for n in said.split("x"))
    return Sizes(shapes, values)


def settled(graph: Graph, sizes: Sizes) -> tuple[Graph, dict[str, NDArray[np.int64]]]:
    """The graph with these shapes of its inputs, and the inputs that are numbers, which it no longer has.

    Raises
    ------
    UsageError
        If there is no such input, or the file itself says something else of it.
    """
    known = {tensor.name: tensor for tensor in graph.inputs}
    if unknown := [name for name in (*sizes.shapes, *sizes.values) if name not in known]:
        raise UsageError(f"has no input {printable(unknown[0], 60)!r}; its inputs are {printable(', '.join(known), 200)}.")
    values = {}
    for name, value in sizes.values.items():
        shape = known[name].shape
        if known[name].dtype in ("int", "bool") and (not shape or shape in ((1,), ("",))):
            values[name] = np.full((1,) if shape else (), value, np.int64)
    shapes = dict(sizes.shapes) | {name: (value,) for name, value in sizes.values.items() if name not in values}
    inputs = tuple(
        _settled(tensor, shapes[tensor.name]) if tensor.name in shapes else tensor for tensor in graph.inputs if tensor.name not in values
    )
    return replace(graph, inputs=inputs), values


def _settled(tensor: Tensor, said: tuple[int | str, ...]) -> Tensor:
    """An input with what was said of its shape, which agrees with what the file says; a name for a fixed axis says that it is time."""
    own = tensor.shape
    named = [axis for axis, (n, m) in enumerate(zip(own or (), said, strict=False)) if isinstance(n, int) and isinstance(m, str)]
    sizes = tuple(own[axis] if own is not None and axis in named else m for axis, m in enumerate(said))
    fits = own is None or (len(own) == len(said) and all(isinstance(n, str) or n == m for n, m in zip(own, sizes, strict=True)))
    if not fits or len(named) > 1 or any(isinstance(n, int) and n < 1 for n in sizes):
        text = "x".join(str(n) or "?" for n in own or ())
        raise UsageError(
            f'has the input {printable(tensor.name, 60)!r} of shape {text or "()"}; sizes="{tensor.name}=…" must agree with it.'
        )
    return replace(tensor, shape=sizes, time=named[0] if named else None)


def open_frame(graph: Graph) -> str | None:
    """The name of an input of numbers with two axes or fewer, all open: a recording of single numbers, or a frame of open length."""
    found = (t for t in graph.inputs if t.dtype == "float" and t.shape and len(t.shape) <= 2)
    return next((t.name for t in found if all(isinstance(n, str) or n == 1 for n in t.shape or ())), None)
