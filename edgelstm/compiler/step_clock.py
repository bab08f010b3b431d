"""Functions that time a stream's native step, or what is done with blocks of samples, by the CPU's own counter: compiled once a machine.

Python's clock costs as much as a small model's step; the counter costs a few nanoseconds.
"""

from ..errors import CompileError
from ..runtime import binding, block_clock
from ..runtime import step_clock as at
from . import cache, sensor_look
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

; So many samples of the record have taken so many ticks.
define internal void @edgelstm_count(ptr %record, i64 %took, i64 %samples) alwaysinline {{
  %sum_at = getelementptr i8, ptr %record, i64 {SUM}
  %sum = load i64, ptr %sum_at
  %spent = mul i64 %took, %samples
  %more = add i64 %sum, %spent
  store i64 %more, ptr %sum_at
  %deadline_at = getelementptr i8, ptr %record, i64 {DEADLINE}
  %deadline = load i64, ptr %deadline_at
  %late = icmp sgt i64 %took, %deadline
  %those = select i1 %late, i64 %samples, i64 0
  %missed_at = getelementptr i8, ptr %record, i64 {MISSED}
  %missed = load i64, ptr %missed_at
  %missed_now = add i64 %missed, %those
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
  %after = add i64 %before, %samples
  store i64 %after, ptr %slot
  ret void
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
  call void @edgelstm_count(ptr %record, i64 %took, i64 1)
  %looks_at = getelementptr i8, ptr %record, i64 {LOOKS}
  %sensors = load ptr, ptr %looks_at
  %looks = icmp ne ptr %sensors, null
  br i1 %looks, label %given, label %leave

leave:
  ret ptr %answer

given:
  %one = icmp eq i64 %count, 1
  br i1 %one, label %check, label %tell_of_input

check:
  %x = load ptr, ptr %args
  %type_at = getelementptr i8, ptr %x, i64 {OBJECT_TYPE}
  %type = load ptr, ptr %type_at
  %array_type_at = getelementptr i8, ptr %record, i64 {ARRAY_TYPE}
  %array_type = load ptr, ptr %array_type_at
  %is_array = icmp eq ptr %type, %array_type
  br i1 %is_array, label %check_array, label %tell

check_array:
  %descr_at = getelementptr i8, ptr %x, i64 {ARRAY_DESCR}
  %descr = load ptr, ptr %descr_at
  %float32_at = getelementptr i8, ptr %record, i64 {FLOAT32}
  %float32 = load ptr, ptr %float32_at
  %is_float32 = icmp eq ptr %descr, %float32
  %axes_at = getelementptr i8, ptr %x, i64 {ARRAY_NDIM}
  %axes = load i32, ptr %axes_at
  %is_vector = icmp eq i32 %axes, 1
  %flags_at = getelementptr i8, ptr %x, i64 {ARRAY_FLAGS}
  %flags = load i32, ptr %flags_at
  %contiguous = trunc i32 %flags to i1
  %fits_1 = and i1 %is_float32, %is_vector
  %fits = and i1 %fits_1, %contiguous
  br i1 %fits, label %look, label %tell

look:
  %values_at = getelementptr i8, ptr %x, i64 {ARRAY_DATA}
  %values = load ptr, ptr %values_at
  %stride_at = getelementptr i8, ptr %record, i64 {STRIDE}
  %stride = load i64, ptr %stride_at
  %channels_at = getelementptr i8, ptr %record, i64 {CHANNELS}
  %channels = load i64, ptr %channels_at
  call void @edgelstm_look(ptr %sensors, i64 %stride, ptr %values, i64 1, i64 %channels)
  ret ptr %answer

tell_of_input:
  %true_at = getelementptr i8, ptr %record, i64 {TRUE}
  %true = load ptr, ptr %true_at
  br label %tell

tell:
  %what = phi ptr [ %x, %check ], [ %x, %check_array ], [ %true, %tell_of_input ]
  %called = getelementptr i8, ptr %record, i64 {CALLED}
  %tell_at = getelementptr ptr, ptr %called, i64 1
  %drop_at = getelementptr ptr, ptr %called, i64 2
  %call = load ptr, ptr %tell_at
  %drop = load ptr, ptr %drop_at
  %told_at = getelementptr i8, ptr %record, i64 {TOLD}
  %told = load ptr, ptr %told_at
  %said = call ptr %call(ptr %told, ptr %what)
  %unsaid = icmp eq ptr %said, null
  br i1 %unsaid, label %fail, label %heard

heard:
  call void %drop(ptr %said)
  ret ptr %answer

fail:
  call void %drop(ptr %answer)
  ret ptr null

refused:
  %refused_at = getelementptr i8, ptr %record, i64 {REFUSED}
  %had = load i64, ptr %refused_at
  %has = add i64 %had, 1
  store i64 %has, ptr %refused_at
  ret ptr null
}}

