"""The C interface of a library built ahead of time (`include/edgelstm.h`): IR of functions that know their own weights.

They stand over the entry points of `fuse`. All memory is the caller's; nothing here keeps any.
"""

from typing import NamedTuple

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from ..kernels.entry.blocks import copier
from ..kernels.entry.state import clear_arena, read_snapshot, reset_state, write_snapshot
from ..kernels.simd.vectors import FLOATS
from ..runtime.library_file import functions_of
from ..runtime.sizes import Sizes
from .c_streams import step_many
from .fuse import TOKENS, due_function
from .layout import Layout
from .lowering import LINE
from .numba_ir import kernel_ir
from .object_code import text_constant
from .targets import Target

#: What a library shows to Python beside its functions.
DATA = ("edgelstm_weights", "edgelstm_initial_state")


class Constants(NamedTuple):
    """What a library holds beside its code.

    Parameters
    ----------
    abi : int
    info : str
        JSON text for `edgelstm_info`.
    header : bytes
        What every snapshot of the model begins with: a whole number of words.
    input_limit : float
    """

    abi: int
    info: str
    header: bytes
    input_limit: float


_ABOUT = """
define i32 @edgelstm_abi() nounwind {{
  ret i32 {abi}
}}

define ptr @edgelstm_info() nounwind {{
  ret ptr @edgelstm_info_text
}}
"""

_SIZE = """
define {word} @edgelstm_{name}() nounwind {{
  ret {word} {size}
}}
"""

_STATE = """
define void @edgelstm_reset(ptr %arena) nounwind {
  %a = ptrtoint ptr %arena to i64
  %s = ptrtoint ptr @edgelstm_initial_state to i64
  call void @edgelstm_reset_state(i64 %a, i64 %s)
  ret void
}

define i32 @edgelstm_init(ptr %arena) nounwind {
  %a = ptrtoint ptr %arena to i64
  %low = and i64 %a, 7
  %even = icmp eq i64 %low, 0
  br i1 %even, label %fit, label %unfit
fit:
  call void @edgelstm_clear_arena(i64 %a)
  call void @edgelstm_reset(ptr %arena)
  ret i32 0
unfit:
  ret i32 1
}
"""

_STEPPING = """
define i32 @edgelstm_step(ptr %arena, ptr %x, ptr %y) nounwind {{
  %good = call i64 @edgelstm_first_bad(ptr %x, float {limit}, i64 1) alwaysinline
  %fit = icmp ne i64 %good, 0
  br i1 %fit, label %go, label %refuse
go:
  %sample = getelementptr i8, ptr %arena, i64 {sample}
  %answer = getelementptr i8, ptr %arena, i64 {output}
  call void @edgelstm_copy_sample(ptr %sample, ptr %x) alwaysinline
  %w = ptrtoint ptr @edgelstm_weights to i64
  %a = ptrtoint ptr %arena to i64
  call void @edgelstm_step_in_place(i64 %w, i64 %a)
{whether_due}  call void @edgelstm_copy_answer(ptr %y, ptr %answer) alwaysinline
  ret i32 0
refuse:
  ret i32 1
}}

define {word} @edgelstm_process(ptr %arena, ptr %x, ptr %y, {word} %n) nounwind {{
  %count = {to_i64}
  %done = call i64 @edgelstm_run(ptr @edgelstm_weights, ptr %arena, ptr %x, ptr %y, i64 %count, float {limit}, i64 1)
  %answer = {from_i64}
  ret {word} %answer
}}

define {word} @edgelstm_snapshot(ptr %arena, ptr %blob) nounwind {{
  %a = ptrtoint ptr %arena to i64
  %b = ptrtoint ptr %blob to i64
  %h = ptrtoint ptr @edgelstm_snapshot_header to i64
  call void @edgelstm_write_snapshot(i64 %a, i64 %b, i64 %h)
  ret {word} {snapshot_bytes}
}}

define i32 @edgelstm_restore(ptr %arena, ptr %blob, {word} %size) nounwind {{
  %whole = icmp eq {word} %size, {snapshot_bytes}
  br i1 %whole, label %read, label %refuse
read:
  %a = ptrtoint ptr %arena to i64
  %b = ptrtoint ptr %blob to i64
  %h = ptrtoint ptr @edgelstm_snapshot_header to i64
  %state = getelementptr i8, ptr %blob, i64 {header_bytes}
  %answer = call i64 @edgelstm_read_snapshot(i64 %a, i64 %b, i64 %h, ptr %state)
  %short = trunc i64 %answer to i32
  ret i32 %short
refuse:
  ret i32 1
}}
"""


