"""IR of what `step_clock` compiles: a step, and an iterator of blocks, with the CPU's counter read around them.

Names in braces are byte offsets: of fields of a record (`runtime.step_clock`), and of CPython's and NumPy's objects (`runtime.binding`).
"""

#: The native step: an array object over a record (`runtime.step_clock`), arguments and their number -> a new reference, or NULL.
TEXT = """
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

; Whether an object is a contiguous array of float32 of so many axes, the last as long as a sample.
define internal i1 @edgelstm_fits(ptr %record, ptr %array, i32 %wanted) alwaysinline {{
  %type_at = getelementptr i8, ptr %array, i64 {OBJECT_TYPE}
  %type = load ptr, ptr %type_at
  %array_type_at = getelementptr i8, ptr %record, i64 {ARRAY_TYPE}
  %array_type = load ptr, ptr %array_type_at
  %is_array = icmp eq ptr %type, %array_type
  br i1 %is_array, label %compare, label %no

compare:
  %axes_at = getelementptr i8, ptr %array, i64 {ARRAY_NDIM}
  %axes = load i32, ptr %axes_at
  %as_wanted = icmp eq i32 %axes, %wanted
  br i1 %as_wanted, label %inside, label %no

inside:
  %descr_at = getelementptr i8, ptr %array, i64 {ARRAY_DESCR}
  %descr = load ptr, ptr %descr_at
  %float32_at = getelementptr i8, ptr %record, i64 {FLOAT32}
  %float32 = load ptr, ptr %float32_at
  %is_float32 = icmp eq ptr %descr, %float32
  %flags_at = getelementptr i8, ptr %array, i64 {ARRAY_FLAGS}
  %flags = load i32, ptr %flags_at
  %contiguous = trunc i32 %flags to i1
  %shape_at = getelementptr i8, ptr %array, i64 {ARRAY_SHAPE}
  %shape = load ptr, ptr %shape_at
  %last = sub i32 %axes, 1
  %width_at = getelementptr i64, ptr %shape, i32 %last
  %width = load i64, ptr %width_at
  %channels_at = getelementptr i8, ptr %record, i64 {CHANNELS}
  %channels = load i64, ptr %channels_at
  %wide = icmp eq i64 %width, %channels
  %fits_1 = and i1 %is_float32, %contiguous
  %fits = and i1 %fits_1, %wide
  ret i1 %fits

no:
  ret i1 false
}}

; Look at the samples of an array that fits.
define internal void @edgelstm_look_at(ptr %record, ptr %sensors, ptr %array, i64 %samples) alwaysinline {{
  %stride_at = getelementptr i8, ptr %record, i64 {STRIDE}
  %stride = load i64, ptr %stride_at
  %channels_at = getelementptr i8, ptr %record, i64 {CHANNELS}
  %channels = load i64, ptr %channels_at
  %values_at = getelementptr i8, ptr %array, i64 {ARRAY_DATA}
  %values = load ptr, ptr %values_at
  call void @edgelstm_look(ptr %sensors, i64 %stride, ptr %values, i64 %samples, i64 %channels)
  ret void
}}

; Let go of an object.
define internal void @edgelstm_drop(ptr %record, ptr %object) alwaysinline {{
  %drop_at = getelementptr i8, ptr %record, i64 {DROP}
  %drop = load ptr, ptr %drop_at
  call void %drop(ptr %object)
  ret void
}}

; Say what is not known here; whether that went well.
define internal i1 @edgelstm_tell(ptr %record, ptr %what) alwaysinline {{
  %call_at = getelementptr i8, ptr %record, i64 {CALL}
  %call = load ptr, ptr %call_at
  %told_at = getelementptr i8, ptr %record, i64 {TOLD}
  %told = load ptr, ptr %told_at
  %said = call ptr %call(ptr %told, ptr %what)
  %unsaid = icmp eq ptr %said, null
  br i1 %unsaid, label %no, label %yes

yes:
  call void @edgelstm_drop(ptr %record, ptr %said)
  ret i1 true

no:
  ret i1 false
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
  br i1 %one, label %check, label %own

check:
  %x = load ptr, ptr %args
  %fits = call i1 @edgelstm_fits(ptr %record, ptr %x, i32 1)
  br i1 %fits, label %look, label %tell

look:
  call void @edgelstm_look_at(ptr %record, ptr %sensors, ptr %x, i64 1)
  ret ptr %answer

own:
  %true_at = getelementptr i8, ptr %record, i64 {TRUE}
  %true = load ptr, ptr %true_at
  br label %tell

tell:
  %what = phi ptr [ %x, %check ], [ %true, %own ]
  %heard = call i1 @edgelstm_tell(ptr %record, ptr %what)
  br i1 %heard, label %leave, label %fail

fail:
  call void @edgelstm_drop(ptr %record, ptr %answer)
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
  %heard = call i1 @edgelstm_tell(ptr %record, ptr %block)
  br i1 %heard, label %told, label %drop

told:
  %kind_now = load ptr, ptr %kind_at
  %known_now = icmp eq ptr %type, %kind_now
  br i1 %known_now, label %read, label %begin

drop:
  call void @edgelstm_drop(ptr %record, ptr %block)
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
  %some = icmp sgt i64 %samples, 0
  br i1 %some, label %compare, label %begin

compare:
  %fits = call i1 @edgelstm_fits(ptr %record, ptr %array, i32 2)
  br i1 %fits, label %look, label %tell

look:
  call void @edgelstm_look_at(ptr %record, ptr %sensors, ptr %array, i64 %samples)
  br label %begin

tell:
  %heard_2 = call i1 @edgelstm_tell(ptr %record, ptr %array)
  br i1 %heard_2, label %begin, label %drop

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
