"""A function that calls another stream's native step and times it by the CPU's own counter: one for all models, compiled once a machine.

Python's clock costs as much as a small model's step; the counter costs a few nanoseconds.
"""

from ..errors import CompileError
from ..runtime import step_clock as at
from ..runtime.binding import ARRAY_DATA
from . import cache
from .library import MADE_FOR, Library
from .targets import Target, cpuinfo, host

#: A counter that every process may read, that runs at one rate and counts on while a core sleeps, as IR: how it is read, and what that
#: needs. RDTSC; CNTVCT_EL0.
_COUNTERS = {
    "x86_64": ("call i64 @llvm.readcyclecounter()", "declare i64 @llvm.readcyclecounter()"),
    "aarch64": (
        "call i64 @llvm.read_volatile_register.i64(metadata !0)",
        'declare i64 @llvm.read_volatile_register.i64(metadata)\n!0 = !{!"CNTVCT_EL0"}',
    ),
}

#: The native step: an array object over a record (`runtime.step_clock`), arguments and their number -> a new reference, or NULL.
_TEXT = """
define i64 @edgelstm_ticks() {{
  %now = {read}
  ret i64 %now
}}

define ptr @edgelstm_timed_step(ptr %self, ptr %args, i64 %count) {{
  %data = getelementptr i8, ptr %self, i64 {ARRAY_DATA}
  %record = load ptr, ptr %data
  %step = load ptr, ptr %record
  %owner_at = getelementptr i8, ptr %record, i64 {OWNER}
  %owner = load ptr, ptr %owner_at
  %begin = {read}
  %answer = call ptr %step(ptr %owner, ptr %args, i64 %count)
  %end = {read}
  %between = sub i64 %end, %begin
  %took = call i64 @llvm.smax.i64(i64 %between, i64 0)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %refused, label %counted

counted:
  %sum_at = getelementptr i8, ptr %record, i64 {SUM}
  %sum = load i64, ptr %sum_at
  %more = add i64 %sum, %took
  store i64 %more, ptr %sum_at
  %deadline_at = getelementptr i8, ptr %record, i64 {DEADLINE}
  %deadline = load i64, ptr %deadline_at
  %late = icmp sgt i64 %took, %deadline
  %one = zext i1 %late to i64
  %missed_at = getelementptr i8, ptr %record, i64 {MISSED}
  %missed = load i64, ptr %missed_at
  %missed_now = add i64 %missed, %one
  store i64 %missed_now, ptr %missed_at
  %scale_at = getelementptr i8, ptr %record, i64 {SCALE}
  %scale = load double, ptr %scale_at
  %ticks = uitofp i64 %took to double
  %units = fmul double %ticks, %scale
  %whole = fptoui double %units to i64
  %zeros = call i64 @llvm.ctlz.i64(i64 %whole, i1 false)
  %length = sub i64 64, %zeros
  %place = call i64 @llvm.umin.i64(i64 %length, i64 {LAST})
  %counts = getelementptr i8, ptr %record, i64 {COUNTS}
  %slot = getelementptr i64, ptr %counts, i64 %place
  %before = load i64, ptr %slot
  %after = add i64 %before, 1
  store i64 %after, ptr %slot
  ret ptr %answer

refused:
  %refused_at = getelementptr i8, ptr %record, i64 {REFUSED}
  %had = load i64, ptr %refused_at
  %has = add i64 %had, 1
  store i64 %has, ptr %refused_at
  ret ptr null
}}

declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
{needs}
"""

_EXPORTS = ("edgelstm_ticks", "edgelstm_timed_step", MADE_FOR)
_loaded: list[Library] = []


def library() -> Library:
    """The compiled function, from the cache where it is there.

    Raises
    ------
    CompileError
        If it cannot be compiled here, or the CPU has no steady counter.
    """
    if not _loaded:
        target = host()
        if target.architecture not in _COUNTERS or not _steady():
            raise CompileError(f"this CPU ({target.architecture}) has no steady counter to time steps by; read Python's clock.")
        name = cache.key("step clock", target)
        data = cache.find(name)
        if data is None:
            data = _made(target)
            cache.keep(name, data)
        _loaded.append(Library(data))
    return _loaded[0]


def _steady() -> bool:
    """Whether the counter runs at one rate whatever the core does: by its flags on x86, always on 64-bit ARM."""
    flags = cpuinfo().get("flags", "").split()
    return not flags or {"constant_tsc", "nonstop_tsc"} <= set(flags)


def _made(target: Target) -> bytes:
    from .elf import link as elf

    return elf.link(code_for(target), _EXPORTS)


def code_for(target: Target) -> bytes:
    """A relocatable object file of the function, for a machine whose counter is known."""
    from . import object_code

    fields = {name: getattr(at, name) for name in ("OWNER", "SUM", "DEADLINE", "MISSED", "SCALE", "COUNTS", "REFUSED", "LAST")}
    read, needs = _COUNTERS[target.architecture]
    text = _TEXT.format(read=read, needs=needs, ARRAY_DATA=ARRAY_DATA, **fields)
    return object_code.emit([object_code.text_constant(MADE_FOR, object_code.host_cpu()), text], target, _EXPORTS)
