"""One quiet core for this process, and what a figure must be published with: the machine and the versions."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

#: Read by NumPy's BLAS, PyTorch and others when they are loaded.
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def take_core(core: int) -> str:
    """Run on this core alone, one thread; call it before NumPy is imported. Says what it did.

    Raises
    ------
    SystemExit
        If this process may not use that core.
    """
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system cannot"
    allowed = sorted(os.sched_getaffinity(0))
    if core not in allowed:
        raise SystemExit(f"core {core} is not among those this process may use ({', '.join(map(str, allowed))}); name one with --core.")
    os.sched_setaffinity(0, {core})
    return f"core {core}"


def cpu_model() -> str:
    """The name the system gives its CPU."""
    info = Path("/proc/cpuinfo")
    names = ("model name", "Model", "Hardware")
    lines = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line] if info.exists() else []
    found = {key.strip(): value.strip() for key, value in lines}
    return next((found[name] for name in names if name in found), platform.processor() or platform.machine())


def describe() -> dict[str, str]:
    """Machine, system, interpreter and time of a measurement."""
    return {
        "cpu": f"{cpu_model()} ({platform.machine()}, {os.cpu_count()} cores)",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.version.split('[')[-1].rstrip(']')})",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
