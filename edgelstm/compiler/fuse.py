"""Operations -> one LLVM module: all layers in one function, and around it the entry points of a library.

===========================  ==================================================================================
``edgelstm_run``             ``int64 (weights, arena, x, y, n, limit, checked)``: see `kernels.entry.blocks`
``edgelstm_python_step``     what Python calls as ``stream.step``: see `kernels.entry.python_call`
``edgelstm_run_tokens``      of a model that can read its own answers: see `kernels.entry.generation`
===========================  ==================================================================================

Only a cache miss comes here: this file imports Numba.
"""

from itertools import groupby
from typing import Any

from numba.core import types

from ..kernels.entry.rates import due
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import AROUND, CHECKS, LAYER_KERNELS, generate, process, python_block, python_step
from ..runtime import binding
from .layout import Layout, Operation, Place
from .numba_ir import kernel_ir

EXPORTS, TOKENS = ("edgelstm_run", "edgelstm_python_step"), "edgelstm_run_tokens"

_MODEL = """
define void @edgelstm_step_in_place(i64 %weights, i64 %arena) {inlining} nounwind "no-builtins" {{
  %w = inttoptr i64 %weights to ptr
  %a = inttoptr i64 %arena to ptr
  %x = getelementptr i8, ptr %a, i64 {sample}
  %y = getelementptr i8, ptr %a, i64 {output}
{one_step}
  ret void
}}

define void @edgelstm_block(ptr %w, ptr %a, ptr %x, ptr %y, i64 %n) alwaysinline nounwind "no-builtins" {{
{block_of_steps}
  ret void
}}
"""

#: Operations that are inlined into the step. LLVM's time for one function grows faster than the function; of more, each is called.
MOST_INLINED = 256

#: Arguments of `TOKENS`.
TOKENS_TYPES = (*(types.int64,) * 8, types.float32, types.int64, types.float32)

KERNEL_TYPES = (FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, types.int64)


def pointer(place: Place, name: str, room: str = "%a", row: str = "") -> str:
    """Where a place is, or a row of it. `room`: where the rows between layers are."""
    base = {"input": "%x", "output": "%y", "arena": room}[place.region]
    if not row:
        return f"  {name} = getelementptr float, ptr {base}, i64 {place.offset}\n"
    return (
        f"  {name}.rows = mul i64 {row}, {place.stride}\n  {name}.at = add i64 {name}.rows, {place.offset}\n"
        f"  {name} = getelementptr float, ptr {base}, i64 {name}.at\n"
    )


def _call(i: int, op: Operation, name: str, rows: str, inlining: str, room: str, row: str = "") -> str:
    """Operation number i on so many rows, from a row on."""
    return (
        f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n  %s{i} = getelementptr float, ptr %a, i64 {op.state}\n"
        f"{pointer(op.source, f'%x{i}', room, row)}{pointer(op.target, f'%y{i}', room, row)}"
        f"  call void @{name}(ptr %w{i}, ptr %x{i}, ptr %y{i}, ptr %s{i}, ptr %z, i64 {rows}) {inlining}\n"
    )


def turning(loop: int, body: str, rows: str) -> str:
    """`body`, calls on the row that `row_of` names, for so many rows."""
    row, more = row_of(loop), f"%next{loop}"
    return (
        f"  %some{loop} = icmp sgt i64 {rows}, 0\n  br i1 %some{loop}, label %enter{loop}, label %left{loop}\n"
        f"enter{loop}:\n  br label %turn{loop}\nturn{loop}:\n  {row} = phi i64 [ 0, %enter{loop} ], [ {more}, %turn{loop} ]\n{body}"
        f"  {more} = add i64 {row}, 1\n  %goes{loop} = icmp slt i64 {more}, {rows}\n"
        f"  br i1 %goes{loop}, label %turn{loop}, label %left{loop}\nleft{loop}:\n"
    )


def row_of(loop: int) -> str:
    """The number of the row that a loop of layers is at."""
    return f"%row{loop}"


