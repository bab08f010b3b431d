"""What the code of TorchScript computes with besides tensors: methods, functions, and whole numbers that are known."""

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from ...errors import UnsupportedModelError, printable
from ..from_onnx.writer import Ref
from ..pickles.reader import Thing

Scope: TypeAlias = dict[str, Any]


class OpenLoop(UnsupportedModelError):
    """A loop or a choice by a length that is open."""


class Raises(UnsupportedModelError):
    """An error that the code raises for inputs such as were given."""


class OpenRow(UnsupportedModelError):
    """Samples of which the file does not tell how many indices a step are."""


class Asks(UnsupportedModelError):
    """Code that is followed on only once something is known of its inputs: a number, or how long an axis of a tensor is."""

    def __init__(self, name: str, axis: int | None, number: int) -> None:
        super().__init__(f"its code is for {printable(name, 60)!r} of {number} alone.")
        self.name, self.axis, self.number = name, axis, number


class Open(NamedTuple):
    """A number that the module is given, of which the file tells nothing."""

    name: str


class Shape(tuple[int, ...]):
    """The shape of a tensor that begins as zeros."""


class Method(NamedTuple):
    """A method of a module."""

    thing: Thing
    name: str


class Function(NamedTuple):
    """A function of the script."""

    node: ast.FunctionDef


class Fields(list[Any]):
    """The values of a named tuple, by the names that its class declares."""

    def __init__(self, names: Sequence[str], values: Sequence[Any]) -> None:
        super().__init__(values)
        self.names = names

    def field(self, name: str) -> Any:
        return self[self.names.index(name)]


#: What says that no gradients are wanted, and changes no number: ``torch.no_grad()`` and what belongs to it.
FREE = object()

#: Where it is declared.
GRADIENTS = "__torch__.torch.autograd.grad_mode."


class Known(NamedTuple):
    """A function on values: when it can be computed at once, and what it gives."""

    takes: Callable[[list[Any]], bool]
    value: Callable[[list[Any]], Any]


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _sums(values: list[Any]) -> bool:
    return _numbers(values) or all(isinstance(value, list) for value in values)


def _cut(values: list[Any]) -> list[Any]:
    """A list, from where on, up to where, and in which steps."""
    bounds = [*values[1:], None, None, None]
    return list(values[0][bounds[0] : bounds[1] : bounds[2]])


def _put(values: list[Any]) -> None:
    values[0][values[1]] = values[2]


def _listed(values: list[Any]) -> bool:
    return isinstance(values[0], list | dict)


def _multiples(values: list[Any]) -> bool:
    """Of numbers, or of a short list so many times."""
    if isinstance(values[0], list) and type(values[1]) is int:
        return len(values[0]) * max(0, values[1]) <= _MOST_REPEATED
    return _numbers(values)


def _flags(values: list[Any]) -> bool:
    return isinstance(values[0], list) and all(isinstance(value, bool | int) for value in values[0])


def _always(values: list[Any]) -> bool:
    return True


#: Most entries of a list that another is repeated to.
_MOST_REPEATED = 4096

