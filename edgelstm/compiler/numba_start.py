"""Numba imported, or one sentence on what in its environment keeps it from working."""

import os
import sys
import warnings

from ..errors import CompileError, warn


def ready() -> None:
    """Import Numba.

    A variable that Numba cannot read and does without is logged in one line.

    Raises
    ------
    ImportError
        If it is not installed.
    CompileError
        If a variable of its environment stops it, or turns its compiler off.
    """
    if "numba" not in sys.modules:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            _import()
        for warning in said:
            if "NUMBA_" in (text := str(warning.message)):
                warn(text.strip().splitlines()[0])
    import numba

    if getattr(numba.config, "DISABLE_JIT", 0):
        raise CompileError("NUMBA_DISABLE_JIT turns the compiler off that makes the step; unset it (or disable_jit in .numba_config.yaml).")


def _import() -> None:
    try:
        import numba  # noqa: F401
    except ImportError:
        raise
    except Exception as problem:  # noqa: BLE001  every variable fails in its own way
        given = ", ".join(f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_"))
        raise CompileError(f"Numba does not start ({problem}) with {given or 'this environment'}; unset the variable at fault.") from None
