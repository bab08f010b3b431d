"""The C interface of a library that answers whole recordings (`include/edgelstm.h`): `c_abi` for models that cannot step.

They stand over the entry point of `fuse_recordings`. Work memory for the rows between layers is the caller's, as all memory is.
"""

from .c_abi import Constants, about, float_text, words
from .fuse import due_function
from .layout import Layout
from .targets import Target

_RECORDINGS = """
define i32 @edgelstm_step(ptr %arena, ptr %x, ptr %y) nounwind {{
  ret i32 3
}}

define {word} @edgelstm_work_bytes({word} %n) nounwind {{
  %bytes = mul {word} %n, {row_bytes}
  ret {word} %bytes
}}

declare i64 @edgelstm_run_recording(ptr, ptr, ptr, ptr, ptr, i64, float, i64)

define {word} @edgelstm_process_recording(ptr %arena, ptr %work, {word} %work_bytes, ptr %x, ptr %y, {word} %n) nounwind {{
  %room = udiv {word} %work_bytes, {divisor}
  %needed = {needed}
  %fits = icmp ule {word} %needed, %room
  br i1 %fits, label %go, label %refuse
go:
  call void @edgelstm_reset(ptr %arena)
  %count = {to_i64}
  %done = call i64 @edgelstm_run_recording(ptr @edgelstm_weights, ptr %arena, ptr %work, ptr %x, ptr %y, i64 %count, float {limit}, i64 1)
  %answer = {from_i64}
  ret {word} %answer
refuse:
  ret {word} -1
}}
"""

_DUE = """
define {word} @edgelstm_due(ptr %arena, {word} %n) nounwind {{
  %count = {to_i64}
  {answers}
  %answer = {from_i64}
  ret {word} %answer
}}
"""


def interface(layout: Layout, constants: Constants, target: Target, *, answers: int) -> list[str]:
    """IR texts to be linked behind those of `fuse_recordings`. answers: how many a recording gets, if its samples do not decide."""
    told = {"arena_bytes": layout.arena_bytes, "input_size": layout.input_size, "output_size": layout.output_size}
    word, row_bytes = words(target), 4 * (layout.work or 0)
    functions = _RECORDINGS.format(
        **word,
        row_bytes=row_bytes,
        divisor=max(1, row_bytes),
        needed=f"add {word['word']} {'%n' if row_bytes else '0'}, 0",
        limit=float_text(constants.input_limit),
    )
    if answers:
        enough = f"%enough = icmp uge i64 %count, {layout.first}\n  %done = select i1 %enough, i64 {answers}, i64 0"
        functions += _DUE.format(**word, answers=enough)
    elif not layout.each_step:
        name = due_function(layout.every, layout.first)
        functions += f"declare i64 @{name}(i64)\n" + _DUE.format(**word, answers=f"%done = call i64 @{name}(i64 %count)")
    return about(layout, constants, target, told, "", functions)
