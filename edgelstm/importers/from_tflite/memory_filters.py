"""SVDF: filters over channels, each over its own memory of the last steps. A state holds the memory, as a variable does.

Inputs and layout of the state: ``tensorflow/lite/kernels/svdf.cc``.
"""

import numpy as np

from ..from_onnx.writer import Ref
from .file import Operator
from .scope import Handler, Scope


def _svdf(s: Scope, operator: Operator) -> Ref:
    """Inputs: x; weights of channels (filters, inputs) and of time (filters, steps); bias; state (batch, filters * steps), oldest first."""
    x, feature, time, state = s.ref(operator, 0), s.array(operator, 1), s.array(operator, 2), operator.operand(4)
    rank = int(operator.options.number(0, "i"))
    if s.inside or state.data is not None or not state.variable or state in s.values:
        s.refuse(f"its state {state} is no variable of its own outside of loops, which is not imported")
    if x.rank != 2 or feature.ndim != 2 or time.ndim != 2 or len(feature) != len(time) or rank < 1 or len(feature) % rank:
        s.refuse(f"its weights have shapes {feature.shape} and {time.shape} for rank {rank}")
    (filters, steps), name = time.shape, f"SVDF {state.name}"
    if state.shape != (1, filters * steps) or name in s.shared.inputs:
        s.refuse(f"its state {state} is not that of one sequence ({filters} filters over {steps} steps), or of another operator too")
    s.shared.inputs[name] = state
    held = s.writer.one("Reshape", Ref(f"variable {name}", 2), s.writer.ints([1, filters, steps]), rank=3)
    kept = s.writer.one("Slice", held, *(s.writer.ints([n]) for n in (1, steps, 2)), rank=3)
    fresh = s.writer.one("MatMul", x, s.writer.constant(np.ascontiguousarray(feature.T)), rank=2)
    memory = s.writer.one("Concat", kept, s.writer.one("Unsqueeze", fresh, s.writer.ints([2]), rank=3), axis=2)
    s.shared.variables[name] = s.writer.one("Reshape", memory, s.writer.ints([1, filters * steps]), rank=2)
    units = np.repeat(np.eye(filters // rank), rank, axis=0)  # (filters, units)
    weight = (time[:, :, None] * units[:, None, :]).reshape(filters * steps, -1)
    out = s.writer.one("MatMul", s.shared.variables[name], s.writer.constant(weight), rank=2)
    out = s.writer.one("Add", out, s.writer.constant(s.array(operator, 3))) if s.has(operator, 3) else out
    return s.fused(out, operator.options.number(1, "b"))


#: By operator.
FILTERS: dict[str, Handler] = {"SVDF": _svdf}
