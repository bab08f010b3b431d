"""Operators that lay rows and columns out in blocks, and others that move numbers by an index, as nodes of ONNX."""

from ..from_onnx.writer import Ref
from .file import Operator
from .scope import Handler, Scope


def _depth(op: str) -> Handler:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE, whose channels come last here."""

    def write(s: Scope, operator: Operator) -> Ref:
        x = s.ref(operator, 0)
        if x.rank != 4:
            s.refuse(f"its input {operator.operand(0)} has not four dimensions")
        turned = s.writer.one("Transpose", x, perm=[0, 3, 1, 2])
        made = s.writer.one(op, turned, rank=4, blocksize=int(operator.options.number(0, "i")))
        return s.writer.one("Transpose", made, perm=[0, 2, 3, 1])

    return write


def _one_hot(s: Scope, operator: Operator) -> Ref:
    """Inputs: index, depth, what stands at the index, and what elsewhere."""
    index, on, off = s.ref(operator, 0), s.array(operator, 2), s.array(operator, 3)
    values = s.writer.constant([float(off.item()), float(on.item())])
    return s.writer.one("OneHot", index, s.ref(operator, 1), values, rank=index.rank + 1, axis=int(operator.options.number(0, "i")))


def _reversed(s: Scope, operator: Operator) -> Ref:
    """REVERSE_SEQUENCE, up to the length of each sequence."""
    x = s.ref(operator, 0)
    time, batch = (s.axis(operator.options.number(field, "i"), x.rank) for field in (0, 1))
    return s.writer.one("ReverseSequence", x, s.ref(operator, 1), rank=x.rank, time_axis=time, batch_axis=batch)


def _gather_nd(s: Scope, operator: Operator) -> Ref:
    return s.writer.one("GatherND", s.ref(operator, 0), s.ref(operator, 1), rank=len(operator.outputs[0].shape))


#: By operator.
BLOCKS: dict[str, Handler] = {
    "SPACE_TO_DEPTH": _depth("SpaceToDepth"),
    "DEPTH_TO_SPACE": _depth("DepthToSpace"),
    "ONE_HOT": _one_hot,
    "REVERSE_SEQUENCE": _reversed,
    "GATHER_ND": _gather_nd,
}
