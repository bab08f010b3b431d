"""The table of ``arm_instructions.py``, with the floor and what other engines execute in the same emulator. It counts nothing."""

import subprocess
from typing import Any

from grid import GRID
from nets import PUBLISHED, make_net
from report_cells import TITLES

import edgelstm as el

Result = dict[str, Any]

_ROWS = [str(row) for row in GRID]

#: By target: instructions a step of the grid's models that NEON cannot do with less, in float32 and in int8; see `_FLOOR`.
FLOORS = {
    "rpi4": {
        "f32": (267, 726, 1377, 3255, 2460, 8280, 34_800, 51_700, 329_600, 434_100),
        "int8": (226, 564, 1014, 2250, 1716, 5392, 21_400, 31_300, 196_700, 257_700),
    },
    "rpi5": {
        "f32": (267, 726, 1377, 3255, 2460, 8280, 34_800, 51_700, 329_600, 434_100),
        "int8": (190, 428, 714, 1430, 1108, 3056, 10_700, 14_900, 90_200, 116_400),
    },
}

#: Instructions a step of other engines, counted once in this emulator with the same models.
PEERS = {
    "rpi4": {
        "RTNeural, Eigen (C++)": (815, 1661, 2946, 6320, 4869, 14_600, 60_700, 88_600, 551_700, 719_600),
        "NAM core, fast tanh (C++)": (1008, 1764, 2786, 5646, 4505, 13_200, 58_600, 87_000, 539_300, 708_500),
        "LiteRT cell f32, XNNPACK (Python)": (32_800, 33_500, 34_800, 37_700, 36_500, 44_600, 79_200, 99_600, 467_600, 577_000),
        "LiteRT cell int8, XNNPACK (Python)": (32_300, 32_800, 33_600, 35_600, 34_400, 40_100, 62_500, 76_100, 326_900, 394_900),
        "ONNX Runtime f32, io_binding (Python)": (84_900, 86_300, 88_000, 92_200, 90_100, 100_800, 138_600, 157_700, 593_100, 640_100),
        "NumPy, tuned (Python)": (60_800, 63_500, 66_500, 73_100, 72_700, 86_700, 140_700, 165_300, 717_100, 831_600),
    },
    "rpi5": {
        "RTNeural, Eigen (C++)": (788, 1664, 2955, 6346, 4868, 14_600, 60_600, 88_600, 551_800, 719_500),
        "NAM core, fast tanh (C++)": (1011, 1767, 2789, 5649, 4502, 13_200, 58_500, 86_900, 539_300, 708_500),
        "LiteRT cell f32, XNNPACK (Python)": (32_700, 33_600, 34_800, 37_800, 36_200, 44_600, 79_100, 99_600, 467_600, 577_000),
        "LiteRT cell int8, XNNPACK (Python)": (32_000, 32_300, 32_800, 33_800, 33_200, 35_800, 46_300, 52_300, 175_300, 194_800),
        "ONNX Runtime f32, io_binding (Python)": (84_300, 85_700, 87_400, 91_700, 89_600, 100_200, 138_100, 157_100, 591_900, 639_600),
        "NumPy, tuned (Python)": (60_800, 63_400, 66_500, 73_100, 72_700, 86_700, 140_700, 165_300, 717_200, 831_800),
    },
}

#: Static cycles of those of them that are straight native code, by the same models.
PEER_CYCLES = {
    "rpi4": {
        "RTNeural, Eigen (C++)": (692, 1549, 2455, 4882, 3781, 9942, 38_700, 54_600, 329_900, 424_900),
        "NAM core, fast tanh (C++)": (800, 1488, 2313, 4417, 3520, 9365, 36_900, 52_800, 319_500, 415_000),
    },
    "rpi5": {
        "RTNeural, Eigen (C++)": (335, 718, 1184, 2345, 1820, 4896, 21_900, 31_300, 190_800, 246_900),
        "NAM core, fast tanh (C++)": (404, 717, 1109, 2152, 1719, 4738, 20_500, 29_900, 183_700, 240_600),
    },
}

_HEAD = """\
# Instructions a step on emulated Raspberry Pis

**Instructions are not time.** Nothing here ran on a board: the counts are exact and repeat to the instruction, and the static cycles are
what LLVM's model of a core predicts for the code that ran. There are no caches, no memory, no clock and no mispredicted branch in either.
From 256 units up, float32 weights exceed a Pi's second-level cache, and real speed follows bytes more than instructions.

One timestep a call of `edgelstm_step()` from C, batch 1, state carried, a Dense layer of one output included, and so is the check of the
input. Columns: inputs, hidden units, layers. Made by `python benchmarks/arm_instructions.py` ({conditions}).
"""

