"""Operations -> one function that takes a timestep of a group of streams through all layers, and the kernels that it calls.

Layers whose kernels have a sibling for groups take the group together, the others one stream after the other.
"""

from typing import Any

from numba.core import types

from ..kernels.entry.streams import one_by_one
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import IN_GROUPS
from .groups import Rooms, machine_of, scratch_of
from .layout import Layout, Operation
from .numba_ir import kernel_ir
from .targets import Target

#: A timestep of n streams, whose states are at the addresses at `places`; %v: their rooms, %xs, %ys: floats from stream to stream.
_GROUP = """
define void @edgelstm_group(ptr %w, i64 %places, ptr %v, ptr %x, ptr %y, i64 %xs, i64 %ys, i64 %n) {inlining} nounwind "no-builtins" {{
{scratch}
  %shared = getelementptr float, ptr %v, i64 {shared}
{calls}
  ret void
}}
"""

#: What a kernel of a group takes: weights; x, y and floats from stream to stream of each; the addresses of arenas; bytes before the
#: layer's state in them; scratch; and how many streams there are.
GROUP_TYPES = (FLOATS, FLOATS, types.int64, FLOATS, *(types.int64,) * 3, FLOATS, types.int64)


def _call(i: int, op: Operation, name: str, scratch: str, rooms: Rooms) -> str:
    """Operation number i on a timestep of every stream of a group."""
    lines = [f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n"]
    strides = {"input": "%xs", "output": "%ys", "arena": str(rooms.apart)}
    for letter, place in (("x", op.source), ("y", op.target)):
        base = {"input": "%x", "output": "%y", "arena": "%v"}[place.region]
        lines.append(f"  %{letter}{i} = getelementptr float, ptr {base}, i64 {rooms.offset(place)}\n")
    given = f"ptr %x{i}, i64 {strides[op.source.region]}, ptr %y{i}, i64 {strides[op.target.region]}"
    return "".join([*lines, f"  call void @{name}(ptr %w{i}, {given}, i64 %places, i64 {4 * op.state}, ptr {scratch}, i64 %n)\n"])


def group_of(layout: Layout, names: dict[Any, str], rooms: Rooms, target: Target, scratch: str, inlining: str = "") -> list[str]:
    """IR texts: a timestep of a group of streams, and the kernels that take one, or its streams one by one.

    Parameters
    ----------
    names : dict
        Symbols of the kernels that take one stream: see `fuse.kernels`.
    scratch : str
        Lines that find %scratch, for those kernels.
    inlining : str
        LLVM's attribute of the function.
    """
    texts: list[str] = []
    found: dict[Any, str] = {}
    body = ""
    for i, op in enumerate(layout.operations):
        key, together = (op.kernel, op.constants), scratch_of(op, target) is not None
        if key not in found:
            found[key] = f"{op.kernel}_group_{len(found)}"
            if together:
                given = {**dict(op.constants), "machine": machine_of(target, rooms.most)}
                texts.append(kernel_ir(found[key], IN_GROUPS[op.kernel], GROUP_TYPES, **given))
            else:
                texts.append(kernel_ir(found[key], one_by_one, GROUP_TYPES, kernel=names[key], counts=op.counts))
        body += _call(i, op, found[key], "%shared" if together else "%scratch", rooms)
    kinds = ", ".join("ptr" if kind == FLOATS else "i64" for kind in GROUP_TYPES)
    declarations = "".join(f"declare void @{name}({kinds})\n" for name in found.values())
    return [declarations + _GROUP.format(calls=body, scratch=scratch, shared=rooms.shared, inlining=inlining), *texts]
