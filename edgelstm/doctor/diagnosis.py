"""What follows from the facts of a machine: targets that fit, packages that are missing, what to do. Reads little and prints nothing."""

import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from typing import Any, NamedTuple

from ..compiler import cache
from ..compiler.targets import TARGETS, Target
from ..runtime.cpu import MACHINES, misfit
from .machine import Machine

#: Fastest first.
_DOTS = ("vnni", "sdot", "smlal", "pmaddwd", "generic")

#: Degrees at which a Raspberry Pi begins to slow down are 80 to 85.
_HOT = 80


class Finding(NamedTuple):
    """One judgement.

    Parameters
    ----------
    level : {"ok", "advice", "broken"}
    what : str
        The fact.
    do : str
        What to do; empty where nothing is.
    """

    level: str
    what: str
    do: str = ""


#: (module, what it is for, how to install it); what the first four are for cannot be done otherwise.
PACKAGES = (
    ("numpy", "edgelstm.Stream; without it, edgelstm.device steps libraries", "pip install numpy, or apt install python3-numpy"),
    ("numba", "compiling on this machine; without it, build elsewhere and copy", "pip install 'numba>=0.62,<0.69'"),
    ("llvmlite", "compiling on this machine, with Numba", "comes with Numba"),
    ("safetensors", "reading and writing .elstm files; libraries do not need it", "pip install safetensors"),
    ("matplotlib", "edgelstm bench --plot", "pip install 'edgelstm[plot]'"),
    ("torch", "training the examples; no import of a checkpoint needs it", "pip install 'edgelstm[train]'"),
)


def packages() -> list[dict[str, Any]]:
    """For each of `PACKAGES`: ``name``, ``version`` (empty: absent), ``purpose``, ``install``."""
    return [{"name": name, "version": _version(name), "purpose": purpose, "install": how} for name, purpose, how in PACKAGES]


def _version(name: str) -> str:
    try:
        if find_spec(name) is None:
            return ""
        return metadata.version(name)
    except (ImportError, ValueError, metadata.PackageNotFoundError):
        return "of unknown version" if name in sys.modules else ""


def fitting(machine: Machine) -> list[Target]:
    """The targets whose libraries run here, the best first."""

    def has(_: int, feature: str) -> bool:
        unknown = not machine.features and machine.system in ("x86_64", "amd64")
        return unknown or feature in machine.features

    def rank(target: Target) -> tuple[bool, bool, int, int, bool]:
        board = target.boards.partition(",")[0]
        return (
            not (board and board in machine.board),
            target.cpu != machine.cpu,
            _DOTS.index(target.dot),
            -target.lanes,
            target.cpu != "generic",
        )

    linux = (target for target in TARGETS.values() if not target.bare_metal)
    here = machine.system, machine.python_bits
    return sorted((t for t in linux if not misfit(*MACHINES[t.architecture], t.needs, *here, has)), key=rank)


def code_cache() -> dict[str, Any]:
    """The cache of compiled code: ``folder`` (empty without a home), ``exists``, ``trusted``, ``writable``, ``entries``, ``bytes``."""
    folder = cache.folder()
    told: dict[str, Any] = {"folder": folder, "exists": os.path.isdir(folder), "trusted": True, "entries": 0, "bytes": 0}
    near = os.path.abspath(folder) if folder else ""
    while near and not os.path.exists(near) and os.path.dirname(near) != near:
        near = os.path.dirname(near)
    told["writable"] = os.path.isdir(near) and os.access(near, os.W_OK | os.X_OK)
    if told["exists"]:
        try:
            told["trusted"] = cache.trusted(folder)
            sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(".so")]
            told["entries"], told["bytes"] = len(sizes), sum(sizes)
        except OSError:
            told["writable"] = False
    return told


def code_memory() -> str:
    """Where this process may run code that it has read: ``anonymous memory``, ``temporary files``, or nowhere."""
    if hasattr(os, "memfd_create"):
        try:
            handle = os.memfd_create("edgelstm", os.MFD_CLOEXEC)
        except OSError:
            pass
        else:
            with os.fdopen(handle, "r+b") as file:
                if _maps(file.fileno()):
                    return "anonymous memory"
    try:
        with tempfile.TemporaryFile() as file:
            return "temporary files" if _maps(file.fileno()) else ""
    except OSError:
        return ""


