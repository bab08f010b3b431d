"""Operations -> one LLVM module: all layers in one function, and around it the entry points of a library.

===========================  ==================================================================================
``edgelstm_run``             ``int64 (weights, arena, x, y, n, limit, checked)``: see `kernels.blocks`
``edgelstm_python_step``     what Python calls as ``stream.step``: see `kernels.python_call`
===========================  ==================================================================================

Only a cache miss comes here: this file imports Numba.
"""

from typing import Any

from numba.core import types

from ..kernels.simd.vectors import FLOATS
from ..kernels.table import AROUND, CHECKS, LAYER_KERNELS, process, python_step
from ..runtime import binding
from .layout import Layout, Place
from .numba_ir import kernel_ir

EXPORTS = ("edgelstm_run", "edgelstm_python_step")

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

KERNEL_TYPES = (FLOATS, FLOATS, FLOATS, FLOATS, FLOATS, types.int64)


def _pointer(place: Place, name: str) -> str:
    base = {"input": "%x", "output": "%y", "arena": "%a"}[place.region]
    return f"  {name} = getelementptr float, ptr {base}, i64 {place.offset}\n"


def _calls(layout: Layout, names: dict[Any, str], count: str, inlining: str) -> str:
    """Every operation on `count` timesteps, and the count of steps taken. `inlining`: LLVM's attribute of the calls."""
    lines = [f"  %z = getelementptr i8, ptr %a, i64 {layout.scratch_offset}\n"]
    for i, op in enumerate(layout.operations):
        lines.append(f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n  %s{i} = getelementptr float, ptr %a, i64 {op.state}\n")
        lines.append(_pointer(op.source, f"%x{i}") + _pointer(op.target, f"%y{i}"))
        name = names[op.kernel, op.constants]
        lines.append(f"  call void @{name}(ptr %w{i}, ptr %x{i}, ptr %y{i}, ptr %s{i}, ptr %z, i64 {count}) {inlining}\n")
    lines.append(f"  %taken = load i64, ptr %a\n  %more = add i64 %taken, {count}\n  store i64 %more, ptr %a\n")
    return "".join(lines)


def kernels(layout: Layout) -> tuple[dict[Any, str], list[str]]:
    """IR texts of all kernels that a layout calls, and the symbol of each by its name and constants."""
    names: dict[Any, str] = {}
    texts: list[str] = []

    def symbol(kernel: str, constants: tuple[tuple[str, Any], ...]) -> str:
        key = (kernel, constants)
        if key not in names:
            given = dict(constants)
            if kernel in AROUND:
                turn = -1 if given.get("backwards") else 1
                strides = tuple((name, turn * given[name]) for name in ("x_stride", "y_stride"))
                given["kernel"] = symbol(given["kernel"], (*given.pop("constants"), *strides))
            names[key] = f"{kernel}_{len(names)}"
            texts.append(kernel_ir(names[key], {**LAYER_KERNELS, **AROUND}[kernel], KERNEL_TYPES, **given))
        return names[key]

    for op in layout.operations:
        symbol(op.kernel, op.constants)
    return names, texts


def fuse(layout: Layout, *, small: bool = False) -> list[str]:
    """The library's code as IR texts to be linked: the fused model first, then what it calls.

    `small`: one copy of the step serves all that call it, instead of one inside each.
    """
    names, texts = kernels(layout)
    inputs, outputs, sample = layout.input_size, layout.output_size, layout.sample_offset
    number, limit = types.int64, types.float32
    check = CHECKS["first_bad_index" if layout.takes_index else "first_bad_vector"]
    texts.append(kernel_ir("edgelstm_first_bad", check, (FLOATS, limit, number), number, inputs=inputs))
    block = {"inputs": inputs, "outputs": outputs, "block": layout.block, "sample": sample // 4}
    texts.append(kernel_ir("edgelstm_run", process, (*(FLOATS,) * 4, number, limit, number), number, **block))
    texts.append(kernel_ir("edgelstm_python_step", python_step, (number,) * 3, number, inputs=inputs, arena_input=sample, at=binding))
    declared = "".join(f"declare void @{name}(ptr, ptr, ptr, ptr, ptr, i64)\n" for name in names.values())
    body = _MODEL.format(
        one_step=_calls(layout, names, "1", "alwaysinline"),
        block_of_steps=_calls(layout, names, "%n", "noinline"),
        inlining="noinline" if small else "alwaysinline",
        sample=layout.sample_offset,
        output=layout.output_offset,
    )
    return [declared + body, *texts]