; The next block of an iterator; the one before has been answered.
define ptr @edgelstm_timed_next(ptr %self) {{
  %own = getelementptr i8, ptr %self, i64 {FIELDS}
  %record = load ptr, ptr %own
  %samples_at = getelementptr i8, ptr %record, i64 {SAMPLES}
  %begun_at = getelementptr i8, ptr %record, i64 {BEGUN}
  %called = getelementptr i8, ptr %record, i64 {CALLED}
  %tell_at = getelementptr ptr, ptr %called, i64 1
  %drop_at = getelementptr ptr, ptr %called, i64 2
  %told_at = getelementptr i8, ptr %record, i64 {TOLD}
  %answered = load i64, ptr %samples_at
  %any = icmp sgt i64 %answered, 0
  br i1 %any, label %count, label %ask

count:
  %end = {read}
  %begun = load i64, ptr %begun_at
  %between = sub i64 %end, %begun
  %took = call i64 @llvm.smax.i64(i64 %between, i64 0)
  call void @edgelstm_count(ptr %record, i64 %took, i64 %answered)
  store i64 0, ptr %samples_at
  br label %ask

ask:
  %next = load ptr, ptr %called
  %blocks = load ptr, ptr %record
  %block = call ptr %next(ptr %blocks)
  %over = icmp eq ptr %block, null
  br i1 %over, label %leave, label %came

leave:
  ret ptr null

came:
  %type_at = getelementptr i8, ptr %block, i64 {OBJECT_TYPE}
  %type = load ptr, ptr %type_at
  %kind_at = getelementptr i8, ptr %record, i64 {KIND}
  %kind = load ptr, ptr %kind_at
  %known = icmp eq ptr %type, %kind
  br i1 %known, label %read, label %unknown

unknown:
  %tell = load ptr, ptr %tell_at
  %told = load ptr, ptr %told_at
  %said = call ptr %tell(ptr %told, ptr %block)
  %unsaid = icmp eq ptr %said, null
  br i1 %unsaid, label %drop, label %heard

heard:
  %let_go = load ptr, ptr %drop_at
  call void %let_go(ptr %said)
  %kind_now = load ptr, ptr %kind_at
  %known_now = icmp eq ptr %type, %kind_now
  br i1 %known_now, label %read, label %begin

drop:
  %let_block_go = load ptr, ptr %drop_at
  call void %let_block_go(ptr %block)
  ret ptr null

read:
  %array_at = getelementptr i8, ptr %block, i64 {ITEMS}
  %array = load ptr, ptr %array_at
  %shape_at = getelementptr i8, ptr %array, i64 {ARRAY_SHAPE}
  %shape = load ptr, ptr %shape_at
  %samples = load i64, ptr %shape
  store i64 %samples, ptr %samples_at
  %begins_at = getelementptr ptr, ptr %array_at, i64 4
  %begins = load ptr, ptr %begins_at
  %true_at = getelementptr i8, ptr %record, i64 {TRUE}
  %true = load ptr, ptr %true_at
  %resets = icmp eq ptr %begins, %true
  %one = zext i1 %resets to i64
  %resets_at = getelementptr i8, ptr %record, i64 {RESETS}
  %had = load i64, ptr %resets_at
  %has = add i64 %had, %one
  store i64 %has, ptr %resets_at
  %looks_at = getelementptr i8, ptr %record, i64 {LOOKS}
  %sensors = load ptr, ptr %looks_at
  %looks = icmp ne ptr %sensors, null
  br i1 %looks, label %check, label %begin

check:
  %array_type_at = getelementptr i8, ptr %array, i64 {OBJECT_TYPE}
  %array_type = load ptr, ptr %array_type_at
  %wanted_type_at = getelementptr i8, ptr %record, i64 {ARRAY_TYPE}
  %wanted_type = load ptr, ptr %wanted_type_at
  %is_array = icmp eq ptr %array_type, %wanted_type
  %descr_at = getelementptr i8, ptr %array, i64 {ARRAY_DESCR}
  %descr = load ptr, ptr %descr_at
  %float32_at = getelementptr i8, ptr %record, i64 {FLOAT32}
  %float32 = load ptr, ptr %float32_at
  %is_float32 = icmp eq ptr %descr, %float32
  %axes_at = getelementptr i8, ptr %array, i64 {ARRAY_NDIM}
  %axes = load i32, ptr %axes_at
  %two = icmp eq i32 %axes, 2
  %flags_at = getelementptr i8, ptr %array, i64 {ARRAY_FLAGS}
  %flags = load i32, ptr %flags_at
  %contiguous = trunc i32 %flags to i1
  %width_at = getelementptr i64, ptr %shape, i64 1
  %width = load i64, ptr %width_at
  %channels_at = getelementptr i8, ptr %record, i64 {CHANNELS}
  %channels = load i64, ptr %channels_at
  %wide = icmp eq i64 %width, %channels
  %some = icmp sgt i64 %samples, 0
  %fit_1 = and i1 %is_array, %is_float32
  %fit_2 = and i1 %two, %contiguous
  %fit_3 = and i1 %wide, %some
  %fit_4 = and i1 %fit_1, %fit_2
  %fits = and i1 %fit_3, %fit_4
  br i1 %fits, label %look, label %tell_of_samples

look:
  %stride_at = getelementptr i8, ptr %record, i64 {STRIDE}
  %stride = load i64, ptr %stride_at
  %values_at = getelementptr i8, ptr %array, i64 {ARRAY_DATA}
  %values = load ptr, ptr %values_at
  call void @edgelstm_look(ptr %sensors, i64 %stride, ptr %values, i64 %samples, i64 %width)
  br label %begin

tell_of_samples:
  %tell_2 = load ptr, ptr %tell_at
  %told_2 = load ptr, ptr %told_at
  %said_2 = call ptr %tell_2(ptr %told_2, ptr %array)
  %unsaid_2 = icmp eq ptr %said_2, null
  br i1 %unsaid_2, label %drop, label %said_so

said_so:
  %let_go_2 = load ptr, ptr %drop_at
  call void %let_go_2(ptr %said_2)
  br label %begin

begin:
  %now = {read}
  store i64 %now, ptr %begun_at
  ret ptr %block
}}