#: Within `edgelstm_step`, of a model that does not answer each step: leaves where no answer is due.
_WHETHER_DUE = """  %taken = load i64, ptr %arena
  %now = call i64 @{due}(i64 %taken)
  %last = sub i64 %taken, 1
  %before = call i64 @{due}(i64 %last)
  %answered = icmp ne i64 %now, %before
  br i1 %answered, label %answer_it, label %none_due
none_due:
  ret i32 2
answer_it:
"""

_DUE = """
define {word} @edgelstm_due(ptr %arena, {word} %n) nounwind {{
  %taken = load i64, ptr %arena
  %count = {to_i64}
  %end = add i64 %taken, %count
  %before = call i64 @{due}(i64 %taken)
  %after = call i64 @{due}(i64 %end)
  %done = sub i64 %after, %before
  %answer = {from_i64}
  ret {word} %answer
}}
"""


_GENERATE = """
define i32 @edgelstm_generate(ptr %arena, i32 %token, ptr %tokens, {word} %n, ptr %stops, {word} %stop_count,
                              i64 %seed, float %temperature, i32 %top_k, float %top_p) nounwind {{
  %w = ptrtoint ptr @edgelstm_weights to i64
  %a = ptrtoint ptr %arena to i64
  %first = sext i32 %token to i64
  %to = ptrtoint ptr %tokens to i64
  %count = {to_i64}
  %s = ptrtoint ptr %stops to i64
  %ends = {stops_to_i64}
  %greedy = fcmp oeq float %temperature, 0.0
  %inverse = fdiv float 1.0, %temperature
  %sharpness = select i1 %greedy, float 0.0, float %inverse
  %most = zext i32 %top_k to i64
  %done = call i64 @edgelstm_run_tokens(i64 %w, i64 %a, i64 %first, i64 %to, i64 %count, i64 %s, i64 %ends, i64 %seed,
                                        float %sharpness, i64 %most, float %top_p)
  %answer = trunc i64 %done to i32
  ret i32 %answer
}}
"""


def exports(sizes: Sizes, target: Target) -> tuple[str, ...]:
    """What a library of these sizes shows to C."""
    return tuple(f"edgelstm_{name}" for name in functions_of(sizes) if not (name == "step_many" and target.bare_metal))


def _bytes_constant(symbol: str, data: NDArray[np.generic] | bytes) -> str:
    """IR of read-only bytes on a cache line."""
    content = bytes(data) if isinstance(data, bytes) else data.tobytes()
    if not any(content):
        return f"@{symbol} = constant [{len(content)} x i8] zeroinitializer, align 64\n"
    escaped = content.hex("\\")  # of hundreds of megabytes, perhaps
    return f'@{symbol} = constant [{len(content)} x i8] c"\\{escaped}", align 64\n'


def words(target: Target) -> dict[str, str]:
    """How the functions' IR calls C's word, and passes it on."""
    word = "i32" if target.bits == 32 else "i64"
    return {
        "word": word,
        "to_i64": "zext i32 %n to i64" if word == "i32" else "add i64 %n, 0",
        "from_i64": "trunc i64 %done to i32" if word == "i32" else "add i64 %done, 0",
    }


def float_text(value: float) -> str:
    """A float32 as IR writes it."""
    return f"0x{int(np.array(np.float32(value), np.float64).view(np.int64)):016X}"


