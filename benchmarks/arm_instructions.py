"""Instructions a step on emulated Raspberry Pis: ``python benchmarks/arm_instructions.py --help``.

This file is the command; `arm_counting` counts, `report_arm` shows.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

#: Parts of the result.
PARTS = ("schemes", "cells", "nets")

RESULT = Path(__file__).parent / "results" / "arm-instructions.json"

ABOUT = """\
Count what one step executes on an emulated Raspberry Pi 4 (Cortex-A72) and 5 (Cortex-A76).

Each model of the grid and of nets.py is built for the board, as `edgelstm build` does it, and stepped by a C program, one timestep a
call, its Dense head and the check of its input included. Counts are exact and repeat to the instruction on any machine. Static cycles are
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
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="the LSTM in each scheme, other cells in float32, the nets of nets.py (default: all; with --rows no nets)",
    )
    parser.add_argument(
        "--json", type=Path, default=RESULT, metavar="FILE", help=f"what to write; a table goes to FILE.md (default: {RESULT.name})"
    )
    options = parser.parse_args()
    if options.folder is None:
        parser.error("name the folder of an emulated Pi, or set EDGELSTM_EMULATED_PI; python tools/emulated_pi.py build DIR makes one.")
    return options


def _before(path: Path) -> dict[str, Any]:
    """Figures that the file has already."""
    try:
        return dict(json.loads(path.read_text())["cores"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as problem:
        raise SystemExit(f"{path} holds no figures of this benchmark ({problem}); name another file with --json.") from None


def _work(options: argparse.Namespace, rows: list[Any], schemes: list[str]) -> Iterator[tuple[tuple[str, ...], Callable[[str], Any]]]:
    """What is to be counted: where the figures stand in a core's part of the result, and target -> figures."""
    from arm_counting import CELLS, measured, measured_net, python_step
    from grid import GRID
    from nets import NETS

    folder = options.folder
    if "schemes" in options.parts:
        for scheme, row in product(schemes, rows):
            yield ("schemes", scheme, str(row)), lambda target, scheme=scheme, row=row: measured(folder, row, scheme, target)._asdict()
    if "cells" in options.parts and "f32" in schemes:
        for (cell, counted), row in product(CELLS.items(), rows):
            if options.rows or counted is None or str(row) in counted:
                yield (
                    ("cells", cell, str(row)),
                    lambda target, cell=cell, row=row: measured(folder, row, "f32", target, cell=cell)._asdict(),
                )
    if "nets" in options.parts and "f32" in schemes and not options.rows:
        for name in NETS:
            yield ("nets", name), lambda target, name=name: measured_net(folder, name, target)._asdict()
    if "schemes" in options.parts and "f32" in schemes and GRID[0] in rows:
        yield ("python_step", str(GRID[0])), lambda target: python_step(folder, GRID[0], target)


def _fill(cores: dict[str, Any], work: list[tuple[tuple[str, ...], Callable[[str], Any]]]) -> None:
    """Count, and put the figures where the result has them."""
    from arm_counting import CORES
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(CORES) * len(work))
        for target, cpu in CORES.items():
            core = cores.setdefault(target, {"cpu": cpu, "schemes": {}})
            for (*groups, last), count in work:
                progress.update(task, description=" ".join((target, *groups[1:], last)))
                place = core
                for group in groups:
                    place = place.setdefault(group, {})
                place[last] = count(target)
                progress.advance(task)


def main() -> None:
    options = _arguments()
    from grid import rows_of

    rows = rows_of(options.rows)
    from arm_counting import SCHEMES
    from emulated_system import EmulationError

    schemes = options.schemes or list(SCHEMES)
    if unknown := set(schemes) - set(SCHEMES):
        raise SystemExit(f"--schemes takes {', '.join(SCHEMES)}; got {', '.join(sorted(unknown))}.")
    cores = _before(options.json)
    try:
        _fill(cores, list(_work(options, rows, schemes)))
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
