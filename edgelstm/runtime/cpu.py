"""Whether this process can run code that was compiled for some machine. The standard library alone."""

import ctypes
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

#: ELF's number of a machine and its bits, by the first word of LLVM's triple.
MACHINES = {"x86_64": (62, 64), "aarch64": (183, 64), "armv7": (40, 32), "riscv64": (243, 64)}

#: By ELF's number: what users call the machine, and how operating systems name those that can run it.
_RUNS_ON = {
    62: ("x86-64", ("x86_64", "amd64")),
    183: ("64-bit ARM", ("aarch64", "arm64")),
    40: ("32-bit ARM", ("armv7l", "armv8l", "aarch64")),
    243: ("64-bit RISC-V", ("riscv64",)),
}

#: Bits of Linux's AT_HWCAP, and above 32 of AT_HWCAP2, by the name in /proc/cpuinfo.
_HWCAP = {
    183: {"asimddp": 1 << 20, "sve": 1 << 22, "sve2": 1 << 33, "i8mm": 1 << 45, "cssc": 1 << 66},
    40: {"neon": 1 << 12, "vfpv4": 1 << 16},
    243: {"v": 1 << 21},
}


def this_machine() -> "tuple[str, int]":
    """The running machine in the operating system's words, and the bits of an address in this process."""
    return os.uname().machine.lower() if hasattr(os, "uname") else "", 64 if sys.maxsize > 2**32 else 32


def misfit(machine: int, bits: int, needs: "Iterable[str]", system: str, own: int, has: "Callable[[int, str], bool]") -> str:
    """Why a process cannot run code: another instruction set, another word, instructions that its CPU lacks. Empty if it can.

    Parameters
    ----------
    machine, bits : int
        ELF's number of the code's machine, and the bits of an address there.
    needs : iterable of str
        What /proc/cpuinfo must list.
    system, own : str, int
        The process's machine, as the operating system names it, and the bits of its addresses.
    has : callable
        ``has(machine, name)``: whether the CPU has what the code needs.
    """
    name, systems = _RUNS_ON.get(machine, (f"machine {machine}", ()))
    if system not in systems or bits != own:
        return f"is for {bits}-bit programs on {name}; this is a {own}-bit Python on {system or 'an unknown machine'}"
    missing = ", ".join([need for need in needs if not has(machine, need)])
    return missing and f"needs a CPU with {missing}, which this one lacks"


#: What /proc/cpuinfo lists of this x86 CPU, once it was read.
_flags: "list[str]" = []


def cpu_has(machine: int, feature: str) -> bool:
    """Whether this CPU has what /proc/cpuinfo lists as `feature`."""
    if machine in _HWCAP:
        getauxval: Any = ctypes.CDLL(None).getauxval
        getauxval.restype = ctypes.c_ulong
        return bool((getauxval(16) | getauxval(26) << 32) & _HWCAP[machine].get(feature, 0))  # AT_HWCAP, AT_HWCAP2
    if not _flags:  # reading costs more than all else that loading a small library does
        try:
            with open("/proc/cpuinfo") as file:
                _flags.extend(next((line for line in file if line.startswith("flags")), "").split())
        except OSError:
            return True
    return feature in _flags
