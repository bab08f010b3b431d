"""Operations -> one LLVM module that steps many streams in one call, beside the one that steps one.

===========================  ==================================================================================
``edgelstm_run_streams``     ``int64 (call, x, y)``: see `kernels.entry.streams`
``edgelstm_run_arrays``      the same of array objects: see `kernels.entry.python_streams`
``edgelstm_run_windowed``    ``int64 (call, x, y, n)``: see there
``edgelstm_python_windowed`` what Python calls as ``windowed.step``: see there
===========================  ==================================================================================

Of each stream there is its state alone; scratch and the rows between layers are in a room that all of them use in turn, laid out as an
arena. Groups of streams have a room each, one behind the other.
"""

from typing import Any

from numba.core import types

from ..kernels.entry.python_streams import python_windowed, run_arrays, run_windowed
from ..kernels.entry.streams import run_streams
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import CHECKS, IN_GROUPS
from ..runtime import binding, many_call
from .fuse import calls, declared, kernels, rated
from .layout import Layout, Operation
from .lowering import STREAMS
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

_GROUP = """
define void @edgelstm_group(ptr %w, i64 %places, ptr %v, ptr %x, ptr %y, i64 %xs, i64 %ys) alwaysinline nounwind "no-builtins" {{
{calls}
  ret void
}}
"""

#: What stream number k of a group works on: its state, room, sample and answer.
_STREAM = """
  %at.{k} = add i64 %places, {place}
  %p.{k} = inttoptr i64 %at.{k} to ptr
  %a.{k} = load ptr, ptr %p.{k}
  %v.{k} = getelementptr i8, ptr %v, i64 {room}
  %z.{k} = getelementptr i8, ptr %v.{k}, i64 {scratch}
  %xs.{k} = mul i64 %xs, {k}
  %x.{k} = getelementptr float, ptr %x, i64 %xs.{k}
  %ys.{k} = mul i64 %ys, {k}
  %y.{k} = getelementptr float, ptr %y, i64 %ys.{k}
  %taken.{k} = load i64, ptr %a.{k}
"""

_COUNT = "  %more.{k} = add i64 %taken.{k}, 1\n  store i64 %more.{k}, ptr %a.{k}\n"


def exports(_layout: Layout) -> tuple[str, ...]:
    """The entry points of a library of this layout."""
    return EXPORTS


def grouped(layout: Layout) -> int:
    """Streams that are stepped as a group; 0 where no kernel gains by that, or where not every row is due at every step."""
    due = all(op.every == op.first == 1 for op in layout.operations)
    return STREAMS if due and any(_in_group(op) for op in layout.operations) else 0


def _in_group(op: Operation) -> bool:
    """Whether a kernel takes a group of streams at once.

    One by one are taken: cells with options, weights in half precision, and GRU whose reset gate comes before the product.
    """
    given = dict(op.constants)
    return op.kernel in IN_GROUPS and not given.get("options") and not given.get("halves") and bool(given.get("reset_after", 1))


def _group_call(i: int, op: Operation, name: str, together: bool) -> str:
    """Operation number i on a timestep of every stream of a group."""
    lines, streams = [f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n"], range(STREAMS)
    for k in streams:
        lines.append(f"  %s{i}.{k} = getelementptr float, ptr %a.{k}, i64 {op.state}\n")
        for letter, place in (("x", op.source), ("y", op.target)):
            base = {"input": f"%x.{k}", "output": f"%y.{k}", "arena": f"%v.{k}"}[place.region]
            lines.append(f"  %{letter}{i}.{k} = getelementptr float, ptr {base}, i64 {place.offset}\n")
    if together:
        given = ", ".join(f"ptr %{letter}{i}.{k}" for letter in "xys" for k in streams)
        return "".join([*lines, f"  call void @{name}(ptr %w{i}, {given}) alwaysinline\n"])
    for k in streams:
        counted = f", i64 %taken.{k}" if op.counts else ""
        lines.append(
            f"  call void @{name}(ptr %w{i}, ptr %x{i}.{k}, ptr %y{i}.{k}, ptr %s{i}.{k}, ptr %z.{k}, i64 1{counted}) alwaysinline\n"
        )
    return "".join(lines)


def _group(layout: Layout, names: dict[Any, str], target: Target) -> list[str]:
    """IR texts: a timestep of a group of streams, and the kernels that take one at once."""
    texts: list[str] = []
    found: dict[Any, str] = {}
    body: list[str] = []
    for k in range(STREAMS):
        body.append(_STREAM.format(k=k, place=8 * k, room=k * layout.arena_bytes, scratch=layout.scratch_offset))
    for i, op in enumerate(layout.operations):
        key = op.kernel, op.constants
        if _in_group(op) and key not in found:
            found[key] = f"{op.kernel}_group_{len(found)}"
            given = {name: value for name, value in op.constants if name not in ("options", "halves")}
            machine = {"lanes": target.lanes, "registers": target.registers}
            texts.append(kernel_ir(found[key], IN_GROUPS[op.kernel], (FLOATS,) * (1 + 3 * STREAMS), **given, **machine))
        body.append(_group_call(i, op, found.get(key, names[key]), key in found))
    body += [_COUNT.format(k=k) for k in range(STREAMS)]
    kinds = ", ".join(["ptr"] * (1 + 3 * STREAMS))
    return ["".join(f"declare void @{name}({kinds})\n" for name in found.values()) + _GROUP.format(calls="".join(body)), *texts]


def fuse(layout: Layout, target: Target) -> list[str]:
    """The library's code as IR texts to be linked."""
    names, texts = kernels(layout)
    rates = rated(layout)
    check, constants = layout.checks
    number, group = types.int64, grouped(layout)
    texts += rates.values()
    texts.append(kernel_ir("edgelstm_first_bad", CHECKS[check], (FLOATS, types.float32, number), number, **constants))
    sizes = {"inputs": layout.input_size, "outputs": layout.output_size, "block": layout.block, "sample": layout.sample_offset // 4}
    entry = {**sizes, "group": group, "each_step": layout.each_step, "at": many_call}
    texts.append(kernel_ir(EXPORTS[0], run_streams, (number, FLOATS, FLOATS), number, **entry))
    known = {"at": binding, "of": many_call}
    texts.append(kernel_ir(EXPORTS[1], run_arrays, (number,) * 3, number, inputs=layout.input_size, **known))
    state, ends = layout.state_bytes // 4, {"inputs": layout.input_size, "outputs": layout.output_size}
    texts.append(kernel_ir(EXPORTS[2], run_windowed, (number, FLOATS, FLOATS, number), number, **ends, state_words=state, of=many_call))
    texts.append(kernel_ir(EXPORTS[3], python_windowed, (number,) * 4, number, shape=layout.input_shape, state_words=state, **known))
    body = _MODEL.format(
        one_step=calls(layout, names, "1", "alwaysinline", "%v"), block_of_steps=calls(layout, names, "%n", "noinline", "%v")
    )
    group_text, *group_kernels = _group(layout, names, target) if group else [""]
    return [declared(layout, names, tuple(rates)) + body + group_text, *group_kernels, *texts]
