"""Instructions a step on emulated Raspberry Pis: ``python benchmarks/arm_instructions.py --help``.

This file is the command; `arm_counting` counts, `report_arm` shows.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "arm-instructions.json"

ABOUT = """\
Count what one step executes on an emulated Raspberry Pi 4 (Cortex-A72) and 5 (Cortex-A76).

Each model of the grid is built for the board, as `edgelstm build` does it, and stepped by a C program, one timestep a call, its
Dense head and the check of its input included. Counts are exact and repeat to the instruction on any machine. Static cycles are
what LLVM's model of the core predicts. Neither is time: nothing here ran on a board.

Needed: qemu-user, llvm-19, gcc-aarch64-linux-gnu (apt-get install), and an emulated Pi:
    python tools/emulated_pi.py build DIR
"""

EXAMPLES = """\
examples:
  python benchmarks/arm_instructions.py DIR                          the whole grid; writes results/arm-instructions.json and .md
  python benchmarks/arm_instructions.py DIR --rows 6,32,1            these models alone; other figures of the file stay
  python benchmarks/arm_instructions.py DIR --rows 6,32,1 --schemes f32 --json new.json
                                                                     to look, without touching the results
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=ABOUT, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("EDGELSTM_EMULATED_PI")
    parser.add_argument(
        "folder", type=Path, nargs="?", default=folder, metavar="DIR", help="the emulated Pi (default: $EDGELSTM_EMULATED_PI)"
    )
    parser.add_argument("--rows", nargs="+", metavar="I,H,L", help="inputs,hidden,layers of the models, any sizes (default: the grid)")
    parser.add_argument("--schemes", nargs="+", metavar="NAME", help="f32, int8-dynamic, int8-weight, int8-static (default: all)")
    parser.add_argument(
        "--json", type=Path, default=RESULT, metavar="FILE", help=f"what to write; a table goes to FILE.md (default: {RESULT.name})"
    )
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name the folder of an emulated Pi, or set EDGELSTM_EMULATED_PI; python tools/emulated_pi.py build DIR makes one.")
    return options


def _rows(texts: list[str] | None) -> list[Any]:
    from grid import GRID, Row

    try:
        return [Row.parse(text) for text in texts] if texts else list(GRID)
    except (ValueError, TypeError):
        raise SystemExit(f"--rows takes inputs,hidden,layers, three positive numbers: 6,32,1; got {' '.join(texts or ())}.") from None


def _before(path: Path) -> dict[str, Any]:
    """Figures that the file has already."""
    try:
        return dict(json.loads(path.read_text())["cores"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as problem:
        raise SystemExit(f"{path} holds no figures of this benchmark ({problem}); name another file with --json.") from None


def _fill(cores: dict[str, Any], options: argparse.Namespace, rows: list[Any], schemes: list[str]) -> None:
    """Count, and put the figures where the result has them."""
    from arm_counting import CELLS, CORES, measured, python_step
    from grid import GRID
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(CORES) * len(rows) * (len(schemes) + len(CELLS)))
        for target, cpu in CORES.items():
            core = cores.setdefault(target, {"cpu": cpu, "schemes": {}})
            for scheme in schemes:
                figures = core["schemes"].setdefault(scheme, {})
                for row in rows:
                    progress.update(task, description=f"{target} {scheme} {row}")
                    figures[str(row)] = measured(options.folder, row, scheme, target)._asdict()
                    progress.advance(task)
            for cell in CELLS if "f32" in schemes else ():
                figures = core.setdefault("cells", {}).setdefault(cell, {})
                for row in rows:
                    progress.update(task, description=f"{target} {cell} {row}")
                    figures[str(row)] = measured(options.folder, row, "f32", target, cell=cell)._asdict()
                    progress.advance(task)
            if GRID[0] in rows and "f32" in schemes:
                progress.update(task, description=f"{target} step(x) from Python")
                core["python_step"] = {str(GRID[0]): python_step(options.folder, GRID[0], target)}


def main() -> None:
    options = _arguments()
    rows = _rows(options.rows)
    from arm_counting import SCHEMES
    from emulated_system import EmulationError

    schemes = options.schemes or list(SCHEMES)
    if unknown := set(schemes) - set(SCHEMES):
        raise SystemExit(f"--schemes takes {', '.join(SCHEMES)}; got {', '.join(sorted(unknown))}.")
    cores = _before(options.json)
    try:
        _fill(cores, options, rows, schemes)
    except EmulationError as problem:
        raise SystemExit(f"error: {problem}") from None
    import report_arm

    result = {"conditions": report_arm.conditions(), "cores": cores}
    table = report_arm.markdown(result)
    try:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
        options.json.with_suffix(".md").write_text(table)
    except OSError as problem:
        raise SystemExit(f"The result could not be written: {problem}") from None
    print(table)
    print(f"wrote {options.json} and {options.json.with_suffix('.md').name}", file=sys.stderr)


if __name__ == "__main__":
    main()
