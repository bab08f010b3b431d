"""QEMU's boards with a Cortex-M: link a program for one, run it, read what it says."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "microcontroller"

COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"


class Board(NamedTuple):
    """A machine of QEMU, and how programs for it are compiled and linked."""

    machine: str
    options: tuple[str, ...]


def _hard(cpu, fpu):
    return f"-mcpu={cpu}", "-mfloat-abi=hard", f"-mfpu={fpu}"


#: By target of `edgelstm build`. The M33 starts in its secure half, whose flash and RAM are elsewhere.
BOARDS = {
    "cortex-m4f": Board("mps2-an386", _hard("cortex-m4", "fpv4-sp-d16")),
    "cortex-m7": Board("mps2-an500", _hard("cortex-m7", "fpv5-sp-d16")),
    "cortex-m33": Board("mps2-an505", (*_hard("cortex-m33", "fpv5-sp-d16"), "-Wl,--defsym=FLASH=0x10000000,--defsym=RAM=0x38000000")),
    "cortex-m3": Board("mps2-an385", ("-mcpu=cortex-m3",)),
}


def need(*programs):
    """Skip the test where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")


def linked(board, sources, include, place, *options):
    """Compile and link C files and objects with the example's start-up code and the compiler's own library alone; warnings are errors."""
    command = [
        COMPILER,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fno-tree-loop-distribute-patterns",
        "-mthumb",
        *board.options,
        *(f"-I{folder}" for folder in (include, EXAMPLE)),
    ]
    command += ["-nostdlib", "-Wl,-z,noexecstack,--fatal-warnings", "-T", EXAMPLE / "board.ld", "-o", place]
    done = subprocess.run([*command, EXAMPLE / "startup.c", *sources, *options, "-lgcc"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


def emulated(board, program):
    """What a program says, and its exit code."""
    command = [EMULATOR, "-machine", board.machine, "-nographic", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", program]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.stdout.decode(), done.returncode