def by_loop(layout: Layout) -> list[tuple[int, list[tuple[int, Operation]]]]:
    """The operations, numbered, of each loop of layers together, and those between."""
    return [(loop, list(part)) for loop, part in groupby(enumerate(layout.operations), lambda numbered: numbered[1].loop)]


def calls(layout: Layout, names: dict[Any, str], count: str, inlining: str, room: str = "%a", turns: str = "noinline") -> str:
    """Every operation on `count` timesteps, and the count of steps taken.

    inlining: LLVM's attribute of the calls; room: where scratch and the rows between layers are, as in an arena; turns: the attribute of
    calls in loops of layers, on one row each.
    """
    lines = [f"  %z = getelementptr i8, ptr {room}, i64 {layout.scratch_offset}\n"]
    if is_rated(layout):
        lines.append(_rated_calls(layout, names, count, inlining, room, turns))
    else:
        for loop, part in by_loop(layout):
            if loop and count != "1":
                each = [_call(i, op, names[op.kernel, op.constants], "1", turns, room, row_of(loop)) for i, op in part]
                lines.append(turning(loop, "".join(each), count))
            else:
                lines += [_call(i, op, names[op.kernel, op.constants], count, inlining, room) for i, op in part]
        lines.append(f"  %taken = load i64, ptr %a\n  %more = add i64 %taken, {count}\n")
    lines.append("  store i64 %more, ptr %a\n")
    return "".join(lines)


def inlined(layout: Layout) -> str:
    """LLVM's attribute of the calls of a step."""
    return "alwaysinline" if len(layout.operations) <= MOST_INLINED else "noinline"


def is_rated(layout: Layout) -> bool:
    """Whether the steps taken decide on what an operation does."""
    return any(op.counts or (op.every, op.first) != (1, 1) for op in layout.operations)


def _rated_calls(layout: Layout, names: dict[Any, str], count: str, inlining: str, room: str, turns: str) -> str:
    """The same where not every row is due at every step: what is due follows from the steps taken, and is passed over where nothing is."""
    lines = [f"  %taken = load i64, ptr %a\n  %more = add i64 %taken, {count}\n"]
    for every, first in sorted({(op.every, op.first) for op in layout.operations}):
        at, counted = f"{every}.{first}", f"call i64 @{due_function(every, first)}"
        lines.append(f"  %before.{at} = {counted}(i64 %taken) alwaysinline\n  %after.{at} = {counted}(i64 %more) alwaysinline\n")
        lines.append(f"  %rows.{at} = sub i64 %after.{at}, %before.{at}\n")
    for loop, part in by_loop(layout):
        if loop and count != "1":
            at = f"{part[0][1].every}.{part[0][1].first}"  # all of a loop are due together
            each = [_counted(i, op, names[op.kernel, op.constants], at, turns, room, row_of(loop)) for i, op in part]
            lines.append(turning(loop, "".join(each), f"%rows.{at}"))
            continue
        for i, op in part:
            at = f"{op.every}.{op.first}"
            rows = count if count == "1" else f"%rows.{at}"
            call = _call(i, op, names[op.kernel, op.constants], rows + (f", i64 %before.{at}" if op.counts else ""), inlining, room)
            if (op.every, op.first) != (1, 1):
                begin = f"  %is{i} = icmp sgt i64 %rows.{at}, 0\n  br i1 %is{i}, label %run{i}, label %past{i}\nrun{i}:\n"
                call = f"{begin}{call}  br label %past{i}\npast{i}:\n"
            lines.append(call)
    return "".join(lines)


def _counted(i: int, op: Operation, name: str, at: str, inlining: str, room: str, row: str) -> str:
    """Operation number i on one row of a loop, with the number of rows before it where the operation asks for that."""
    before = f"  %before{i} = add i64 %before.{at}, {row}\n" if op.counts else ""
    return before + _call(i, op, name, "1" + f", i64 %before{i}" * op.counts, inlining, room, row)


def due_function(every: int, first: int) -> str:
    """Name of the function that tells how many values are due."""
    return f"edgelstm_due_{every}_{first}"


