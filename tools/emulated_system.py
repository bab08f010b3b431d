"""The emulated system that `emulated_pi.py` runs programs in: which boards there are, and how their files are fetched and laid out."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]

#: What the emulated system is made of. A change of what `build` does with it must change the first entry.
DEBIAN_PACKAGES = ("recipe-3", "python3", "libstdc++6")

#: Releases of Debian, on which Raspberry Pi OS stands, by number. Their Python is 3.13 and 3.11.
RELEASES = {13: "trixie", 12: "bookworm"}
WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64")

#: Sets of Python packages: nothing, what a board needs to step a library, what it needs to compile (all that the project depends on).
PACKAGES = ("none", "numpy", "numba")


class EmulationError(Exception):
    """One sentence or two: what was expected, what came, what to do."""


class Machine(NamedTuple):
    """An emulated CPU.

    Parameters
    ----------
    emulator : str
        QEMU's program.
    model : str
        QEMU's name of the CPU.
    part, revision : str
        As Linux shows them on the board; empty for machines without an emulated system.
    features : str
    """

    emulator: str
    model: str
    part: str = ""
    revision: str = ""
    features: str = ""

    @property
    def cpuinfo(self) -> str:
        """The board's /proc/cpuinfo, from which LLVM and `edgelstm.compiler.targets` know the CPU. Four cores."""
        lines = f"BogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        lines += f"CPU part\t: {self.part}\nCPU revision\t: {self.revision}\n\n"
        return "".join(f"processor\t: {core}\n{lines}" for core in range(4))


_ARMV8 = "fp asimd evtstrm crc32 cpuid"
_ARMV82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

#: 64-bit boards: Raspberry Pi 3 and Zero 2 W, 4, 5.
BOARDS = {
    "cortex-a53": Machine("qemu-aarch64", "cortex-a53", "0xd03", "4", _ARMV8),
    "cortex-a72": Machine("qemu-aarch64", "cortex-a72", "0xd08", "3", _ARMV8),
    "cortex-a76": Machine("qemu-aarch64", "cortex-a76", "0xd0b", "1", _ARMV82),
}

#: Machines for static programs only.
OTHERS = {
    "armv7": Machine("qemu-arm", "cortex-a7"),
    "riscv64": Machine("qemu-riscv64", "rv64"),
    "riscv64-v": Machine("qemu-riscv64", "rv64,v=true,vext_spec=v1.0"),
}
MACHINES = BOARDS | OTHERS


def use(command: Sequence[str | Path], purpose: str) -> str:
    """Run a program of the host and return what it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EmulationError(f"{command[0]} is not on this machine; it is needed to {purpose}. Install it and try again.") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise EmulationError(f"cannot {purpose}: {command[0]} says: {lines[-1].strip()}")
    return done.stdout


def emulator(machine: Machine) -> str:
    found = shutil.which(machine.emulator)
    if found is None:
        raise EmulationError(f"{machine.emulator} is not on this machine. Install it: apt-get install qemu-user")
    return found


def _part(place: Path, recipe: object, make: Callable[[Path], None]) -> None:
    """Have `make` fill the folder unless it was made whole to this recipe before."""
    wanted = json.dumps(recipe)
    stamp = place / ".recipe"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    work = place.with_name(place.name + ".unfinished")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    make(work)
    (work / ".recipe").write_text(wanted)
    shutil.rmtree(place, ignore_errors=True)
    work.rename(place)


def mirror() -> str:
    """Where this machine's apt finds its own release of Debian, and all others."""
    own = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages", "Component: main"]
    targets = [line.partition(" ") for line in use(command, "read this machine's apt sources").splitlines()]
    places = [place for release, _, place in targets if release in (own, "stable", "testing", "sid")]
    if not places:
        raise EmulationError(
            f"this machine's apt sources name no archive of Debian's {own or 'release'}; expected one with the component main. "
            "Run this on Debian, or add such a source."
        )
    return places[0]


def _sources(release: str) -> str:
    """The line by which apt finds a release of Debian in the archive of this machine's own."""
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    return f"deb {f'[signed-by={keys}] ' if keys.exists() else ''}{mirror()} {release} main\n"


