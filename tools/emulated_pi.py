"""An emulated Raspberry Pi, made in seconds of Debian's packages and PyPI's wheels, and exact instruction counts of what runs there.

    python tools/emulated_pi.py build DIR [--with-numba] [--debian 12]
    python tools/emulated_pi.py run   DIR --cpu cortex-a72 script.py ...
    python tools/emulated_pi.py count DIR --cpu cortex-a76 program 1000 2000

It needs Debian or a relative of it, its user-mode QEMU and the standard library; no root file system image, no chroot, no binfmt.
It says nothing of time: emulated instructions take their own. `static_cycles.py` estimates cycles from the counts.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from emulated_system import BOARDS, MACHINES, OTHERS, PACKAGES, RELEASES, REPOSITORY, EmulationError, build, emulator, python, use
from execution_profile import Profile, read_profile

Finished = subprocess.CompletedProcess[str]


def _guest(folder: Path, name: str, program: Path, packages: str, plugin: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a program in the emulated system: Python's for a script, an ELF file's own."""
    machine = MACHINES[name]
    command = [emulator(machine), "-cpu", machine.model, *plugin]
    try:
        with program.open("rb") as file:
            native = file.read(4) == b"\x7fELF"
    except OSError as problem:
        raise EmulationError(f"cannot read {program}: {problem.strerror}.") from None
    if native and name in OTHERS:
        return [*command, str(program)], {}
    if name in OTHERS:
        raise EmulationError(f"{name} runs static programs only, and {program} is none. Python scripts run on {', '.join(BOARDS)}.")
    root, site = folder / f"root.{name}", folder / f"packages.{packages}"
    if not root.is_dir() or not (packages == "none" or site.is_dir()):
        flag = " --with-numba" if packages == "numba" else ""
        raise EmulationError(
            f"{folder} holds no emulated {name} with packages {packages!r}. Build it: {Path(__file__).name} build {folder}{flag}"
        )
    command += ["-L", str(root)]
    if native:
        return [*command, str(program)], {}
    path = [REPOSITORY] if packages == "none" else [REPOSITORY, site]
    environment = {
        "PYTHONHOME": "/usr",
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
    }
    return [*command, str(python(root)), str(program)], environment


def run(
    folder: Path, machine: str, program: Path, arguments: Sequence[str] = (), *, packages: str = "numpy", capture: bool = False
) -> Finished:
    """Run a program in the emulated system.

    Parameters
    ----------
    folder : Path
        What `build` made. Static programs for a machine of `OTHERS` do not read it.
    machine : str
        Name in `MACHINES`.
    program : Path
        A Python script, which can import this repository's ``edgelstm``, or an ELF file of that machine.
    arguments : sequence of str, optional
    packages : {"none", "numpy", "numba"}, optional
        What a script can import beside the standard library.
    capture : bool, optional
        Keep what it prints instead of passing it on.

    Raises
    ------
    EmulationError
        If the emulator, the system or the program is missing.
    """
    command, own = _guest(folder.resolve(), machine, program, packages, ())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([*command, *arguments], env=kept | own, capture_output=capture, text=True, check=False)


def _plugin(folder: Path) -> Path:
    """The counting plugin, compiled where its source has changed."""
    source = Path(__file__).with_name("qemu_count.c")
    library = folder / f"qemu_count.{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        work = library.with_suffix(f".{os.getpid()}")
        use([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", work, source], "compile the counting plugin")
        work.rename(library)
    return library


def profile(folder: Path, machine: str, program: Path, arguments: Sequence[str] = (), *, packages: str = "numpy") -> Profile:
    """Run a program and count every instruction, its start and end included.

    The environment is bare, hashes are not random, and QEMU puts programs at fixed addresses: what has one thread, and asks neither the
    time nor for randomness, repeats exactly; a Python script from its second run on, when its modules are compiled.

    Raises
    ------
    EmulationError
        As `run`; also if the program fails, or the plugin cannot be compiled.
    """
    folder = folder.resolve()
    with tempfile.TemporaryDirectory() as name:
        written = Path(name) / "profile"
        plugin = ["-plugin", f"{_plugin(folder)},out={written}"]
        command, own = _guest(folder, machine, program, packages, plugin)
        bare = {
            "PATH": os.defpath,
            "HOME": "/",
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
        }
        bare |= {name: value for name, value in os.environ.items() if name.startswith("EDGELSTM_")}
        done = subprocess.run([*command, *arguments], env=bare | own, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise EmulationError(f"{program} ended with exit code {done.returncode} on {machine}: {lines[-1]}")
        return read_profile(written, MACHINES[machine].model)


def count(folder: Path, machine: str, program: Path, first: int, second: int, *, packages: str = "numpy") -> Profile:
    """What one step of a program executes: the difference of two runs, divided by their difference in steps.

    Parameters
    ----------
    folder, machine, program, packages
        As `run`. The program's one argument is how many steps to take.
    first, second : int
        Steps of the two runs. With as many digits, reading them costs as much.

    Raises
    ------
    EmulationError
        As `profile`.
    """
    if not 0 <= first < second:
        raise EmulationError(f"expected two growing step counts; got {first} and {second}.")
    before, after = (profile(folder, machine, program, [str(steps)], packages=packages) for steps in (first, second))
    return after.minus(before)._replace(steps=second - first)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An emulated Raspberry Pi: build it, run programs there, count their instructions.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("folder", type=Path, metavar="DIR", help="folder of the emulated system")
    verb = verbs.add_parser("build", parents=[shared], help="make the emulated system, or what is missing of it")
    verb.add_argument("--with-numba", action="store_true", help="with all that compiling there needs")
    verb.add_argument("--debian", type=int, choices=RELEASES, default=13, help="its release: 13 has Python 3.13 (default), 12 has 3.11")
    machine = shared.add_mutually_exclusive_group(required=True)
    machine.add_argument("--cpu", dest="machine", choices=BOARDS, help="64-bit ARM: scripts and programs")
    machine.add_argument("--arch", dest="machine", choices=OTHERS, help="static programs of another architecture")
    shared.add_argument("--packages", choices=PACKAGES, default="numpy", help="what a script can import (default: numpy)")
    shared.add_argument("program", type=Path, help="a Python script or an ELF file")
    verb = verbs.add_parser("run", parents=[shared], help="run a script or a program; its exit code is returned")
    verb.add_argument("arguments", nargs=argparse.REMAINDER)
    verb = verbs.add_parser("count", parents=[shared], help="instructions per step, from two runs of different numbers of steps")
    verb.add_argument("first", type=int, metavar="N1")
    verb.add_argument("second", type=int, metavar="N2")
    return parser.parse_args()


def main() -> int:
    options = _arguments()
    try:
        if options.verb == "build":
            build(options.folder, with_numba=options.with_numba, debian=options.debian)
        elif options.verb == "run":
            return run(options.folder, options.machine, options.program, options.arguments, packages=options.packages).returncode
        else:
            step = count(options.folder, options.machine, options.program, options.first, options.second, packages=options.packages)
            print(f"{step.instructions:.2f} instructions per step")
            for name, times in (step.mix if options.machine in BOARDS else {}).items():
                print(f"  {name:12} {times:.2f}")
    except EmulationError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
