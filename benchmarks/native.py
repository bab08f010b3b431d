"""Compiles a C source of this folder with the system's compiler and loads it.

Nothing is kept: the library lives in a temporary folder that is removed once it is loaded.
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


class NoCompilerError(ImportError):
    """There is no C compiler; it is an ImportError so that what needs one counts as a peer that is not installed."""


FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC", "-c")


def compiler() -> str:
    """Path of the C compiler: ``$CC``, else cc, gcc or clang.

    Raises
    ------
    NoCompilerError
        If there is none.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)):
            return path
    raise NoCompilerError("no C compiler found; install gcc or clang, or name one in CC")


def compiler_version() -> str:
    """First line of what the compiler says of itself."""
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def load(source: str, **constants: int) -> ctypes.CDLL:
    """The library made from `source` (a file of this folder), `constants` defined as macros.

    Raises
    ------
    RuntimeError
        If the compiler refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "library.so")
        macros = [f"-D{name}={value}" for name, value in constants.items()]
        code = str(library.with_suffix(".o"))
        # Linked apart: linking with -ffast-math would make the library turn off denormal numbers for the whole process.
        for command in (
            [compiler(), *FLAGS, *macros, str(Path(__file__).with_name(source)), "-o", code],
            [compiler(), "-shared", code, "-o", str(library)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
        return ctypes.CDLL(str(library))
