"""Graphs of whole numbers, computed as the whole numbers that they are: levels less their zero point, which float32 holds exactly.

Convolutions and matrices sum products of levels, which is exact up to 2**24; each sum times its multiplier is then rounded to the levels of
the answer, halves to even, as XNNPACK does it for TensorFlow Lite. What moves levels leaves them as they are. All other operators compute
with the numbers that levels stand for, and their answers are rounded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.fake_quantize import DynamicFakeQuantize, Requantize
from ..from_onnx.calls import Call
from ..from_onnx.dynamic_rounding import rounded
from ..from_onnx.writer import Ref
from ..graph.expressions import Made
from ..graph.tracing import Flow, Value
from .file import Graph, Operator, Tensor
from .hybrid import FEW, SUMS, flows, meets
from .moving import DOMAIN, MOVING
from .scope import Handler, Scope
from .variables import VARIABLES

#: The largest sum that float32 holds exactly.
_EXACT = 1 << 24

#: Operators whose answers are some of the levels that they read.
_MOVES = {*MOVING, *VARIABLES, "MAX_POOL_2D"} - {"QUANTIZE", "DEQUANTIZE", "CAST"}

#: Bounds of fused functions, by number, as numbers.
_BOUNDS = {0: (-np.inf, np.inf), 1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}


def is_whole(graph: Graph) -> bool:
    """Whether whole numbers flow through a graph, or numbers meet weights of whole numbers."""
    operators = [operator for one in (graph, *graph.others) for operator in one.operators]
    return any(map(flows, graph.inputs)) or any(meets(operator) or any(map(flows, operator.outputs)) for operator in operators)


@dataclass(eq=False)
class LevelScope(Scope):
    """A graph of whole numbers. `mode`: what the present operator is given, ``"numbers"``, ``"levels"`` or ``"sums"`` of their products."""

    mode: str = "numbers"
    #: What the present operator is given in the place of a tensor.
    instead: dict[Tensor, Ref] = field(default_factory=dict)
    _numbers: dict[Tensor, Ref] = field(default_factory=dict)

    def given(self, tensor: Tensor) -> Ref:
        """What a tensor has become, as the present operator takes it."""
        ref = self.instead.get(tensor) or super().given(tensor)
        if self.mode != "numbers":
            if tensor.data is not None and tensor.type in FEW and tensor.scale.size == 1 and self.mode == "levels":
                return self.writer.constant(np.rint(self.writer.constants[ref.name] / tensor.scale).astype(np.float32))
            return ref
        if flows(tensor) and ref.name not in self.writer.constants:
            if tensor not in self._numbers:
                self._numbers[tensor] = self.writer.one("Mul", ref, self.writer.constant(tensor.scale.reshape(()).astype(np.float32)))
            return self._numbers[tensor]
        return ref

    def array(self, operator: Operator, index: int) -> NDArray[Any]:
        """An input that must be constant; its levels, if products of them are summed."""
        tensor = operator.operand(index)
        if self.instead and (found := self.known(tensor)) is not None:
            return found
        if self.mode != "sums" or not tensor.scale.size or tensor.data is None:
            return super().array(operator, index)
        levels = tensor.data.astype(np.int64)
        if tensor.zero_point.any() or np.abs(levels).max(initial=0) >= _EXACT:
            self.refuse(f"its input {index}, {tensor}, has a zero point, or levels beyond {_EXACT}")
        return levels.astype(np.float32)

    def fused(self, ref: Ref, number: int) -> Ref:
        """The function that is fused into an operator; behind sums the bounds of rounding are it."""
        return ref if self.mode == "sums" and number in _BOUNDS else super().fused(ref, number)

    def rounded(self, ref: Ref, multiplier: NDArray[np.floating[Any]], to: Tensor, bounds: tuple[float, float] = _BOUNDS[0]) -> Ref:
        """``multiplier`` times a value, rounded to the levels of a tensor that lie within bounds, which are numbers."""
        ends, zero, scale = np.iinfo(to.type), int(to.zero_point[0]), float(to.scale[0])
        low, high = (float(np.clip(np.rint(bound / scale), ends.min - zero, ends.max - zero)) for bound in bounds)
        given = {"multiplier": multiplier.astype(np.float32), "low": low, "high": high}
        return self.writer.native("REQUANTIZE", DOMAIN, [self.written(ref)], ref.rank, **given)


def in_levels(handlers: Mapping[str, Handler]) -> dict[str, Handler]:
    """The writers of a graph of whole numbers."""
    rounding = {kind: _rounding(handler) for kind, handler in handlers.items()}
    moving: dict[str, Handler] = {kind: _moving(handlers[kind], rounding[kind]) for kind in _MOVES}
    summing: dict[str, Handler] = {kind: _summing(handlers[kind], rounding[kind]) for kind in SUMS}
    return {**rounding, **moving, **summing, "QUANTIZE": _quantize}


def _scope(s: Scope) -> LevelScope:
    if not isinstance(s, LevelScope):
        s.refuse("whole numbers inside a loop or branch are not imported")
    return s


def _rounding(handler: Handler) -> Callable[[Scope, Operator], list[Ref]]:
    """An operator that computes with numbers."""

    def write(s: Scope, operator: Operator) -> list[Ref]:
        s = _scope(s)
        made = handler(s, operator)
        refs = [made] if isinstance(made, Ref) else list(made)
        return [s.rounded(ref, 1 / t.scale, t) if flows(t) else ref for ref, t in zip(refs, operator.outputs, strict=False)]

    return write


def _moving(handler: Handler, otherwise: Callable[[Scope, Operator], list[Ref]]) -> Handler:
    """An operator that moves levels, if they stand for the same numbers behind it as before."""

    def write(s: Scope, operator: Operator) -> "Ref | list[Ref]":
        s = _scope(s)
        held = s.shared.inputs.get(s.handles.get(operator.operand(0), "")) if operator.kind == "ASSIGN_VARIABLE" else None
        tensors = [t for t in (*operator.inputs, *operator.outputs, held) if t is not None and t.scale.size]
        alike = {(float(t.scale[0]), int(t.zero_point[0])) for t in tensors if t.type in FEW}
        if len(alike) > 1 or (alike and any(t.type not in FEW for t in tensors)):
            if operator.kind in VARIABLES:
                s.refuse("its variable holds levels of several scales")
            return otherwise(s, operator)
        s.mode = "levels"
        made = handler(s, operator)
        s.mode = "numbers"
        return made if isinstance(made, Ref) else list(made)

    return write


def _summing(handler: Handler, otherwise: Callable[[Scope, Operator], list[Ref]]) -> Handler:
    """An operator that sums products of levels, if its weights are levels too."""

    def write(s: Scope, operator: Operator) -> "Ref | list[Ref]":
        s, x, weight, y = _scope(s), operator.operand(0), operator.operand(1), operator.outputs[0]
        number = operator.options.number(SUMS[operator.kind], "b")
        if meets(operator):
            before = s.ref(operator, 0)
            whole = "ROUND_ROWS" if operator.kind == "FULLY_CONNECTED" else "ROUND_ALL"
            s.instead[x] = s.writer.native(whole, DOMAIN, [before], before.rank)
            made = otherwise(s, operator)
            s.instead.clear()
            return made
        if not (flows(x) and flows(y) and weight.data is not None and weight.type == "int8" and number in _BOUNDS):
            return otherwise(s, operator)
        s.mode = "sums"
        sums = handler(s, operator)
        s.mode = "numbers"
        assert isinstance(sums, Ref)
        return s.rounded(sums, x.scale.astype(np.float32) * weight.scale / y.scale, y, _BOUNDS[number])

    return write


def _quantize(s: Scope, operator: Operator) -> Ref:
    """Numbers as levels, or levels as others."""
    s, x, y = _scope(s), operator.operand(0), operator.outputs[0]
    if not flows(y):
        s.refuse(f"it makes {y}")
    s.mode = "levels" if flows(x) else "numbers"
    ref = s.given(x)
    s.mode = "numbers"
    return s.rounded(ref, (x.scale if flows(x) else np.float32(1)) / y.scale, y)


def requantize(call: Call) -> list[Value]:
    """``min(max(round(multiplier x), low), high)``; multiplier: one, or one for each number along the last axis."""
    x, multiplier = call.flow(0), call.attribute("multiplier")
    low, high = call.attribute("low"), call.attribute("high")
    each = np.broadcast_to(multiplier, x.shape).reshape(-1)
    group = call.tracer.grouped([x.ids.reshape(-1, 1)], [each])
    refs, factors = group.refs[0][:, 0], group.constants[0]
    record = Requantize(factors, np.full(refs.size, low), np.full(refs.size, high))
    return [Flow(call.tracer.output(group, Made(call.tracer.place, record, [refs])).reshape(x.shape))]


def round_rows(call: Call) -> list[Value]:
    """Each row along the last axis rounded to 256 levels over its own range."""
    x = call.flow(0)
    return [call.tracer.rows(x, lambda: DynamicFakeQuantize("step"), x.shape[-1])]


def round_all(call: Call) -> list[Value]:
    """An array rounded to 256 levels over its range."""
    return [rounded(call, call.flow(0))]


def settled(scope: LevelScope) -> None:
    """Take what variables begin with as levels."""
    for name, tensor in scope.shared.inputs.items():
        if flows(tensor) and name in scope.shared.initial:
            scope.shared.initial[name] = np.rint(scope.shared.initial[name] / tensor.scale)


def take_inputs(scope: LevelScope) -> None:
    """Round the numbers that a graph is given to the levels of its inputs."""
    for tensor in scope.graph.inputs:
        if flows(tensor):
            scope.values[tensor] = scope.rounded(scope.values[tensor], 1 / tensor.scale, tensor)
