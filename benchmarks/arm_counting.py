"""Counts what one step of a built model executes on an emulated Raspberry Pi. It prints nothing: `arm_instructions` is the command."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import quantised
from grid import CHECKED, INT8_TOLERANCE, OPTION_ROWS, OPTIONS, TOLERANCE, Case, Row, Workload, make_case
from nets import make_net

import edgelstm as el

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from emulated_pi import count, run
from emulated_system import EmulationError
from static_cycles import cycles

#: edgelstm's target -> QEMU's name of its core.
CORES = {"rpi4": "cortex-a72", "rpi5": "cortex-a76"}

SCHEMES = ("f32", "int8-dynamic", "int8-weight", "int8-static")

#: Other recurrent layers, counted in float32: by a name of `grid.CELLS`, the models of the grid; None for all.
CELL_ROWS = ("1,8,1", "1,24,1", "6,32,1", "9,64,1", "40,128,1")
CELLS: dict[str, tuple[str, ...] | None] = {
    "gru": None,
    **dict.fromkeys(("rnn", "min_gru", "min_lstm", "slstm"), CELL_ROWS),
    **dict.fromkeys(OPTIONS, OPTION_ROWS),
}

#: Steps of the two runs whose difference is counted: in C, and in Python, whose caches need longer to fill.
STEPS = (200, 400)
PYTHON_STEPS = (10_000, 30_000)

#: Steps of a call, and of the two runs, where blocks are counted.
BLOCK, BLOCK_STEPS = 16, (160, 320)

#: Inputs that the C program goes round.
ROWS = 256

COMPILER = "aarch64-linux-gnu-gcc"
HERE = Path(__file__).parent


class Figures(NamedTuple):
    """Of one step.

    Parameters
    ----------
    instructions : float
        Exact; the C loop around the step is in it.
    cycles : float
        Static, by llvm-mca's model of the core: see ``tools/static_cycles.py``.
    max_error : float
        Largest difference from the float64 reference of the float model over the first `CHECKED` steps.
    """

    instructions: float
    cycles: float
    max_error: float


def model_of(case: Workload, scheme: str) -> el.Model:
    """The case in a scheme; of a net, in float32."""
    if scheme == "f32" or not isinstance(case, Case):
        return case.model
    if scheme == "int8-static":
        return el.quantize(case.model, case.inputs[None], scheme=scheme)
    return quantised.model(case, scheme)


def program(folder: Path, case: Workload, scheme: str, target: str, block: int = 1) -> Path:
    """The C program of a model, compiled in `folder` with its library beside it. It takes `block` steps a call.

    Raises
    ------
    EmulationError
        If the cross compiler is missing or refuses the program.
    """
    built = el.build(model_of(case, scheme), target)
    library, inputs = folder / "model.so", folder / "inputs.bin"
    built.write(library)
    (folder / "model.h").write_text(built.header)
    case.inputs[:ROWS].tofile(inputs)
    defines = [f'-DLIBRARY="{library}"', f'-DINPUTS="{inputs}"', f"-DROWS={ROWS}", f"-DBLOCK={block}"]
    includes = [f"-I{folder}", f"-I{Path(el.__file__).parent / 'include'}"]
    command = [COMPILER, "-O2", *defines, *includes, str(HERE / "arm_step.c"), "-ldl", "-o", str(folder / "step")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EmulationError(f"{COMPILER} is not on this machine. Install it: apt-get install gcc-aarch64-linux-gnu") from None
    if done.returncode:
        raise EmulationError(f"{COMPILER} refuses arm_step.c: {done.stderr[-400:]}")
    return folder / "step"


def _error(pi: Path, target: str, step: Path, case: Workload, scheme: str) -> float:
    done = run(pi, CORES[target], step, [str(CHECKED), "print"], capture=True)
    answers = np.array(done.stdout.split(), np.float64)
    if done.returncode or len(answers) != CHECKED:
        raise EmulationError(
            f"{scheme} of row {case.row} does not run on {target}: exit code {done.returncode} after {len(answers)} steps."
        )
    error = float(np.abs(answers - case.answers).max())
    tolerance = TOLERANCE if scheme == "f32" else INT8_TOLERANCE
    if not error <= tolerance:
        raise EmulationError(
            f"{scheme} of row {case.row} on {target} is off by {error:.1e}; allowed is {tolerance:.0e}: its count means nothing."
        )
    return error


def measured(pi: Path, row: Row, scheme: str, target: str, *, static: bool = True, cell: str = "lstm") -> Figures:
    """Figures of one model on one core.

    Parameters
    ----------
    pi : Path
        What ``tools/emulated_pi.py build`` made.
    static : bool, optional
        Whether to predict cycles, which takes LLVM's tools; else they are NaN.
    cell : str, optional
        A name of `grid.CELLS`.

    Raises
    ------
    EmulationError
        If something that this needs is missing, or the model's answers are wrong there.
    """
    return _figures(pi, make_case(row, cell), scheme, target, static)


def measured_net(pi: Path, name: str, target: str, *, static: bool = True) -> Figures:
    """Figures of a model of `nets.NETS` on one core, in float32; the parameters are those of `measured`."""
    return _figures(pi, make_net(name), "f32", target, static)


def _figures(pi: Path, case: Workload, scheme: str, target: str, static: bool) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        step = program(Path(name), case, scheme, target)
        error = _error(pi, target, step, case, scheme)
        profile = count(pi, CORES[target], step, *STEPS)
    return Figures(profile.instructions, cycles(profile) if static else float("nan"), error)


def in_blocks(pi: Path, row: Row, target: str, cell: str = "lstm") -> float:
    """Instructions a step of blocks of `BLOCK` steps, in float32."""
    case = make_case(row, cell)
    with tempfile.TemporaryDirectory() as name:
        program_of_blocks = program(Path(name), case, "f32", target, BLOCK)
        _error(pi, target, program_of_blocks, case, "f32")
        return float(count(pi, CORES[target], program_of_blocks, *BLOCK_STEPS).instructions)


def python_step(pi: Path, row: Row, target: str) -> float:
    """Instructions of ``stream.step(x)`` in a loop of the emulated Pi's Python, in float32."""
    with tempfile.TemporaryDirectory() as name:
        library = Path(name, "model.so")
        el.build(make_case(row).model, target).write(library)
        os.environ["EDGELSTM_COUNTED_LIBRARY"] = str(library)
        try:
            script = HERE / "arm_python_step.py"
            run(pi, CORES[target], script, ["1"])  # compiles the modules that are imported
            return float(count(pi, CORES[target], script, *PYTHON_STEPS).instructions)
        finally:
            del os.environ["EDGELSTM_COUNTED_LIBRARY"]