def kernels(layout: Layout) -> tuple[dict[Any, str], list[str]]:
    """IR texts of all kernels that a layout calls, and the symbol of each by its name and constants."""
    names: dict[Any, str] = {}
    texts: list[str] = []

    def symbol(kernel: str, constants: tuple[tuple[str, Any], ...], counts: bool = False) -> str:
        key = (kernel, constants)
        if key not in names:
            given = dict(constants)
            if "kernel" in given:
                turn = -1 if given.get("backwards") else 1
                own = tuple((name, turn * given[name]) for name in ("x_stride", "y_stride"))
                strides = given.pop("strides", own)
                given["kernel"] = symbol(given["kernel"], (*given.pop("constants"), *strides), kernel == "counted_sweep")
            names[key] = f"{kernel}_{len(names)}"
            taken = (*KERNEL_TYPES, types.int64) if counts else KERNEL_TYPES
            texts.append(kernel_ir(names[key], {**LAYER_KERNELS, **AROUND}[kernel], taken, **given))
        return names[key]

    for op in layout.operations:
        symbol(op.kernel, op.constants, op.counts)
    return names, texts


def rated(layout: Layout) -> dict[str, str]:
    """IR texts of the functions that tell how many values are due, by name."""
    rates = {(op.every, op.first) for op in layout.operations if is_rated(layout)}
    rates |= set() if layout.each_step else {(layout.every, layout.first)}
    number = types.int64
    return {
        due_function(every, first): kernel_ir(due_function(every, first), due, (number,), number, every=every, first=first)
        for every, first in sorted(rates)
    }


def declared(layout: Layout, names: dict[Any, str], rates: tuple[str, ...]) -> str:
    """Declarations of what a fused model calls."""
    counting = {names[op.kernel, op.constants] for op in layout.operations if op.counts}
    kernels = "".join(f"declare void @{name}(ptr, ptr, ptr, ptr, ptr, i64{', i64' * (name in counting)})\n" for name in names.values())
    return kernels + "".join(f"declare i64 @{name}(i64)\n" for name in rates)


def exports(layout: Layout) -> tuple[str, ...]:
    """The entry points of a library of this layout."""
    return (*EXPORTS, TOKENS) if layout.draws else EXPORTS


def fuse(layout: Layout, *, small: bool = False) -> list[str]:
    """The library's code as IR texts to be linked: the fused model first, then what it calls.

    `small`: one copy of the step serves all that call it, instead of one inside each.
    """
    names, texts = kernels(layout)
    inputs, outputs, sample = layout.input_size, layout.output_size, layout.sample_offset
    number, limit = types.int64, types.float32
    check, constants = layout.checks
    texts.append(kernel_ir("edgelstm_first_bad", CHECKS[check], (FLOATS, limit, number), number, **constants))
    when = {"every": layout.every, "first": layout.first}
    block = {"inputs": inputs, "outputs": outputs, "block": layout.block, "sample": sample // 4, **when}
    texts.append(kernel_ir("edgelstm_run", process, (*(FLOATS,) * 4, number, limit, number), number, **block))
    called = {"shape": layout.input_shape, "arena_input": sample, "at": binding, **when}
    texts.append(kernel_ir("edgelstm_python_step", python_step, (number,) * 3, number, **called))
    texts.append(kernel_ir("edgelstm_python_block", python_block, (number,) * 2, number, at=binding))
    if layout.draws:
        at = {"sample": sample, "output": layout.output_offset, "scratch": layout.scratch_offset}
        draws = {"size": outputs, "probabilities": int(layout.draws == "probabilities")}
        texts.append(kernel_ir(TOKENS, generate, TOKENS_TYPES, number, **draws, **at))
    rates = rated(layout)
    texts += rates.values()
    body = _MODEL.format(
        one_step=calls(layout, names, "1", inlined(layout)),
        block_of_steps=calls(layout, names, "%n", "noinline", turns="noinline" if small else inlined(layout)),
        inlining="noinline" if small else "alwaysinline",
        sample=layout.sample_offset,
        output=layout.output_offset,
    )
    return [declared(layout, names, tuple(rates)) + body, *texts]
