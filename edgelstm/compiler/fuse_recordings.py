"""Operations over whole recordings -> one LLVM module, as `fuse` makes one of a model that steps.

============================  ==================================================================================
``edgelstm_run_recording``    ``int64 (weights, arena, work, x, y, n, limit, checked)``: see `kernels.recordings`
============================  ==================================================================================
"""

from numba.core import types

from ..kernels.entry.rates import due
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import CHECKS, process_recording
from .fuse import by_loop, declared, due_function, kernels, pointer, row_of, turning
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


def _pointer(place: Place, name: str, row: str) -> str:
    if place.region != "work":
        return pointer(place, name, row=row)
    begin = f"  {name}.rows = mul i64 %n, {place.before}\n  {name}.at = add i64 {name}.rows, {place.offset}\n"
    if row:
        begin += f"  {name}.apart = mul i64 {row}, {place.stride}\n  {name}.row = add i64 {name}.at, {name}.apart\n"
    return begin + f"  {name} = getelementptr float, ptr %m, i64 {name}.{'row' if row else 'at'}\n"


def _call(i: int, op: Operation, name: str, row: str = "") -> str:
    """Operation number i over all rows, or on one."""
    rows = ("1" if row else f"{op.fixed or _rows(op)}") + f", i64 {row or 0}" * op.counts
    return (
        f"  %w{i} = getelementptr float, ptr %w, i64 {op.weights}\n  %s{i} = getelementptr float, ptr %a, i64 {op.state}\n"
        f"{_pointer(op.source, f'%x{i}', row)}{_pointer(op.target, f'%y{i}', row)}"
        f"  call void @{name}(ptr %w{i}, ptr %x{i}, ptr %y{i}, ptr %s{i}, ptr %z, i64 {rows}) noinline\n"
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
    declares = declared(layout, names, ())
    calls = ""
    for every, first in sorted({(op.every, op.first) for op in layout.operations} - {(1, 1)}):
        name = due_function(every, first)
        texts.append(kernel_ir(name, due, (number,), number, every=every, first=first))
        declares += f"declare i64 @{name}(i64)\n"
        calls += f"  %rows.{every}.{first} = call i64 @{name}(i64 %n)\n"
    for loop, part in by_loop(layout):
        each = "".join(_call(i, op, names[op.kernel, op.constants], row_of(loop) if loop else "") for i, op in part)
        calls += turning(loop, each, f"{part[0][1].fixed or _rows(part[0][1])}") if loop else each
    return [declares + _RECORDING.format(scratch=layout.scratch_offset, calls=calls), *texts]
