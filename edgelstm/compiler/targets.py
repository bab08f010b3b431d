"""What a plan must know of the CPU that it is for: the table of targets, and this machine.

Nothing is probed by trying instructions. Of this machine only what the kernels' packing needs is read here, from the operating
system, so that a warm start loads no compiler. The compiler asks LLVM for the rest.
"""

import os
import re
import sys
from functools import cache, partial
from typing import Literal

from ..errors import CompileError, UsageError
from ..runtime.digests import sha256
from ..runtime.fields import Fields


class Target(Fields):
    """A CPU to compile for.

    Parameters
    ----------
    name : str
        How users call it.
    lanes : int
        float32 values in one vector register; 1: no vectors.
    registers : int
        Vector registers, or floating-point registers where there are no vectors.
    fma : bool
        Whether multiply-add is one instruction, rounded once.
    dot : str
        Form of int8 dot products: see `kernels.simd.dots`.
    triple, cpu, features, abi : str
        LLVM's words for the machine; empty for the host, which LLVM is asked about, but for the name of a CPU on which something was
        measured.
    needs : tuple of str
        What /proc/cpuinfo must list where the code is to run.
    tested : str
        How code for this target was tried.
    boards : str
        Where it runs.
    division : str
        Form of quotients: see `kernels.cells.advance`. Chosen by LLVM's models of the cores, for want of boards.
    identity : str
        Of the host: changes when code compiled for another such CPU may not run.
    crowded : bool
        Whether the weights of a model, for a layer of which this is the target, exceed a first-level cache, but not by far.
    """

    name: str
    lanes: int
    registers: int
    fma: bool
    dot: str
    triple: str = ""
    cpu: str = ""
    features: str = ""
    abi: str = ""
    needs: tuple[str, ...] = ()
    tested: str = ""
    boards: str = ""
    division: str = ""
    identity: str = ""
    crowded: bool = False

    @property
    def widest_tile(self) -> int:
        """Units of an LSTM whose four gates may wait in registers together as one tile. Measured on Zen 4; on ARM, counted."""
        return self.tile if self.pairs else min(40, 3 * self.registers // 16 * self.lanes)

    @property
    def tile(self) -> int:
        """Units of the tiles that larger layers are cut into. Measured on Zen 4; on ARM, counted."""
        return min(16, self.registers // 8 * self.lanes)

    @property
    def strip(self) -> int:
        """Floats of which half of the registers hold four timesteps: what blocks take of a tile's input products at a time."""
        return max(4, self.registers // 8 * self.lanes)

    @property
    def pairs(self) -> bool:
        """Whether one instruction loads two vector registers."""
        return self.architecture == "aarch64"

    @property
    def bounds(self) -> str:
        """What holds numbers within bounds: ``range`` (AVX-512), ``passing`` (minimum and maximum that pass a NaN on) or ``selected``."""
        if self.lanes == 16:
            return "range"
        return "passing" if self.lanes > 1 and self.architecture != "riscv64" else "selected"

    @property
    def halves(self) -> bool:
        """Whether an instruction makes float32 of half precision: F16C on x86, on ARM every FPU of the table's targets."""
        if self.architecture == "x86_64":
            return "f16c" in self.needs and not changed(self)
        return self.architecture == "aarch64" or (self.bits == 32 and self.fma and (self.lanes > 1 or not changed(self)))

    @property
    def fetches(self) -> bool:
        """Whether layers larger than the caches fetch their weights ahead of where they are read."""
        return self.cpu in FETCHING

    @property
    def weaves(self) -> bool:
        """Whether rows in half precision are woven in pairs, which takes instructions of AVX-512 VBMI."""
        return self.cpu in WEAVING and self.lanes == 16 and (self.name != "host" or "avx512vbmi" in self.needs)

    @property
    def widens(self) -> bool:
        """Whether small layers with weights in half precision are held in float32: `lowering.halves.in_memory`."""
        return self.cpu in WIDENING

    @property
    def fills(self) -> bool:
        """Whether tiles fill registers: of 16 lanes, 12 units take one, not two narrower ones."""
        return self.cpu in FILLING and self.lanes == 16

    def filled(self, padded: int) -> int:
        """Lanes beyond the last of so many units that fill its tile."""
        return 4 if self.fills and padded % 16 == 12 else 0

    @property
    def bare_metal(self) -> bool:
        """Whether there is no operating system that loads libraries: an object file is built."""
        return "-none-" in self.triple

    @property
    def bits(self) -> int:
        """Bits of an address."""
        return 32 if self.triple.startswith(("arm", "thumb")) else 64

    @property
    def architecture(self) -> str:
        """The instruction set, as the first word of LLVM's triple names it."""
        return self.triple.partition("-")[0] or {"amd64": "x86_64", "arm64": "aarch64"}.get(_architecture(), _architecture())


#: CPUs, in LLVM's words, on which fetching weights ahead was measured to gain. Measured on Zen 4: a step takes a quarter more.
FETCHING = ("znver5",)

#: CPUs on which weaving rows in half precision was measured to gain: Zen 4 takes two cycles to convert a register, 1.4 to part a word.
WEAVING = ("znver4",)

#: CPUs on which layers of `lowering.halves.WIDEST` weights were measured to lose by converting them at each step: Zen 4 and Zen 5 lose up
#: to two fifths.
WIDENING = ("znver4", "znver5")

#: CPUs on which filling registers was measured to gain: on Zen 5 a step of 12 units takes a sixth less, of 28 a quarter. Zen 4 takes a
#: register of 16 lanes in two halves.
FILLING = ("znver5",)

#: By AMD's families: models that LLVM calls so; the rest are other CPUs.
_MODELS = {
    "25": ("znver4", (range(0x10, 0x20), range(0x60, 0x80), range(0xA0, 0xB0))),
    "26": ("znver5", (range(0x50), range(0x60, 0x78), range(0xD0, 0xD8))),
}

_ARM64, _ARM32, _RISCV = "aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf", "riscv64-unknown-linux-gnu"
_X86 = "x86_64-unknown-linux-gnu"
_M3, _M4, _M33 = "thumbv7m-unknown-none-eabi", "thumbv7em-unknown-none-eabihf", "thumbv8m.main-unknown-none-eabihf"
_RVGC = "+m,+a,+f,+d,+c,-relax"
_V2 = ("ssse3", "sse4_1", "sse4_2", "popcnt")
_V3 = (*_V2, "avx", "avx2", "fma", "bmi1", "bmi2", "f16c", "movbe")
AVX512 = ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_V4 = (*_V3, *AVX512)

#: Instructions for int8 products, by their names in /proc/cpuinfo.
VNNI, VNNI_256, SDOT = "avx512_vnni", "avx_vnni", "asimddp"

#: Instructions for int8 products that a target may be given: in LLVM's words, with their architecture, form, and name in /proc/cpuinfo.
_DOTS = {
    "+dotprod": ("aarch64", "sdot", SDOT),
    "+avxvnni": ("x86_64", "vnni", VNNI_256),
    "+avx512vnni": ("x86_64", "vnni", VNNI),
}

#: What LLVM also makes use of where a host has it.
_NEWEST = (VNNI, "avx512vbmi", "avx512_vbmi2", "avx512ifma", "avx512_bitalg", "avx512_vpopcntdq", "avx512_bf16", VNNI_256, "gfni")
_EMULATED, _HERE, _BOARD = "emulated, qemu-user", "PC", "emulated, qemu-system-arm"

#: What users write for a target: the names in `TARGETS`, and this machine.
TargetName = Literal[
    "host",
    "rpi3",
    "rpi-zero2w",
    "rpi4",
    "rpi5",
    "aarch64",
    "x86-64-v2",
    "x86-64-v3",
    "x86-64-v4",
    "armv7",
    "riscv64",
    "riscv64-v",
    "cortex-m4f",
    "cortex-m7",
    "cortex-m33",
    "cortex-m3",
]

_pi = partial(Target, lanes=4, registers=32, fma=True, dot="smlal", triple=_ARM64, division="fdiv", tested=_EMULATED)
_pc = partial(Target, lanes=4, registers=16, fma=True, dot="pmaddwd", triple=_X86, tested=_HERE)
_risc = partial(Target, registers=32, fma=True, dot="generic", triple=_RISCV, cpu="generic-rv64", abi="lp64d", tested=_EMULATED)
_cortex_m = partial(Target, lanes=1, registers=32, fma=True, dot="generic")

_ARMV7_BOARDS, _RVV_BOARDS = "Raspberry Pi 2 to 4, Zero 2 W with a 32-bit system", "RV64GCV Linux boards (vectors of 128 bits or more)"

#: What `build` compiles for, by name.
TARGETS = {
    target.name: target
    for target in (
        _pi("rpi3", cpu="cortex-a53", boards="Raspberry Pi 3, 64-bit system"),
        _pi("rpi-zero2w", cpu="cortex-a53", boards="Raspberry Pi Zero 2 W, 64-bit system"),
        _pi("rpi4", cpu="cortex-a72", boards="Raspberry Pi 4, 400", division="frecpe"),
        _pi("rpi5", cpu="cortex-a76", boards="Raspberry Pi 5, 500", dot="sdot", needs=(SDOT,)),
        _pi("aarch64", cpu="generic", boards="any 64-bit ARM Linux"),
        _pc("x86-64-v2", cpu="x86-64-v2", boards="PCs since 2009", needs=_V2, fma=False),
        _pc("x86-64-v3", cpu="x86-64-v3", boards="PCs since 2015 (AVX2)", needs=_V3, lanes=8),
        _pc("x86-64-v4", cpu="x86-64-v4", boards="servers (AVX-512)", needs=_V4, lanes=16, registers=32),
        Target(
            name="armv7",
            lanes=4,
            registers=16,
            fma=True,
            dot="generic",
            triple=_ARM32,
            cpu="cortex-a7",
            features="+neon,+vfp4,-thumb-mode",
            needs=("neon", "vfpv4"),
            boards=_ARMV7_BOARDS,
            tested=_EMULATED,
        ),
        _risc("riscv64", lanes=1, features=_RVGC, boards="RV64GC Linux boards"),
        _risc("riscv64-v", lanes=4, features=f"{_RVGC},+v", boards=_RVV_BOARDS, needs=("v",)),
        _cortex_m("cortex-m4f", triple=_M4, cpu="cortex-m4", boards="STM32F4, nRF52, …", tested=f"{_BOARD} mps2-an386"),
        _cortex_m("cortex-m7", triple=_M4, cpu="cortex-m7", features="-fp64", boards="STM32F7, …", tested=f"{_BOARD} mps2-an500"),
        _cortex_m("cortex-m33", triple=_M33, cpu="cortex-m33", boards="nRF53, RP2350, …", tested=f"{_BOARD} mps2-an505"),
        _cortex_m(
            "cortex-m3", triple=_M3, cpu="cortex-m3", boards="STM32F1, … (no FPU)", tested=f"{_BOARD} mps2-an385", registers=8, fma=False
        ),
    )
}


def changed(target: Target) -> bool:
    """Whether a target has another CPU or other features than the one of its name."""
    own = TARGETS.get(target.name)
    return own is not None and (own.cpu, own.features) != (target.cpu, target.features)


def named(name: str, *, cpu: str = "", features: str = "") -> Target:
    """The target of a name, with another CPU or more features if given, in LLVM's words.

    Raises
    ------
    UsageError
        If there is no such target, or a feature has no sign.
    """
    if bad := [feature for feature in features.split(",") if feature and not re.fullmatch(r"[+-][\w.-]+", feature)]:
        raise UsageError(f"--features takes words of LLVM with a sign, separated by commas, such as +dotprod,-crc; got {bad[0]!r}.")
    if "help" in (cpu, *(feature[1:] for feature in features.split(","))):
        raise UsageError(
            "--cpu and --features take names that LLVM knows, such as cortex-a55 and +dotprod; it prints no list of them here."
        )
    if name == "host":
        if cpu or features:
            raise UsageError("the host is compiled for as it is; give --cpu or --features with another target, such as x86-64-v3.")
        return host()
    if name not in TARGETS:
        raise UsageError(f"there is no target {name!r}; known are host, {', '.join(TARGETS)}.")
    target = TARGETS[name]
    if cpu or features:
        extended = ",".join(filter(None, (target.features, features)))
        target = target._replace(cpu=cpu or target.cpu, features=extended, tested="as given: not tried")
    for feature in features.split(","):
        architecture, dot, need = _DOTS.get(feature, ("", "", ""))
        if architecture == target.architecture and need not in target.needs:
            target = target._replace(dot=dot, needs=(*target.needs, need))
    return target


def cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", errors="replace") as file:
            text = file.read()
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def _architecture() -> str:
    """The running machine's instruction set, in the operating system's words."""
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_ARCHITECTURE", "").lower()
    return os.uname().machine.lower()


def _measured_cpu(info: dict[str, str]) -> str:
    """LLVM's name of an x86 CPU in `_MODELS`; empty for all others, and where a hypervisor hides which it is."""
    name, known = _MODELS.get(info.get("cpu family", ""), ("", ()))
    model = info.get("model", "")
    mine = info.get("vendor_id") == "AuthenticAMD" and model.isdecimal() and any(int(model) in models for models in known)
    return name if mine else ""


@cache
def host() -> Target:
    """The machine that this process runs on.

    Raises
    ------
    CompileError
        On a CPU architecture that edgelstm has no kernels for.
    """
    machine = _architecture()
    info = cpuinfo()
    flags = set((info.get("flags") or info.get("features") or "").split())
    known = " ".join([machine, *(info.get(k, "") for k in ("vendor_id", "cpu family", "model", "stepping", "cpu part")), *sorted(flags)])
    identity = sha256(known.encode()).hexdigest()[:16]
    if machine in ("x86_64", "amd64"):
        needs = tuple(flag for flag in (*_V4, *_NEWEST) if flag in flags)
        plain = Target("host", 4, 16, "fma" in flags, "pmaddwd", cpu=_measured_cpu(info), needs=needs, identity=identity)
        if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
            return plain._replace(lanes=16, registers=32, fma=True, dot="vnni" if VNNI in flags else "pmaddwd")
        if {"avx2", "fma"} <= flags:
            return plain._replace(lanes=8, dot="vnni" if VNNI_256 in flags else "pmaddwd")
        return plain
    if machine in ("aarch64", "arm64"):
        dot, needs = ("sdot", (SDOT,)) if SDOT in flags else ("smlal", ())
        return Target("host", 4, 32, True, dot, needs=needs, identity=identity)
    raise CompileError(
        f"edgelstm compiles for x86-64 and 64-bit ARM hosts; this machine says it is {re.sub(r'[^a-z0-9_]', '', machine) or 'unknown'!r}. "
        "Build a library for it elsewhere: edgelstm build --help."
    )
