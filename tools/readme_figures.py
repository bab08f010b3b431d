"""Writes what was measured into the README and docs/performance.md: ``python tools/readme_figures.py``.

Takes every JSON file of ``benchmarks/results/``, whichever measurement wrote it: ``compare.py --save``, ``cold_start.py --json`` or
``edgelstm bench --json`` for the README, ``cells.py --json`` and ``bank.py --json`` for the other page. Replaces what stands between the
figures comments. It measures nothing.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"

#: The figure of a chunk that other processes disturb least.
BEST = "min_ns"

NONE_YET = "Not measured yet on a quiet machine: `python benchmarks/compare.py` measures yours."

Record = dict[str, Any]


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first are aligned right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(result: Record) -> str:
    return "; ".join(result["machine"][key] for key in ("cpu", "system", "python", "date"))


def comparison(result: Record) -> str:
    """Best-chunk nanoseconds a step of every contender, and the geometric mean of its ratios to edgelstm."""
    from report import geometric_mean, names, ratios, rival_of, shown, times

    if result.get("weights") == "int8":
        return _int8(result)

    rows = [["physical limit", *(shown(row["limit"]["ns"]) for row in result["rows"].values()), ""]]
    for name in names(result):
        own = name.startswith("edgelstm")
        cells = [name, *map(shown, times(result, name, BEST))]
        ratio = "" if own else f"{geometric_mean(ratios(result, name, BEST)):.2f} × `{rival_of(result, name).removeprefix('edgelstm ')}`"
        rows.append([*(f"**{cell}**" if own else cell for cell in cells), ratio])
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    pinned = f"{result['pinned']} at {result['clock_ghz']:.2f} GHz"
    return (
        "**Nanoseconds a step**, best of 150 chunks. Columns: inputs,hidden,layers, then Dense to 1; batch 1, float32, one thread. "
        f"{_machine(result)}; {pinned}. {versions}.\n\n" + markdown(["", *result["rows"], "their time, geometric mean"], rows)
    )


def _int8(result: Record) -> str:
    """Best-chunk nanoseconds a step, and the largest error of every contender over the rows."""
    from report import names, shown, times

    rows = []
    for name in names(result):
        errors = [row["contenders"][name]["max_error"] for row in result["rows"].values()]
        cells = [name, *map(shown, times(result, name, BEST)), f"{max(errors):.0e}"]
        rows.append([f"**{cell}**" if name.startswith("edgelstm") else cell for cell in cells])
    return (
        "**Nanoseconds a step with int8 weights**, best chunk, the same models. Last column: the largest output error over 64 steps "
        f"and all rows, against the float model in float64. {_machine(result)}.\n\n"
        + markdown(["", *result["rows"], "largest error"], rows)
    )


def cold_start(result: Record) -> str:
    """Launch to first output, model (6,32,1)."""
    times = ("median_ms", "min_ms", "max_ms")
    rows = []
    for name, told in result["programs"].items():
        resident = f"{told['median_VmRSS'] / 1024:.1f}" if "median_VmRSS" in told else ""
        rows.append([name, *(f"{told[key]:.0f}" for key in times), resident])
    headings = ["", "median ms", "min ms", "max ms", "resident MiB"]
    return f"**Cold start**: launch of Python to first output, model 6,32,1. {_machine(result)}.\n\n" + markdown(headings, rows)


def tail(told: Record) -> str:
    """Latency of single steps of one model, with its tail."""
    from edgelstm.cli.show import time_text

    points = ("p50", "p99", "p99.9", "max")
    paced = f"step, paced at {told['rate_hz']:g} Hz"
    names = {"full_speed_ns": "step, full speed", "paced_ns": paced, "response_ns": "sample due to answer"}
    rows = [[name, *(time_text(told[key][p]) for p in points), f"{told[key]['count']:,}"] for key, name in names.items()]
    missed, machine = told["deadline_misses"], told["machine"]
    where = f"{machine['cpu']}, governor {machine['governor']}; {machine['system']}; Python {machine['python']}"
    heading = f"**The tail**: `edgelstm bench {Path(told['model']).name}`, {missed:,} deadline misses. {where}."
    return f"{heading}\n\n{markdown(['', *points, 'steps'], rows)}"


#: The name by which a file shows what wrote it, and how it is told.
KINDS = {"rows": comparison, "programs": cold_start, "full_speed_ns": tail}

#: The same of results that the README does not show: ``arm_instructions.py`` writes a page of its own, ``cells.py`` and ``bank.py`` are for
#: `PERFORMANCE`, those of a fleet for a page of theirs, ``page.py`` is for the page of gateways, and ``nothing_lost.py`` tells no times.
APART = {"cores", "cells", "banks", "fleet", "parts", "core_percent"}
PERFORMANCE = ROOT / "docs" / "performance.md"


def figures(results: Sequence[Record]) -> str:
    """Markdown of all results: comparisons first, then cold starts, then tails."""
    results = [result for result in results if not APART & result.keys()]
    parts = [tell(result) for mark, tell in KINDS.items() for result in results if mark in result]
    if len(parts) != len(results):
        raise SystemExit(
            f"{len(results) - len(parts)} of the results are none of compare.py, cold_start.py and edgelstm bench; remove them."
        )
    return "\n\n".join(parts) or NONE_YET


def cells(results: Sequence[Record]) -> str:
    """Markdown of what ``cells.py`` and ``bank.py`` measured."""
    import report_bank
    import report_cells

    parts = [report_cells.markdown(result) for result in results if "cells" in result]
    parts += [report_bank.markdown(result) for result in results if "banks" in result]
    return "\n\n".join(parts) or NONE_YET.replace("compare.py", "cells.py")


def filled(text: str, told: str, page: str = "README.md") -> str:
    """`text` with `told` between the two comments."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{page} must hold {BEGIN} and {END} once each.")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{told}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    pages = {ROOT / "README.md": figures, PERFORMANCE: cells}
    paths = sorted((ROOT / "benchmarks" / "results").rglob("*.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for page, told in pages.items():
        page.write_text(filled(page.read_text(encoding="utf-8"), told(results), page.name), encoding="utf-8")
    print(f"{', '.join(page.name for page in pages)}: {', '.join(path.name for path in paths) or 'no results yet'}")


if __name__ == "__main__":
    main()