def _make_userland(release: str, root: Path) -> None:
    """Unpack a release's arm64 packages, found in the archive that this machine's apt uses but with a package state of their own."""
    with tempfile.TemporaryDirectory() as name:
        apt = Path(name)
        (apt / "sources.list").write_text(_sources(release))
        for part in ("lists/partial", "cache/archives/partial"):
            (apt / part).mkdir(parents=True)
        (apt / "status").touch()
        settings = [
            *("APT::Architecture=arm64", "APT::Architectures::=arm64", "APT::Install-Recommends=false", "APT::Sandbox::User="),
            *("Acquire::Languages=none", "Debug::NoLocking=1", f"Dir::State::Lists={apt / 'lists'}"),
            *(f"Dir::State::status={apt / 'status'}", f"Dir::Cache={apt / 'cache'}"),
            *(f"Dir::Etc::SourceList={apt / 'sources.list'}", "Dir::Etc::SourceParts=/dev/null"),
        ]
        command = ["apt-get", "-q", "-y", *(word for setting in settings for word in ("-o", setting))]
        use([*command, "update"], "read Debian's package lists")
        use([*command, "install", "--download-only", *DEBIAN_PACKAGES[1:]], "download Debian's arm64 packages")
        for package in sorted((apt / "cache/archives").glob("*.deb")):
            use(["dpkg-deb", "-x", package, root], "unpack Debian's packages")
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    for link in root.rglob("*"):
        if link.is_symlink() and (target := link.readlink()).is_absolute():  # would lead to the host
            link.unlink()
            link.symlink_to(os.path.relpath(root / target.relative_to("/"), link.parent))
    # QEMU looks on the host for what the system lacks: without this folder, Python would read the host's packages.
    (root / f"usr/local/lib/{python(root).name}/dist-packages").mkdir(parents=True, exist_ok=True)


def python(root: Path) -> Path:
    return next(p for p in sorted((root / "usr/bin").glob("python3.*")) if p.name.removeprefix("python3.").isdigit())


def _make_board(root: Path, machine: Machine, board: Path) -> None:
    """A view of the system with one board's /proc/cpuinfo."""
    for entry in root.iterdir():
        if entry.name != ".recipe":
            (board / entry.name).symlink_to(Path("..") / root.name / entry.name)
    (board / "proc").mkdir()
    (board / "proc/cpuinfo").write_text(machine.cpuinfo)


def _make_packages(version: str, requirements: Sequence[str], place: Path) -> None:
    with tempfile.TemporaryDirectory() as wheels:
        platforms = [word for platform in WHEEL_PLATFORMS for word in ("--platform", platform)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--implementation", "cp", *platforms]
        use([*command, "--python-version", version, "--dest", wheels, *requirements], f"download {' '.join(requirements)} for arm64")
        for wheel in sorted(Path(wheels).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)


def build(folder: Path, *, with_numba: bool = False, debian: int = 13) -> None:
    """Make the emulated system, or what is missing of it.

    Parameters
    ----------
    folder : Path
        Gets a Debian userland with Python (``root``), a view of it for each board, and folders of Python packages.
    with_numba : bool
        Also fetch what compiling needs: all that the project depends on.
    debian : int
        Which release, of `RELEASES`; a folder holds one.

    Raises
    ------
    EmulationError
        If a program or a download is missing.
    """
    folder = folder.resolve()
    machine = next(iter(BOARDS.values()))
    if shutil.which(machine.emulator) is None and os.geteuid() == 0:
        use(["apt-get", "-q", "-y", "install", "--no-install-recommends", "qemu-user"], "install qemu-user")
    emulator(machine)
    root = folder / "root"
    recipe = [*DEBIAN_PACKAGES, RELEASES[debian]]
    _part(root, recipe, partial(_make_userland, RELEASES[debian]))
    for name, board in BOARDS.items():
        _part(folder / f"root.{name}", [recipe, board], partial(_make_board, root, board))
    version = python(root).name.removeprefix("python")
    wanted = {"numpy": ["numpy"]}
    if with_numba:
        wanted["numba"] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    for name, requirements in wanted.items():
        _part(folder / f"packages.{name}", [version, requirements], partial(_make_packages, version, requirements))
