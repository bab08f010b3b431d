"""What an array of a TensorFlow graph may be beside constant or flowing: a count of iterations, a list of rows, dead."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from ...errors import UnsupportedModelError
from ..from_onnx.calls import Call
from ..from_onnx.file import Node
from ..graph.tracing import Flow, Value
from ..graph.wires import Ids

#: The domain of TensorFlow's operators.
DOMAIN = "tensorflow"

_NOWHERE: Ids = np.full((), -1, np.int64)

#: Follows one operator; gives its outputs.
Handler: TypeAlias = Callable[[Call], Sequence[Value]]


@dataclass(frozen=True, eq=False)
class Special(Flow):
    """An array whose numbers have no identities, which few operators take."""

    ids: Ids = field(default_factory=lambda: _NOWHERE)


@dataclass(frozen=True, eq=False)
class Dead(Special):
    """What a branch gives that is not taken."""


@dataclass(frozen=True, eq=False)
class Count(Special):
    """The number of a loop's present iteration, of `trips`, plus `offset`. `directions`: how rows are read by it, found as they are."""

    offset: int = 0
    trips: int = 1
    directions: list[bool] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Rows(Special):
    """A TensorArray or TensorList of `count` rows: `filled` with an array, one row after the other, or `written` by each iteration.

    `single`: the rows that were put into it one by one, where some are still missing.
    """

    count: int = 0
    filled: Value | None = None
    written: Value | None = None
    single: tuple[Value, ...] = ()


@dataclass(frozen=True, eq=False)
class Drawn(Special):
    """Numbers drawn at random, of which is known that they are at least `low` and less than `high`."""

    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, eq=False)
class Unwritten(Special, ABC):
    """A value that is written out as an array where an operator needs one."""

    @abstractmethod
    def written(self, call: Call) -> Value:
        """The value as an array."""


@dataclass(frozen=True, eq=False)
class Inner(Special):
    """What a fused operator has inside, which nothing else reads."""


@dataclass(frozen=True, eq=False)
class Whole(Special):
    """Samples that the graph makes whole numbers of: indices, which are whole already."""

    integer: bool = True


@dataclass(frozen=True, eq=False)
class Spaced(Special):
    """Rows dealt out to sequences for a convolution with dilation: `inner` is the array before, `block` into how many, by axis."""

    inner: Flow = field(default_factory=lambda: Flow(_NOWHERE))
    block: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Bounded(Flow):
    """Numbers of which it is known that they are those of `inner`, held above (`low`) or below a bound."""

    inner: Flow = field(default_factory=lambda: Flow(_NOWHERE))
    bound: float = 0.0
    low: bool = False


def plain(handler: Handler, *takes: type) -> Handler:
    """A handler that is given what flows, constants, and special arrays of the types it `takes`. What reads something dead is dead."""

    def run(call: Call) -> Sequence[Value]:
        if any(isinstance(value, Dead) for value in call.values):
            for name in call.unused:
                call.attribute(name)
            return [Dead()] * len(call.node.outputs)
        call.values = [
            value.written(call) if isinstance(value, Unwritten) and not isinstance(value, takes) else value for value in call.values
        ]
        odd = next((v for v in call.values if isinstance(v, Special) and not isinstance(v, takes)), None)
        if odd is not None:
            call.refuse(f"computes with {_CALLED[type(odd)]}, which is not imported")
        return handler(call)

    return run


_CALLED: dict[type, str] = {
    Count: "the number of a loop's iteration",
    Rows: "a list of rows as though it were an array",
    Inner: "a gate of a fused operator",
    Whole: "samples that are made whole numbers, beside looking them up in a table",
    Spaced: "rows that are dealt out to sequences, beside convolving them",
    Drawn: "numbers drawn at random, as in training",
}


def onnx(call: Call, op: str, *values: Value | int | float | Sequence[int], outputs: int = 1, **attributes: Any) -> list[Value]:
    """What an operator of ONNX gives in the call's place. Whole numbers become arrays."""
    given = [value if isinstance(value, Flow | np.ndarray) else np.asarray(value) for value in values]
    names = call.node.outputs[:outputs] if outputs <= len(call.node.outputs) else ("",) * outputs
    node = Node(op, "ai.onnx", call.node.name, ("",) * len(given), names, attributes)
    return list(call.runner.operator(node, given))


def one(call: Call, op: str, *values: Value | int | float | Sequence[int], **attributes: Any) -> Value:
    """The output of an operator of ONNX that has one."""
    return onnx(call, op, *values, **attributes)[0]


def like(value: Value, found: Value) -> Value:
    """`found`, of the kind of numbers that `value` holds."""
    return replace(found, integer=value.integer) if isinstance(found, Flow) and isinstance(value, Flow) else found


def refused(why: str) -> Handler:
    """The handler of an operator that is not imported."""

    def run(call: Call) -> Sequence[Value]:
        raise UnsupportedModelError(f"{call.node}: {why}.")

    return run