def _maps(handle: int) -> bool:
    if not hasattr(mmap, "PROT_EXEC"):
        return True
    try:
        os.ftruncate(handle, mmap.PAGESIZE)
        mmap.mmap(handle, mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
    except (OSError, ValueError):
        return False
    return True


def findings(machine: Machine, told: dict[str, Any]) -> list[Finding]:
    """All judgements, the worst first.

    Parameters
    ----------
    machine : Machine
    told : dict
        ``targets``, ``packages``, ``cache``, ``code_memory``, ``toy``, ``library``, as the functions here and in `trial` tell them;
        ``library`` is None where none was given.
    """
    found = [
        *_system(machine, told["targets"]),
        *_packages(told["packages"], bool(told["targets"])),
        *_loading(told["code_memory"]),
        *_cache(told["cache"], bool(told["toy"].get("skipped"))),
        *_trials(told["toy"], told["library"], told["targets"]),
        *_pace(machine),
    ]
    order = ("broken", "advice", "ok")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _system(machine: Machine, targets: list[str]) -> Iterator[Finding]:
    if targets:
        yield Finding("ok", f"libraries for {', '.join(targets)} run here, the first fits best")
    else:
        what = f"no target fits a {machine.python_bits}-bit Python on {machine.system or 'an unknown architecture'}"
        do = "Use a board with a CPU of 64 bits, or of ARMv7 with NEON; `edgelstm targets` lists what there is."
        yield Finding("broken", what, do)
    if machine.python_bits == 32 and machine.kernel_bits == 64:
        yield Finding(
            "advice",
            "the kernel has 64 bits, this Python 32: a 32-bit system on a 64-bit CPU",
            "Build with --target armv7, or install the 64-bit system, where the same model runs faster.",
        )
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding("advice", f"edgelstm is tested with Python 3.11 to 3.13; this is {machine.python}", "Use one of those.")


def _packages(packages: list[dict[str, Any]], runs: bool) -> Iterator[Finding]:
    absent = {package["name"]: package for package in packages if not package["version"]}
    if "numba" in absent and runs:
        needed = "edgelstm.device" if "numpy" in absent else "edgelstm.Stream"
        yield Finding("ok", f"built libraries are stepped by {needed} with what is installed; models are compiled elsewhere")
        return
    for name in ("numpy", "numba", "safetensors"):
        if name in absent:
            yield Finding("advice", f"{name} is absent: {absent[name]['purpose']}", f"If you want that here: {absent[name]['install']}.")


def _loading(memory: str) -> Iterator[Finding]:
    if not memory:
        yield Finding(
            "broken",
            "neither anonymous memory nor a temporary file may hold code that runs",
            "Mount a folder without noexec and set TMPDIR to it, or relax what confines this process (seccomp, SELinux, AppArmor).",
        )


def _cache(told: dict[str, Any], useless: bool) -> Iterator[Finding]:
    """A machine that compiles nothing needs no cache."""
    if useless:
        return
    if not told["folder"]:
        do = "Set EDGELSTM_CACHE_DIR to a writable folder of your own; built libraries need none."
        yield Finding("advice", "this user has no home folder, so that code is not cached: every start compiles again", do)
    elif not told["trusted"]:
        do = f"chmod go-w {told['folder']}, owned by you or root; or set EDGELSTM_CACHE_DIR to a folder of your own."
        yield Finding("advice", f"the code cache {told['folder']} is ignored: others can write to it", do)
    elif not told["writable"] and not told["entries"]:
        do = "Set EDGELSTM_CACHE_DIR to a writable folder and start once, or run a built library, which needs no cache."
        yield Finding("advice", f"the code cache {told['folder']} is empty and cannot be written: every start compiles again", do)
    elif not told["writable"]:
        yield Finding("ok", f"the code cache is read-only and holds {told['entries']} entries: what is in it starts fast")


def _trials(toy: dict[str, Any], library: dict[str, Any] | None, targets: list[str]) -> Iterator[Finding]:
    if toy["problem"]:
        do = "Install the versions that edgelstm asks for: pip install --upgrade edgelstm. If it stays, please report it."
        yield Finding("broken", f"the toy model fails: {toy['problem']}", do)
    elif skipped := toy.get("skipped"):
        yield Finding("ok", skipped)
    else:
        yield Finding("ok", "a toy model was compiled, compared with the reference, built, loaded and replayed")
    if library is None:
        return
    if library["problem"]:
        yield Finding("broken", f"the library fails: {library['problem']}")
    elif library["misfit"]:
        do = f"Build it with --target {targets[0]}." if targets else ""
        yield Finding("broken", f"the library {library['misfit']}", do)
    else:
        yield Finding("ok", f"the library loads and gives the answers of its probe ({library['probe_steps']} steps)")


def _pace(machine: Machine) -> Iterator[Finding]:
    """What makes steps slow or late."""
    power = [words for words in machine.throttled or () if "under-voltage" in words]
    heat = [words for words in machine.throttled or () if "under-voltage" not in words]
    if power:
        do = "Use the board's own power supply and a short cable; times measured meanwhile are not the board's."
        yield Finding("advice", "; ".join(power), do)
    if heat:
        yield Finding("advice", "; ".join(heat), "Cool the board, or improve its power supply; then start again to clear what was.")
    if machine.celsius is not None and machine.celsius >= _HOT:
        yield Finding("advice", f"the CPU has {machine.celsius:.0f} °C and may slow down", "Give it a heat sink or a fan.")
    if lazy := sorted({"ondemand", "powersave", "conservative", "schedutil"} & set(machine.governors)):
        yield Finding(
            "advice",
            f"the frequency governor is {', '.join(lazy)}: a step after a pause runs on a slow clock",
            "Where the tail counts: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    if machine.read_only_root:
        yield Finding("ok", "the root file system is read-only: built libraries need no writable folder")
