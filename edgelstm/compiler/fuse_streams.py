"""Operations -> one LLVM module that steps many streams in one call, beside the one that steps one.

===========================  ==================================================================================
``edgelstm_run_streams``     ``int64 (call, x, y)``: see `kernels.entry.streams`
``edgelstm_run_arrays``      the same of array objects: see `kernels.entry.python_streams`
``edgelstm_run_windowed``    ``int64 (call, x, y, n)``: see there
``edgelstm_python_windowed`` what Python calls as ``windowed.step``: see there
===========================  ==================================================================================

Of each stream there is its state alone; scratch and the rows between layers are in a room that all of them use in turn, laid out as an
arena. The streams of a group have a room each, one behind the other, but for scratch, which they share.
"""

from typing import Any

from numba.core import types

from ..kernels.entry.python_streams import python_windowed, run_arrays, run_windowed
from ..kernels.entry.streams import one_by_one, run_streams
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import CHECKS, IN_GROUPS
from ..runtime import binding, many_call
from .fuse import calls, declared, kernels, rated
from .groups import most_together, room_of, scratch_of
from .layout import Layout, Operation
from .numba_ir import kernel_ir
from .targets import Target

EXPORTS = ("edgelstm_run_streams", "edgelstm_run_arrays", "edgelstm_run_windowed", "edgelstm_python_windowed")

_MODEL = """
define void @edgelstm_apart(ptr %w, ptr %a, ptr %v, ptr %x, ptr %y) alwaysinline nounwind "no-builtins" {{
{one_step}
  ret void
}}

define void @edgelstm_apart_block(ptr %w, ptr %a, ptr %v, ptr %x, ptr %y, i64 %n) alwaysinline nounwind "no-builtins" {{
{block_of_steps}
  ret void
}}
"""

#: A timestep of n streams, whose states are at the addresses at `places`; %v: their rooms, %xs, %ys: floats from stream to stream.
_GROUP = """
define void @edgelstm_group(ptr %w, i64 %places, ptr %v, ptr %x, ptr %y, i64 %xs, i64 %ys, i64 %n) nounwind "no-builtins" {{
  %scratch = getelementptr i8, ptr %v, i64 {scratch}
  %shared = getelementptr float, ptr %v, i64 {shared}
{calls}
  ret void
}}
"""

#: What a kernel of a group takes: weights; x, y and floats from stream to stream of each; the addresses of arenas; bytes before the
#: layer's state in them; scratch; and how many streams there are.
GROUP_TYPES = (FLOATS, FLOATS, types.int64, FLOATS, *(types.int64,) * 3, FLOATS, types.int64)


def exports(_layout: Layout) -> tuple[str, ...]:
    """The entry points of a library of this layout."""
    return EXPORTS


def _group_call(i: int, op: Operation, name: str, scratch: str, room: int) -> str:
    """Operation number i on a timestep of every stream of a group."""
    lines = [f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n"]
    strides = {"input": "%xs", "output": "%ys", "arena": str(room)}
    for letter, place in (("x", op.source), ("y", op.target)):
        base = {"input": "%x", "output": "%y", "arena": "%v"}[place.region]
        lines.append(f"  %{letter}{i} = getelementptr float, ptr {base}, i64 {place.offset}\n")
    given = f"ptr %x{i}, i64 {strides[op.source.region]}, ptr %y{i}, i64 {strides[op.target.region]}"
    return "".join([*lines, f"  call void @{name}(ptr %w{i}, {given}, i64 %places, i64 {4 * op.state}, ptr {scratch}, i64 %n)\n"])


def _group(layout: Layout, names: dict[Any, str], target: Target) -> list[str]:
    """IR texts: a timestep of a group of streams, and the kernels that take one, or its streams one by one."""
    texts: list[str] = []
    found: dict[Any, str] = {}
    body, room = "", room_of(layout)
    for i, op in enumerate(layout.operations):
        key, together = (op.kernel, op.constants), scratch_of(op, target) is not None
        if key not in found:
            found[key] = f"{op.kernel}_group_{len(found)}"
            if together:
                machine = {"lanes": target.lanes, "registers": target.registers}
                texts.append(kernel_ir(found[key], IN_GROUPS[op.kernel], GROUP_TYPES, **dict(op.constants), **machine))
            else:
                texts.append(kernel_ir(found[key], one_by_one, GROUP_TYPES, kernel=names[key], counts=op.counts))
        body += _group_call(i, op, found[key], "%shared" if together else "%scratch", room)
    kinds = ", ".join("ptr" if kind == FLOATS else "i64" for kind in GROUP_TYPES)
    declarations = "".join(f"declare void @{name}({kinds})\n" for name in found.values())
    places = {"scratch": layout.scratch_offset, "shared": most_together(layout, target) * room}
    return [declarations + _GROUP.format(calls=body, **places), *texts]


def fuse(layout: Layout, target: Target) -> list[str]:
    """The library's code as IR texts to be linked."""
    names, texts = kernels(layout)
    rates = rated(layout)
    check, constants = layout.checks
    number, group = types.int64, most_together(layout, target)
    texts += rates.values()
    texts.append(kernel_ir("edgelstm_first_bad", CHECKS[check], (FLOATS, types.float32, number), number, **constants))
    sizes = {"inputs": layout.input_size, "outputs": layout.output_size, "block": layout.block, "sample": layout.sample_offset // 4}
    entry = {**sizes, "group": group, "counts": any(op.counts for op in layout.operations), "each_step": layout.each_step, "at": many_call}
    texts.append(kernel_ir(EXPORTS[0], run_streams, (number, FLOATS, FLOATS), number, **entry))
    known = {"at": binding, "of": many_call}
    texts.append(kernel_ir(EXPORTS[1], run_arrays, (number,) * 3, number, inputs=layout.input_size, **known))
    state, ends = layout.state_bytes // 4, {"inputs": layout.input_size, "outputs": layout.output_size}
    texts.append(kernel_ir(EXPORTS[2], run_windowed, (number, FLOATS, FLOATS, number), number, **ends, state_words=state, of=many_call))
    texts.append(kernel_ir(EXPORTS[3], python_windowed, (number,) * 4, number, shape=layout.input_shape, state_words=state, **known))
    body = _MODEL.format(
        one_step=calls(layout, names, "1", "alwaysinline", "%v"), block_of_steps=calls(layout, names, "%n", "noinline", "%v")
    )
    group_text, *group_kernels = _group(layout, names, target) if group > 1 else [""]
    return [declared(layout, names, tuple(rates)) + body + group_text, *group_kernels, *texts]
