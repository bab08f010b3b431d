"""edgelstm beside other engines on the same models, in one run on one core: ``python benchmarks/compare.py --help``.

This file is the command; `measure` takes the times, `report` shows them, `peers` holds the engines.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from machine import describe, take_core

RESULTS = Path(__file__).with_name("results")

#: Chunks of each contender in one row.
ROUNDS = 150
QUICK_ROUNDS = 15


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time edgelstm beside other engines, interleaved, on one core.")
    parser.add_argument("--rows", nargs="+", metavar="I,H,L", help="inputs,hidden,layers, any sizes (default: the grid)")
    parser.add_argument("--int8", action="store_true", help="the same models with int8 weights, beside edgelstm's float32")
    parser.add_argument("--peers", nargs="+", metavar="NAME", help="engines besides edgelstm (default: all that are installed)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} chunks instead of {ROUNDS}: a first look, not a result")
    parser.add_argument("--core", type=int, default=1, metavar="N", help="the core to run on (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file")
    parser.add_argument(
        "--save",
        metavar="NAME",
        help="write it to benchmarks/results/NAME.json (of --int8: results/int8/NAME.json), NAME being the machine",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it (needs matplotlib)")
    return parser.parse_args()


def _compare(options: argparse.Namespace, pinned: str) -> dict[str, Any]:
    from grid import rows_of
    from measure import WrongAnswerError, measure_row
    from native import NoCompilerError
    from peers import INT8_PEERS, PEERS, available
    from rich.console import Console
    from rich.progress import Progress

    rows = rows_of(options.rows)
    modules = INT8_PEERS if options.int8 else PEERS
    if unknown := set(options.peers or ()) - set(modules):
        raise SystemExit(f"--peers takes {', '.join(modules)}; got {', '.join(sorted(unknown))}.")
    wanted = options.peers or modules
    peers, absent = available([name for name in modules if name in wanted or name == "edgelstm"], modules)
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    measured = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(rows) * rounds)
        for row in rows:
            progress.update(task, description=str(row))
            try:
                measured[str(row)] = measure_row(row, list(peers.values()), rounds, lambda: progress.advance(task), int8=options.int8)
            except (WrongAnswerError, NoCompilerError) as problem:
                raise SystemExit(str(problem)) from None
    return {
        "weights": "int8" if options.int8 else "float32",
        "machine": describe(),
        "pinned": pinned,
        "clock_ghz": max(row["limit"]["clock_ghz"] for row in measured.values()),
        "versions": {name: module.VERSION for name, module in peers.items()},
        "absent": absent,
        "rounds": rounds,
        "rows": measured,
    }


def main() -> None:
    options = _arguments()
    pinned = take_core(options.core)
    if options.save and not options.save.replace("-", "").replace("_", "").isalnum():
        raise SystemExit(f"--save takes letters, digits, - and _; got {options.save!r}.")
    result = _compare(options, pinned)
    import report
    import report_int8

    report.print_heading(result)
    (report_int8 if options.int8 else report).print_tables(result)
    targets = [options.json] if options.json else []
    folder = RESULTS / "int8" if options.int8 else RESULTS
    targets += [folder / f"{options.save}.json"] if options.save else []
    try:
        if options.save:
            folder.mkdir(parents=True, exist_ok=True)
        for target in targets:
            target.write_text(json.dumps(result, indent=1) + "\n")
            print(f"wrote {target.name}", file=sys.stderr)
        if options.plot:
            report.plot(result, options.plot)
    except (OSError, ImportError) as problem:
        raise SystemExit(f"The result could not be written: {problem}") from None


if __name__ == "__main__":
    main()
