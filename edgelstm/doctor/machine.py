"""What this machine is: board, CPU, system, and how it runs just now, read from Linux's files as text.

Nothing here judges (that is `diagnosis`) and nothing here fails: what a system does not tell is empty, zero or None.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from ..runtime.cpu import cpu_has, this_machine

#: Bits of a Raspberry Pi's throttling state, in words.
THROTTLED = {
    0: "under-voltage now",
    1: "frequency capped now",
    2: "throttled now",
    3: "at the soft temperature limit now",
    16: "under-voltage since the start",
    17: "frequency capped since the start",
    18: "throttled since the start",
    19: "at the soft temperature limit since the start",
}

#: ARM's own cores, by the part number in /proc/cpuinfo, in LLVM's words.
_ARM_PARTS = {
    "0xb76": "arm1176",
    "0xc07": "cortex-a7",
    "0xc08": "cortex-a8",
    "0xc09": "cortex-a9",
    "0xc0f": "cortex-a15",
    "0xd03": "cortex-a53",
    "0xd04": "cortex-a35",
    "0xd05": "cortex-a55",
    "0xd07": "cortex-a57",
    "0xd08": "cortex-a72",
    "0xd09": "cortex-a73",
    "0xd0a": "cortex-a75",
    "0xd0b": "cortex-a76",
    "0xd0c": "neoverse-n1",
    "0xd0d": "cortex-a77",
    "0xd40": "neoverse-v1",
    "0xd41": "cortex-a78",
    "0xd46": "cortex-a510",
    "0xd49": "neoverse-n2",
}

#: What makes kernels fast, as /proc/cpuinfo lists it.
_MATTERS = ("neon", "vfpv4", "asimd", "asimddp", "fphp", "asimdhp", "v", "sse4_2", "avx2", "fma", "avx512f", "avx512vl", "avx512_vnni")

#: ELF's numbers of the machines whose features the system tells by a word of bits.
_TELLS_BITS = {
    "aarch64": (183, ("asimddp",)),
    "armv7l": (40, ("neon", "vfpv4")),
    "armv8l": (40, ("neon", "vfpv4")),
    "riscv64": (243, ("v",)),
}

_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"


class Machine(NamedTuple):
    """What a machine tells of itself.

    Attributes
    ----------
    board : str
        Model in the device tree, or the maker's name for a PC.
    cpu : str
        Its name; LLVM's where it is one of ARM's cores.
    cores : int
        Processors online.
    features : frozenset of str
        All that /proc/cpuinfo lists or the system tells otherwise.
    system : str
        The kernel's name of the architecture.
    kernel : str
        Name and release.
    kernel_bits, system_bits, python_bits : int
        Bits of the kernel, of the installed programs, of this Python; 0: unknown.
    python : str
        Interpreter and version.
    libc : str
    governors : tuple of str
        Of the CPUs' frequencies, each once.
    mhz, max_mhz : int
        Of the first CPU, now and at most.
    celsius : float or None
        The CPU's temperature.
    throttled : tuple of str or None
        What holds a Raspberry Pi back, in words; None where nothing tells.
    isolated : str
        CPUs that the scheduler leaves alone, such as ``2-3``.
    memory_bytes, free_bytes : int
        All, and what is available.
    read_only_root : bool
    container : bool
        Whether this is a container, whose files tell of its host.
    """

    board: str = ""
    cpu: str = ""
    cores: int = 0
    features: frozenset[str] = frozenset()
    system: str = ""
    kernel: str = ""
    kernel_bits: int = 0
    system_bits: int = 0
    python_bits: int = 0
    python: str = ""
    libc: str = ""
    governors: tuple[str, ...] = ()
    mhz: int = 0
    max_mhz: int = 0
    celsius: float | None = None
    throttled: tuple[str, ...] | None = None
    isolated: str = ""
    memory_bytes: int = 0
    free_bytes: int = 0
    read_only_root: bool = False
    container: bool = False

    def record(self) -> dict[str, Any]:
        """As plain JSON values; of the features, those that matter."""
        told = {key: list(value) if isinstance(value, tuple) else value for key, value in self._asdict().items()}
        return {**told, "features": [name for name in _MATTERS if name in self.features]}


def look(root: str = "/", *, system: str = "", bits: int = 0) -> Machine:
    """Read this machine, or one whose files lie under `root`.

    Parameters
    ----------
    root : str
        Folder that stands for ``/``.
    system : str, optional
        The kernel's name of the architecture, where it is not this process's; the files then tell the features too.
    bits : int, optional
        Bits of that machine's Python.
    """
    at = Path(root)
    own, own_bits = this_machine()
    cpuinfo = _text(at / "proc/cpuinfo")
    memory = meminfo(_text(at / "proc/meminfo"))
    cpus = at / "sys/devices/system/cpu"
    name = system or own
    board = _text(at / "proc/device-tree/model") or _text(at / "sys/class/dmi/id/product_name")
    return Machine(
        board=plain(board),
        cpu=cpu_name(cpuinfo),
        cores=count_cpus(_text(cpus / "online")) or cpuinfo_cores(cpuinfo) or os.cpu_count() or 0,
        features=features(cpuinfo) | (frozenset() if system else _told_by_bits(own)),
        system=name,
        kernel=plain(" ".join([platform.system(), platform.release()])),
        kernel_bits=0 if not name else 64 if "64" in name or name in ("s390x", "armv8b") else 32,
        system_bits=elf_bits(at / "bin/sh"),
        python_bits=bits or own_bits,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libc=_libc(),
        governors=tuple(sorted({plain(_text(path)) for path in _listed(cpus, "cpu[0-9]*/cpufreq/scaling_governor")} - {""})),
        mhz=_number(_text(cpus / "cpu0/cpufreq/scaling_cur_freq")) // 1000,
        max_mhz=_number(_text(cpus / "cpu0/cpufreq/scaling_max_freq")) // 1000,
        celsius=_temperature(at),
        throttled=_throttled(at),
        isolated=plain(_text(cpus / "isolated")),
        memory_bytes=memory[0],
        free_bytes=memory[1],
        read_only_root=is_read_only(_text(at / "proc/mounts")),
        container=(at / ".dockerenv").exists() or (at / "run/.containerenv").exists() or bool(_text(at / "run/systemd/container")),
    )


def _libc() -> str:
    try:
        return " ".join(platform.libc_ver()).strip()
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[: 1 << 20].decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _number(text: str) -> int:
    found = re.match(r"\s*(-?[0-9]{1,15})\s*$", text)
    return int(found[1]) if found else 0


def plain(text: str) -> str:
    """A file's one line without what the kernel ends it with, and without control characters."""
    return "".join(c if c.isprintable() else " " for c in text.replace("\0", " ")).strip()