_FLOOR = """\
The floor: in float32 one multiply-add a four products, one paired load an eight weights, the biases, the Dense layer, and 19 instructions
a unit for the cell; in int8 one `sdot` (A76) or three widening instructions (A72) and half a paired load a sixteen products, and the same
cell.

Other engines were counted once, in this emulator with these models, and are quoted rounded: RTNeural 1fb1f07 and NAM core daae2d0, g++
12.2 `-O3 -ffast-math` for the core; LiteRT 2.3.0, ONNX Runtime 1.31.1 and NumPy 2.4.6, PyPI's wheels, one thread, their call from Python
included.

The models below the grid's have no Dense layer of one output: a step writes all that they give, of a ConvLSTM the whole map. Products
with the zeros around a map are not among the multiply-accumulates. The published times are those of arXiv:2005.06720, on a Pixel 4 and
with the time for the features, which the counts leave out.
"""


def conditions() -> dict[str, str]:
    """What counts may change with."""
    import llvmlite
    import numba

    emulator = subprocess.run(["qemu-aarch64", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return {"edgelstm": el.__version__, "numba": numba.__version__, "llvmlite": llvmlite.__version__, "emulator": emulator.strip()}


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value < 10_000 else f"{value / 1000:.1f}k"


def _table(heading: str, rows: list[str], lines: dict[str, dict[str, float]]) -> str:
    text = [f"| {heading} | {' | '.join(rows)} |", "| --- |" + " ---: |" * len(rows)]
    text += [f"| {name} | {' | '.join(_shown(values.get(row)) for row in rows)} |" for name, values in lines.items()]
    return "\n".join(text) + "\n"


def _of_grid(values: tuple[int, ...]) -> dict[str, float]:
    return dict(zip(_ROWS, values, strict=True))


def _section(target: str, core: dict[str, Any], rows: list[str]) -> str:
    schemes = core["schemes"]

    def own(figure: str) -> dict[str, dict[str, float]]:
        kinds = {f"{TITLES[kind]} f32": cells for kind, cells in core.get("cells", {}).items()}
        return {f"**edgelstm {name}**": {row: cell[figure] for row, cell in cells.items()} for name, cells in (schemes | kinds).items()}

    floors = {f"floor, {name}": _of_grid(values) for name, values in FLOORS[target].items()}
    peers = {name: _of_grid(values) for name, values in PEERS[target].items()}
    over = {
        scheme: {row: cell["instructions"] / _of_grid(FLOORS[target]["f32"])[row] for row, cell in cells.items() if row in _ROWS}
        for scheme, cells in schemes.items()
        if scheme == "f32"
    }
    text = f"\n## {core['cpu']} (target `{target}`)\n\n" + _table("instructions a step", rows, floors | own("instructions") | peers)
    for values in over.values():
        shown = ", ".join(f"{values[row]:.2f}" for row in rows if row in values)
        text += f"\nfloat32 over its floor: {shown}.\n"
    for row, counted in core.get("python_step", {}).items():
        text += f"\n`stream.step(x)` from Python, float32, {row}: {counted:.0f} instructions, the loop around it included.\n"
    cycles = {name: _of_grid(values) for name, values in PEER_CYCLES[target].items()}
    text += "\n" + _table("static cycles a step", rows, own("cycles") | cycles)
    errors = {name: f"{max(cell['max_error'] for cell in cells.values()):.0e}" for name, cells in schemes.items()}
    said = ", ".join(f"{name} {error}" for name, error in errors.items())
    if "nets" in core:
        text += _nets(core)
    return text + f"\nLargest difference from the float model in float64 over 64 steps, worst column: {said}.\n"


def _nets(core: dict[str, Any]) -> str:
    """Models that are no row of the grid."""
    lines = ["| in float32 | multiply-accumulates | instructions a step | static cycles | µs a packet on a Pixel 4, published |"]
    lines.append("| --- |" + " ---: |" * 4)
    for name, figures in core["nets"].items():
        published = "{} to {}".format(*PUBLISHED[name]) if name in PUBLISHED else ""
        sizes = make_net(name).multiply_accumulates, figures["instructions"], figures["cycles"]
        lines.append(f"| **{name}** | {' | '.join(map(_shown, sizes))} | {published} |")
    return "\n" + "\n".join(lines) + "\n"


def markdown(result: Result) -> str:
    """The whole document."""
    said = ", ".join(f"{name} {version}" for name, version in result["conditions"].items())
    measured = {row for core in result["cores"].values() for cells in core["schemes"].values() for row in cells}
    rows = [row for row in _ROWS if row in measured] + sorted(measured - set(_ROWS))
    sections = (_section(target, core, rows) for target, core in result["cores"].items())
    return _HEAD.format(conditions=said) + "".join(sections) + "\n" + _FLOOR