declare void @edgelstm_look(ptr, i64, ptr, i64, i64)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.umin.i64(i64, i64)
{needs}
"""

_EXPORTS = ("edgelstm_ticks", "edgelstm_timed_step", "edgelstm_timed_next", "edgelstm_look", MADE_FOR)
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
        name = cache.key("step clock", target, _offsets(), sensor_look.TEXT)  # not all that the code is made of is the compiler's
        data = cache.find(name)
        if data is None:
            data = _made(target)
            cache.keep(name, data)
        _loaded.append(Library(data))
    return _loaded[0]


def _offsets() -> dict[str, int]:
    """Where the code finds things: in the record, and in Python's objects."""
    named = {name: value for name, value in vars(at).items() if name.isupper() and isinstance(value, int)}
    objects = {name: value for name, value in vars(binding).items() if name.startswith(("ARRAY_", "OBJECT_"))}
    return {**named, **objects, "FIELDS": block_clock.FIELDS, "ITEMS": block_clock.ITEMS}


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

    read, needs = _COUNTERS[target.architecture]
    text = _TEXT.format(read=read, needs=needs, **_offsets())
    return object_code.emit([object_code.text_constant(MADE_FOR, object_code.host_cpu()), sensor_look.TEXT, text], target, _EXPORTS)
