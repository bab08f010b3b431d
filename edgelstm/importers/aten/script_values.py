"""What the code of TorchScript computes with besides tensors: methods, functions, and whole numbers that are known."""

import ast
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ..from_onnx.writer import Ref
from ..pickles.reader import Thing

Scope: TypeAlias = dict[str, Any]


class Method(NamedTuple):
    """A method of a module."""

    thing: Thing
    name: str


class Function(NamedTuple):
    """A function of the script."""

    node: ast.FunctionDef


class Known(NamedTuple):
    """A function on values: when it can be computed at once, and what it gives."""

    takes: Callable[[list[Any]], bool]
    value: Callable[[list[Any]], Any]


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _always(values: list[Any]) -> bool:
    return True


#: By their last name.
FUNCTIONS = {
    "NumToTensor": Known(_always, lambda values: values[0]),
    "device": Known(_always, lambda values: None),
    "dtype": Known(_always, lambda values: None),
    "dim": Known(lambda values: isinstance(values[0], Ref), lambda values: values[0].rank),
    "format": Known(_always, lambda values: ""),
    "__is__": Known(_always, lambda values: values[0] is None and values[1] is None),
    "__isnot__": Known(_always, lambda values: (values[0] is None) != (values[1] is None)),
    "__not__": Known(lambda values: isinstance(values[0], bool), lambda values: not values[0]),
    "__contains__": Known(lambda values: isinstance(values[0], list), lambda values: values[1] in values[0]),
    "len": Known(lambda values: isinstance(values[0], list), lambda values: len(values[0])),
    "add": Known(_numbers, lambda values: values[0] + values[1]),
    "sub": Known(_numbers, lambda values: values[0] - values[1]),
    "mul": Known(_numbers, lambda values: values[0] * values[1]),
    "neg": Known(_numbers, lambda values: -values[0]),
}

#: Comparisons of known values.
COMPARED: dict[str, Callable[..., bool]] = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
