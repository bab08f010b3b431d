"""Operations over whole recordings -> one LLVM module, as `fuse` makes one of a model that steps.

============================  ==================================================================================
``edgelstm_run_recording``    ``int64 (weights, arena, work, x, y, n, limit, checked)``: see `kernels.recordings`
============================  ==================================================================================
"""

from numba.core import types

from ..kernels.entry.rates import due
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import CHECKS, process_recording
from .fuse import due_function, kernels
from .layout import Layout, Operation, Place
from .numba_ir import kernel_ir

EXPORTS = ("edgelstm_run_recording",)

_RECORDING = """
define void @edgelstm_recording(ptr %w, ptr %a, ptr %m, ptr %x, ptr %y, i64 %n) nounwind "no-builtins" {{
  %z = getelementptr i8, ptr %a, i64 {scratch}
{calls}
  store i64 %n, ptr %a
  ret void
}}
"""


def exports(_layout: Layout) -> tuple[str, ...]:
    """The entry points of a library of this layout."""
    return EXPORTS


def _pointer(place: Place, name: str) -> str:
    base = {"input": "%x", "output": "%y", "arena": "%a", "work": "%m"}[place.region]
    if place.region != "work":
        return f"  {name} = getelementptr float, ptr {base}, i64 {place.offset}\n"
    return (
        f"  {name}.rows = mul i64 %n, {place.before}\n  {name}.at = add i64 {name}.rows, {place.offset}\n"
        f"  {name} = getelementptr float, ptr {base}, i64 {name}.at\n"
    )


def _call(i: int, op: Operation, name: str) -> str:
    return (
        f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n  %s{i} = getelementptr float, ptr %a, i64 {op.state}\n"
        f"{_pointer(op.source, f'%x{i}')}{_pointer(op.target, f'%y{i}')}"
        f"  call void @{name}(ptr %w{i}, ptr %x{i}, ptr %y{i}, ptr %s{i}, ptr %z, i64 {op.fixed or _rows(op)}) noinline\n"
    )


def _rows(op: Operation) -> str:
    """How many rows of the recording an operation reads."""
    return "%n" if op.every == op.first == 1 else f"%rows.{op.every}.{op.first}"


def fuse(layout: Layout) -> list[str]:
    """The library's code as IR texts to be linked: the whole recording through all layers first, then what it calls."""
    names, texts = kernels(layout)
    inputs, number, limit = layout.input_size, types.int64, types.float32
    check, constants = layout.checks
    texts.append(kernel_ir("edgelstm_first_bad", CHECKS[check], (FLOATS, limit, number), number, **constants))
    taken = (*(FLOATS,) * 5, number, limit, number)
    entry = {"inputs": inputs, "sample": layout.sample_offset // 4, "least": layout.first}
    texts.append(kernel_ir(EXPORTS[0], process_recording, taken, number, **entry))
    declared = "".join(f"declare void @{name}(ptr, ptr, ptr, ptr, ptr, i64)\n" for name in names.values())
    calls = ""
    for every, first in sorted({(op.every, op.first) for op in layout.operations} - {(1, 1)}):
        name = due_function(every, first)
        texts.append(kernel_ir(name, due, (number,), number, every=every, first=first))
        declared += f"declare i64 @{name}(i64)\n"
        calls += f"  %rows.{every}.{first} = call i64 @{name}(i64 %n)\n"
    calls += "".join(_call(i, op, names[op.kernel, op.constants]) for i, op in enumerate(layout.operations))
    return [declared + _RECORDING.format(scratch=layout.scratch_offset, calls=calls), *texts]
