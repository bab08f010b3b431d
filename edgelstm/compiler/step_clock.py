"""Functions that time a stream's native step, or what is done with blocks of samples, by the CPU's own counter: compiled once a machine.

Python's clock costs as much as a small model's step; the counter costs a few nanoseconds.
"""

from ..errors import CompileError
from ..runtime import binding, block_clock
from ..runtime import step_clock as at
from . import cache, sensor_look, step_clock_ir
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
    text = step_clock_ir.TEXT.format(read=read, needs=needs, **_offsets())
    return object_code.emit([object_code.text_constant(MADE_FOR, object_code.host_cpu()), sensor_look.TEXT, text], target, _EXPORTS)
