"""C's `edgelstm_step_many` as IR: by groups that share each pass over the weights where a kernel gains by that, else one stream at a time.

Where there is an operating system alone: microcontrollers have few streams, and little stack.
"""

import numpy as np
from numba.core import types

from ..kernels.entry.streams import step_arenas, step_arenas_together
from ..kernels.simd.vectors import FLOATS
from .fuse import kernels
from .fuse_groups import group_of
from .groups import Rooms, narrow_rooms_of
from .layout import Layout
from .numba_ir import kernel_ir
from .targets import Target

#: {memory}, {given} and {types}: what groups need beside.
_STEP_MANY = """
declare i64 @edgelstm_step_arenas(i64, i64, ptr, ptr, i64{types})

define {word} @edgelstm_step_many(ptr %arenas, ptr %x, ptr %y, {word} %n) nounwind {{
  %w = ptrtoint ptr @edgelstm_weights to i64
  %p = ptrtoint ptr %arenas to i64
  %count = {to_i64}
{memory}  %done = call i64 @edgelstm_step_arenas(i64 %w, i64 %p, ptr %x, ptr %y, i64 %count{given})
  %answer = {from_i64}
  ret {word} %answer
}}
"""

#: On the stack: the addresses of a group's arenas, and its rooms.
_MEMORY = """  %addresses = alloca [{most} x i64], align 8
  %rooms = alloca [{floats} x float], align 64
  %places = ptrtoint ptr %addresses to i64
  %room = ptrtoint ptr %rooms to i64
"""

#: What layers that take one stream after the other work in: the scratch of the first one's arena.
_SCRATCH = """  %first = inttoptr i64 %places to ptr
  %arena = load ptr, ptr %first
  %scratch = getelementptr i8, ptr %arena, i64 {scratch}"""


def step_many(layout: Layout, limit: np.float32, target: Target, words: dict[str, str]) -> list[str]:
    """IR texts: the function, and what it calls beside what `fuse` has. words: `c_abi.words`."""
    rooms = narrow_rooms_of(layout, target)
    sizes = {"inputs": layout.input_size, "outputs": layout.output_size, "sample": layout.sample_offset, "output": layout.output_offset}
    common = {**sizes, "limit": limit, "bits": target.bits}
    number = types.int64
    kinds = number, number, FLOATS, FLOATS, number
    if rooms.most == 1:
        when = {"every": layout.every, "first": layout.first}
        kernel = kernel_ir("edgelstm_step_arenas", step_arenas, kinds, number, **common, **when)
        return [_STEP_MANY.format(**words, types="", memory="", given=""), kernel]
    memory = _MEMORY.format(most=rooms.most, floats=rooms.floats)
    function = _STEP_MANY.format(**words, types=", i64, i64", memory=memory, given=", i64 %places, i64 %room")
    kernel = kernel_ir("edgelstm_step_arenas", step_arenas_together, (*kinds, number, number), number, **common, group=rooms.most)
    return [function, kernel, *_group(layout, rooms, target)]


def _group(layout: Layout, rooms: Rooms, target: Target) -> list[str]:
    names, _ = kernels(layout)
    scratch = _SCRATCH.format(scratch=layout.scratch_offset)
    return group_of(layout, names, rooms, target, scratch)
