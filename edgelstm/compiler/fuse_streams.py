"""Operations -> one LLVM module that steps many streams in one call, beside the one that steps one.

===========================  ==================================================================================
``edgelstm_run_streams``     ``int64 (call, x, y)``: see `kernels.entry.streams`
``edgelstm_python_streams``  what Python calls to do the same of array objects: see `kernels.entry.python_streams`
``edgelstm_run_windowed``    ``int64 (call, x, y, n)``: see there
``edgelstm_python_windowed`` what Python calls as ``windowed.step``: see there
===========================  ==================================================================================

Of each stream there is its state alone; scratch and the rows between layers are in a room that all of them use in turn, laid out as an
arena. The streams of a group have a room each, one behind the other, but for scratch, which they share.
"""

from numba.core import types

from ..kernels.entry.python_streams import python_streams, python_windowed, run_windowed
from ..kernels.entry.streams import run_streams
from ..kernels.simd.vectors import FLOATS
from ..kernels.table import CHECKS
from ..runtime import binding, many_call
from .fuse import calls, declared, inlined, kernels, rated
from .fuse_groups import group_of
from .groups import rooms_of
from .layout import Layout
from .numba_ir import kernel_ir
from .targets import Target

EXPORTS = ("edgelstm_run_streams", "edgelstm_python_streams", "edgelstm_run_windowed", "edgelstm_python_windowed")

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


def exports(_layout: Layout) -> tuple[str, ...]:
    """The entry points of a library of this layout."""
    return EXPORTS


def fuse(layout: Layout, target: Target) -> list[str]:
    """The library's code as IR texts to be linked."""
    names, texts = kernels(layout)
    rates = rated(layout)
    check, constants = layout.checks
    number, rooms = types.int64, rooms_of(layout, target)
    texts += rates.values()
    texts.append(kernel_ir("edgelstm_first_bad", CHECKS[check], (FLOATS, types.float32, number), number, **constants))
    sizes = {"inputs": layout.input_size, "outputs": layout.output_size, "block": layout.block, "sample": layout.sample_offset // 4}
    counts = any(op.counts for op in layout.operations)
    entry = {**sizes, "group": rooms.most, "counts": counts, "each_step": layout.each_step, "at": many_call}
    texts.append(kernel_ir(EXPORTS[0], run_streams, (number, FLOATS, FLOATS), number, **entry))
    known = {"at": binding, "of": many_call}
    texts.append(kernel_ir(EXPORTS[1], python_streams, (number,) * 3, number, inputs=layout.input_size, **known))
    state, ends = layout.state_bytes // 4, {"inputs": layout.input_size, "outputs": layout.output_size}
    texts.append(kernel_ir(EXPORTS[2], run_windowed, (number, FLOATS, FLOATS, number), number, **ends, state_words=state, of=many_call))
    texts.append(kernel_ir(EXPORTS[3], python_windowed, (number,) * 4, number, shape=layout.input_shape, state_words=state, **known))
    body = _MODEL.format(
        one_step=calls(layout, names, "1", inlined(layout), "%v"), block_of_steps=calls(layout, names, "%n", "noinline", "%v")
    )
    scratch = f"  %scratch = getelementptr i8, ptr %v, i64 {layout.scratch_offset}"
    group_text, *group_kernels = group_of(layout, names, rooms, target, scratch) if rooms.most > 1 else [""]
    return [declared(layout, names, tuple(rates)) + body + group_text, *group_kernels, *texts]
