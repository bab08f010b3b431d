"""The look at sensors as samples pass, compiled: eight channels at a time, sample by sample. `field.sensors` says what is looked for.

The record is `runtime.sensor_record`'s. `SensorChecks` looks by NumPy where nothing is compiled: the twin.
"""

from ..runtime import sensor_record as at

#: Rows of the record that are read for a group of channels, and those of them that a sample changes.
_READ = ("LOW", "HIGH", "LONGEST", "BEFORE", "RUN", "STUCK", "STUCK_TOTAL", "OUT_OF_RANGE", "RECENT", "WEIGHT")
_CHANGED = _READ[3:]

_DOUBLES, _FLOATS, _BITS, _WHOLE = (f"<{at.LANES} x {kind}>" for kind in ("double", "float", "i1", "i64"))


def _each(kind: str, *values: object) -> str:
    """A constant vector; of one value: that in all lanes."""
    return f"<{', '.join(f'{kind} {value}' for value in (values if len(values) > 1 else values * at.LANES))}>"


_ONE, _NONE, _ABSENT = _each("double", "1.0"), "zeroinitializer", _each("float", "0x7FF8000000000000")

#: What a sample changes. Names that end in ``_now`` are there when it begins; those in ``_next``, when it ends.
_SAMPLE = f"""
  %under = fcmp olt {_DOUBLES} %value, %low
  %over = fcmp ogt {_DOUBLES} %value, %high
  %outside = or {_BITS} %under, %over
  %one_out = select {_BITS} %outside, {_DOUBLES} {_ONE}, {_DOUBLES} {_NONE}
  %out_of_range_next = fadd {_DOUBLES} %out_of_range_now, %one_out
  %known = fcmp ord {_DOUBLES} %value, %value
  %same = fcmp oeq {_DOUBLES} %value, %before_now
  %longer = fadd {_DOUBLES} %run_now, {_ONE}
  %counted = select {_BITS} %same, {_DOUBLES} %longer, {_DOUBLES} {_ONE}
  %run_next = select {_BITS} %known, {_DOUBLES} %counted, {_DOUBLES} %run_now
  %before_next = select {_BITS} %known, {_DOUBLES} %value, {_DOUBLES} %before_now
  %long = fcmp ogt {_DOUBLES} %run_next, %longest
  %stuck_next = select {_BITS} %long, {_DOUBLES} {_ONE}, {_DOUBLES} {_NONE}
  %became = fcmp ogt {_DOUBLES} %stuck_next, %stuck_now
  %one_more = select {_BITS} %became, {_DOUBLES} {_ONE}, {_DOUBLES} {_NONE}
  %stuck_total_next = fadd {_DOUBLES} %stuck_total_now, %one_more
  %size_of = call {_DOUBLES} @llvm.fabs.v{at.LANES}f64({_DOUBLES} %value)
  %finite = fcmp one {_DOUBLES} %size_of, {_each("double", "0x7FF0000000000000")}
  %kept = fmul {_DOUBLES} %recent_now, {_each("double", 1 - 1 / at.MEMORY)}
  %new = fmul {_DOUBLES} %value, {_each("double", 1 / at.MEMORY)}
  %mean = fadd {_DOUBLES} %kept, %new
  %recent_next = select {_BITS} %finite, {_DOUBLES} %mean, {_DOUBLES} %recent_now
  %weight_kept = fmul {_DOUBLES} %weight_now, {_each("double", 1 - 1 / at.MEMORY)}
  %heavier = fadd {_DOUBLES} %weight_kept, {_each("double", 1 / at.MEMORY)}
  %weight_next = select {_BITS} %finite, {_DOUBLES} %heavier, {_DOUBLES} %weight_now
"""


def _at(name: str) -> str:
    """Where the row of a group stands: `%..._at`."""
    row = name.lower()
    return (
        f"  %{row}_row = mul i64 %stride, {getattr(at, name)}\n  %{row}_place = add i64 %{row}_row, %across\n"
        f"  %{row}_at = getelementptr i8, ptr %record, i64 %{row}_place\n"
    )


def _load(name: str) -> str:
    row = name.lower()
    return _at(name) + f"  %{row}{'_begin' if name in _CHANGED else ''} = load {_DOUBLES}, ptr %{row}_at, align 8\n"


def _phi(name: str) -> str:
    row = name.lower()
    return f"  %{row}_now = phi {_DOUBLES} [ %{row}_begin, %group ], [ %{row}_next, %sample ]\n"


def _store(name: str) -> str:
    row = name.lower()
    return f"  store {_DOUBLES} %{row}_next, ptr %{row}_at, align 8\n"


#: Samples (count, size) of float32 are looked at; stride: bytes of a row of the record. There is at least one, of one channel.
TEXT = f"""
define void @edgelstm_look(ptr %record, i64 %stride, ptr %samples, i64 %count, i64 %size) {{
  %seen_place = mul i64 %stride, {at.SEEN}
  %seen_at = getelementptr i8, ptr %record, i64 %seen_place
  %seen = load double, ptr %seen_at
  %came = sitofp i64 %count to double
  %seen_now = fadd double %seen, %came
  store double %seen_now, ptr %seen_at
  br label %group

group:
  %first = phi i64 [ 0, %0 ], [ %following, %done ]
  %across = shl i64 %first, 3
  %left = sub i64 %size, %first
  %lefts = insertelement {_WHOLE} poison, i64 %left, i64 0
  %those = shufflevector {_WHOLE} %lefts, {_WHOLE} poison, <{at.LANES} x i32> zeroinitializer
  %there = icmp slt {_WHOLE} {_each("i64", *range(at.LANES))}, %those
{"".join(map(_load, _READ))}  br label %sample

sample:
  %number = phi i64 [ 0, %group ], [ %number_next, %sample ]
{"".join(map(_phi, _CHANGED))}  %before_it = mul i64 %number, %size
  %index = add i64 %before_it, %first
  %from = getelementptr float, ptr %samples, i64 %index
  %given = call {_FLOATS} @llvm.masked.load.v{at.LANES}f32.p0(ptr %from, i32 4, {_BITS} %there, {_FLOATS} {_ABSENT})
  %value = fpext {_FLOATS} %given to {_DOUBLES}
{_SAMPLE}  %number_next = add i64 %number, 1
  %more = icmp slt i64 %number_next, %count
  br i1 %more, label %sample, label %done

done:
{"".join(map(_store, _CHANGED))}  %following = add i64 %first, {at.LANES}
  %others = icmp slt i64 %following, %size
  br i1 %others, label %group, label %end

end:
  ret void
}}

declare {_DOUBLES} @llvm.fabs.v{at.LANES}f64({_DOUBLES})
declare {_FLOATS} @llvm.masked.load.v{at.LANES}f32.p0(ptr, i32, {_BITS}, {_FLOATS})
"""