def about(layout: Layout, constants: Constants, target: Target, told: dict[str, int], data: str, functions: str) -> list[str]:
    """IR texts of what every library has, and of `functions` with their `data`. told: sizes, in the order of their functions."""
    word = words(target)["word"]
    sizes = "".join(_SIZE.format(word=word, name=name, size=size) for name, size in told.items())
    data = _bytes_constant("edgelstm_weights", layout.weights) + _bytes_constant("edgelstm_initial_state", layout.initial_state) + data
    declared = "declare void @edgelstm_reset_state(i64, i64)\ndeclare void @edgelstm_clear_arena(i64)\n"
    text = text_constant("edgelstm_info_text", constants.info)
    return [
        data + text + declared + _ABOUT.format(abi=constants.abi) + sizes + _STATE + functions,
        kernel_ir("edgelstm_reset_state", reset_state, (types.int64,) * 2, state_words=layout.state_bytes // 4),
        kernel_ir("edgelstm_clear_arena", clear_arena, (types.int64,), arena_words=layout.arena_bytes // 4),
    ]


def interface(layout: Layout, constants: Constants, target: Target) -> list[str]:
    """IR texts to be linked behind those of `fuse`."""
    state_words, header_words = layout.state_bytes // 4, len(constants.header) // 4
    limit = np.float32(constants.input_limit)
    parts = {"header_words": header_words, "state_words": state_words}
    read = {"counter_words": LINE, "sample": layout.sample_offset // 4, "limit": limit, "counted": not layout.each_step}
    due = due_function(layout.every, layout.first)
    told = {
        "arena_bytes": layout.arena_bytes,
        "snapshot_bytes": 4 * (header_words + state_words + 1),
        "input_size": layout.input_size,
        "output_size": layout.output_size,
    }
    functions = _STEPPING.format(
        **words(target),
        whether_due="" if layout.each_step else _WHETHER_DUE.format(due=due),
        snapshot_bytes=told["snapshot_bytes"],
        header_bytes=4 * header_words,
        sample=layout.sample_offset,
        output=layout.output_offset,
        limit=float_text(constants.input_limit),
    )
    if not layout.each_step:
        functions += f"declare i64 @{due}(i64)\n" + _DUE.format(**words(target), due=due)
    if layout.draws:
        tokens = f"declare i64 @{TOKENS}(i64, i64, i64, i64, i64, i64, i64, i64, float, i64, float)\n"
        stops = words(target)["to_i64"].replace("%n", "%stop_count")
        functions += tokens + _GENERATE.format(**words(target), stops_to_i64=stops)
    declared = (
        "declare i64 @edgelstm_first_bad(ptr, float, i64)\ndeclare void @edgelstm_copy_sample(ptr, ptr)\n"
        "declare void @edgelstm_copy_answer(ptr, ptr)\ndeclare void @edgelstm_step_in_place(i64, i64)\n"
        "declare i64 @edgelstm_run(ptr, ptr, ptr, ptr, i64, float, i64)\ndeclare void @edgelstm_write_snapshot(i64, i64, i64)\n"
        "declare i64 @edgelstm_read_snapshot(i64, i64, i64, ptr)\n"
    )
    header = _bytes_constant("edgelstm_snapshot_header", constants.header)
    more: list[str] = []
    if not target.bare_metal:
        function, *more = step_many(layout, limit, target, words(target))
        functions += function
    return [
        *about(layout, constants, target, told, header, declared + functions),
        kernel_ir("edgelstm_copy_sample", copier, (FLOATS, FLOATS), count=layout.input_size),
        kernel_ir("edgelstm_copy_answer", copier, (FLOATS, FLOATS), count=layout.output_size),
        kernel_ir("edgelstm_write_snapshot", write_snapshot, (types.int64,) * 3, **parts),
        kernel_ir("edgelstm_read_snapshot", read_snapshot, (*(types.int64,) * 3, FLOATS), types.int64, **parts, **read),
        *more,
    ]