#: By their last name.
FUNCTIONS = {
    "NumToTensor": Known(_always, lambda values: values[0]),
    "device": Known(_always, lambda values: None),
    "layout": Known(_always, lambda values: None),
    "dtype": Known(_always, lambda values: None),
    "dim": Known(lambda values: isinstance(values[0], Ref), lambda values: values[0].rank),
    "type": Known(lambda values: values == [None], lambda values: "cpu"),
    **dict.fromkeys(("is_nested", "is_grad_enabled", "is_autocast_enabled", "requires_grad"), Known(_always, lambda values: False)),
    "any": Known(_flags, lambda values: any(values[0])),
    "all": Known(_flags, lambda values: all(values[0])),
    "format": Known(_always, lambda values: ""),
    "__is__": Known(_always, lambda values: values[0] is None and values[1] is None),
    "__isnot__": Known(_always, lambda values: (values[0] is None) != (values[1] is None)),
    "__not__": Known(lambda values: isinstance(values[0], bool), lambda values: not values[0]),
    "__contains__": Known(_listed, lambda values: values[1] in values[0]),
    "_set_item": Known(_listed, _put),
    "keys": Known(_listed, lambda values: list(values[0])),
    "values": Known(_listed, lambda values: list(values[0].values())),
    "items": Known(_listed, lambda values: [list(pair) for pair in values[0].items()]),
    "append": Known(lambda values: isinstance(values[0], list), lambda values: values[0].append(values[1])),
    "add_": Known(lambda values: isinstance(values[0], list), lambda values: values[0].extend(values[1]) or values[0]),
    "__range_length": Known(_numbers, lambda values: len(range(*values))),
    "__derive_index": Known(_numbers, lambda values: values[1] + values[0] * values[2]),
    "len": Known(lambda values: isinstance(values[0], list | dict | str), lambda values: len(values[0])),
    "list": Known(lambda values: isinstance(values[0], list), lambda values: values[0]),
    "slice": Known(lambda values: isinstance(values[0], list), _cut),
    "add": Known(_sums, lambda values: values[0] + values[1]),
    "sub": Known(_numbers, lambda values: values[0] - values[1]),
    "mul": Known(_multiples, lambda values: values[0] * values[1]),
    "neg": Known(_numbers, lambda values: -values[0]),
    "floordiv": Known(_numbers, lambda values: values[0] // values[1]),
    "remainder": Known(_numbers, lambda values: values[0] % values[1]),
    "div": Known(_numbers, lambda values: values[0] / values[1]),
}

#: Numbers that code spells as names.
NUMBERS = {"inf": float("inf"), "nan": float("nan")}

#: Those of them that count, for which a length must be known.
COUNTED = ("__range_length", "__derive_index")

#: Comparisons of known values.
COMPARED: dict[str, Callable[..., bool]] = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}

#: Functions of ``torch.nn.functional`` that check sizes and compute nothing.
CHECKS = ("_verify_batch_size", "_verify_spatial_size")


def complains(body: Sequence[ast.stmt]) -> bool:
    """Whether statements end in an error, or warn and do nothing else."""
    calls = [ast.unparse(node.value.func) for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    if calls[-1:] == ["ops.prim.RaiseException"]:
        return True
    return calls == ["torch.warn"] and all(isinstance(node, ast.Expr | ast.Pass) for node in body)


def dotted(node: ast.expr) -> str:
    """``torch.nn.functional.relu`` of such an attribute; empty for another."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def taken_apart(body: Sequence[ast.stmt]) -> dict[str, int]:
    """The names whose values a later assignment takes apart, ``a, b = _0``, and into how many."""
    return {
        node.value.id: len(node.targets[0].elts)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and isinstance(node.targets[0], ast.Tuple)
    }


def is_type(argument: ast.expr, call: ast.Call) -> bool:
    """Whether an argument is the type of ``annotate``, ``unchecked_cast`` or ``isinstance``."""
    if not isinstance(call.func, ast.Name):
        return False
    first = call.func.id in ("annotate", "unchecked_cast", "uninitialized") and argument is call.args[0]
    return first or (call.func.id == "isinstance" and argument is not call.args[0])


def cast(name: str, value: Any) -> Any:
    """``int(x)`` and such of a known number; of others, and of ``annotate(type, x)``, the value itself."""
    kind = {"int": int, "float": float, "bool": bool}.get(name)
    return kind(value) if kind is not None and isinstance(value, bool | int | float) else value


def is_of(value: Any, types: Sequence[ast.expr]) -> bool:
    """Whether a value is of one of the types that ``isinstance`` names."""
    names = {ast.unparse(one).partition("[")[0] for node in types for one in (node.elts if isinstance(node, ast.Tuple) else [node])}
    kinds: dict[str, Any] = {"Tensor": Ref, "int": int, "float": float, "bool": bool, "str": str, "List": list, "Tuple": list, "Dict": dict}
    return (value is None and "NoneType" in names) or any(isinstance(value, kinds[name]) for name in names & set(kinds))