def _fields(cpuinfo: str) -> dict[str, str]:
    """All keys of /proc/cpuinfo, each with the value it has first."""
    found: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip().lower(), plain(value))
    return found


def cpu_name(cpuinfo: str) -> str:
    """The processor's name in the text of /proc/cpuinfo."""
    fields = _fields(cpuinfo)
    if fields.get("cpu implementer", "").lower() == "0x41" and (part := _ARM_PARTS.get(fields.get("cpu part", "").lower())):
        return part
    name = fields.get("model name") or fields.get("uarch") or fields.get("isa") or fields.get("hardware") or ""
    return name or " ".join(f"{key.split()[1]} {fields[key]}" for key in ("cpu implementer", "cpu part") if fields.get(key))


def features(cpuinfo: str) -> frozenset[str]:
    """What the text of /proc/cpuinfo lists as flags or features; on RISC-V the letters of its ``isa``."""
    fields = _fields(cpuinfo)
    letters = re.match(r"rv(?:32|64)([a-z]+)", fields.get("isa", ""))
    return frozenset((fields.get("flags") or fields.get("features") or "").split()) | frozenset(letters[1] if letters else "")


def cpuinfo_cores(cpuinfo: str) -> int:
    """How many processors the text of /proc/cpuinfo lists."""
    return sum(1 for line in cpuinfo.splitlines() if re.match(r"processor\s*:", line))


def _told_by_bits(system: str) -> frozenset[str]:
    machine, names = _TELLS_BITS.get(system, (0, ()))
    try:
        return frozenset(name for name in names if cpu_has(machine, name))
    except (OSError, AttributeError):
        return frozenset()


def count_cpus(text: str) -> int:
    """How many CPUs a list such as ``0-2,5`` names; 0 where it is no list."""
    total = 0
    for part in filter(None, plain(text).split(",")):
        span = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", part.strip())
        if not span:
            return 0
        total += int(span[2] or span[1]) - int(span[1]) + 1
    return max(total, 0)


def meminfo(text: str) -> tuple[int, int]:
    """Bytes of memory and of what is available, from the text of /proc/meminfo."""
    sizes = dict(re.findall(r"^(MemTotal|MemAvailable):\s*([0-9]{1,15}) kB", text, re.MULTILINE))
    return 1024 * int(sizes.get("MemTotal", 0)), 1024 * int(sizes.get("MemAvailable", 0))


def is_read_only(mounts: str) -> bool:
    """Whether the last mount on ``/`` in the text of /proc/mounts is read-only."""
    options = [fields[3].split(",") for line in mounts.splitlines() if len(fields := line.split()) > 3 and fields[1] == "/"]
    return bool(options) and "ro" in options[-1]


def elf_bits(path: Path) -> int:
    """Bits of the programs of a system, by one of them; 0 where that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(5)
    except OSError:
        return 0
    return {b"\x7fELF\x01": 32, b"\x7fELF\x02": 64}.get(head, 0)


def throttled_words(text: str) -> tuple[str, ...] | None:
    """A Raspberry Pi's throttling state, ``throttled=0x50005`` or ``50005``, in words; None where it is neither."""
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-fA-F]{1,8})", plain(text))
    if not found:
        return None
    bits = int(found[1], 16)
    return tuple(words for bit, words in THROTTLED.items() if bits >> bit & 1)


def _throttled(root: Path) -> tuple[str, ...] | None:
    if root == Path("/") and (command := shutil.which("vcgencmd")):
        try:
            done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, errors="replace", timeout=5, check=False)
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            if (words := throttled_words(done.stdout)) is not None:
                return words
    return throttled_words(_text(root / _FIRMWARE))


def _temperature(root: Path) -> float | None:
    """Of the sensor that calls itself the CPU's, else of the first."""
    zones = _listed(root / "sys/class/thermal", "thermal_zone*")
    kinds = [_text(zone / "type").lower() for zone in zones]
    order = sorted(range(len(zones)), key=lambda i: not any(word in kinds[i] for word in ("cpu", "x86_pkg", "soc")))
    for i in order:
        if milli := _number(_text(zones[i] / "temp")):
            return milli / 1000
    return None
