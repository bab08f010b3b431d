"""What a plan must know of the CPU that it is for. One value a CPU; nothing is probed by trying instructions.

Of this machine only what the kernel's packing needs is read here, from the operating system, so that a warm start loads no compiler.
The compiler asks LLVM for the rest.
"""

import os
import re
import sys
from functools import cache
from hashlib import sha256
from typing import NamedTuple

from ..errors import CompileError


class Target(NamedTuple):
    """A CPU to compile for.

    Parameters
    ----------
    name : str
        How users call it.
    cpu : str
        LLVM's name of the CPU; empty until the compiler has been asked.
    lanes : int
        float32 values in one vector register.
    registers : int
        Vector registers.
    fma : bool
        Whether multiply-add is one instruction, rounded once.
    dot : str
        Form of int8 dot products: see `kernels.simd_int8`.
    identity : str
        Changes when code compiled for another such CPU may not run.
    """

    name: str
    cpu: str
    lanes: int
    registers: int
    fma: bool
    dot: str
    identity: str

    @property
    def widest_tile(self) -> int:
        """Units of an LSTM whose four gates may wait in registers together as one tile."""
        return min(40, 3 * self.registers // 16 * self.lanes)

    @property
    def tile(self) -> int:
        """Units of the tiles that larger layers are cut into."""
        return min(16, self.registers // 8 * self.lanes)


def _cpuinfo() -> dict[str, str]:
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


@cache
def host() -> Target:
    """The machine that this process runs on.

    Raises
    ------
    CompileError
        On a CPU architecture that edgelstm has no kernels for.
    """
    machine = _architecture()
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("features") or "").split())
    known = " ".join([machine, *(info.get(k, "") for k in ("vendor_id", "cpu family", "model", "stepping", "cpu part")), *sorted(flags)])
    identity = sha256(known.encode()).hexdigest()[:16]
    if machine in ("x86_64", "amd64"):
        if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags:
            return Target("host", "", 16, 32, True, "vnni" if "avx512_vnni" in flags else "pmaddwd", identity)
        if {"avx2", "fma"} <= flags:
            return Target("host", "", 8, 16, True, "pmaddwd", identity)
        return Target("host", "", 4, 16, "fma" in flags, "pmaddwd", identity)
    if machine in ("aarch64", "arm64"):
        return Target("host", "", 4, 32, True, "sdot" if "asimddp" in flags else "smlal", identity)
    raise CompileError(
        f"edgelstm compiles for x86-64 and 64-bit ARM hosts; this machine says it is {re.sub(r'[^a-z0-9_]', '', machine) or 'unknown'!r}."
    )
