"""Tables and the picture of a comparison's result, as `measure` wrote it. It measures nothing."""

from collections.abc import Callable, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

from peers.edgelstm_int8 import DYNAMIC_PROCESS, DYNAMIC_STEP, DYNAMIC_STEP_IN_PLACE, WEIGHT_PROCESS
from peers.edgelstm_peer import PROCESS, STEP, STEP_IN_C, STEP_IN_PLACE
from rich.console import Console
from rich.table import Table

Result = dict[str, Any]

#: How edgelstm's own are drawn. Where int8 stands beside them, float32 is dashed.
COLORS = {PROCESS: "#c1121f", STEP: "#1d4ed8", STEP_IN_PLACE: "#60a5fa", STEP_IN_C: "#047857"}
INT8_COLORS = {DYNAMIC_PROCESS: "#c1121f", DYNAMIC_STEP: "#1d4ed8", DYNAMIC_STEP_IN_PLACE: "#60a5fa", WEIGHT_PROCESS: "#e08e0b"}


def geometric_mean(values: Sequence[float]) -> float:
    return exp(sum(map(log, values)) / len(values))


def shown(ns: float) -> str:
    """Nanoseconds in at most five characters: 53, 3094, 36.1k."""
    return f"{ns:.0f}" if ns < 10_000 else f"{ns / 1000:.1f}k" if ns < 100_000 else f"{ns / 1000:.0f}k"


def names(result: Result) -> list[str]:
    return list(next(iter(result["rows"].values()))["contenders"])


def times(result: Result, name: str, figure: str = "median_ns") -> list[float]:
    """One contender along the rows, ns a step; figure: ``median_ns`` or ``min_ns``."""
    return [row["contenders"][name][figure] for row in result["rows"].values()]


def rival_of(result: Result, name: str) -> str:
    """What a contender is compared with: process() if its loop is native code, step(x) if each step is a call from Python."""
    native = next(iter(result["rows"].values()))["contenders"][name]["native"]
    return PROCESS if native else STEP


def ratios(result: Result, name: str, figure: str = "median_ns") -> list[float]:
    """Contender / edgelstm along the rows."""
    own = times(result, rival_of(result, name), figure)
    return [theirs / ours for theirs, ours in zip(times(result, name, figure), own, strict=True)]


def table_of(result: Result, title: str, *extra: str) -> Table:
    """An empty table with a column for each row of the grid."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", row_styles=["", "dim"])
    table.add_column("inputs,hidden,layers", no_wrap=True)
    for heading in (*result["rows"], *extra):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def times_table(result: Result, figure: str, title: str) -> Table:
    """Nanoseconds of everyone."""
    table = table_of(result, title)
    rows = result["rows"].values()
    table.add_row("physical limit", *(shown(row["limit"]["ns"]) for row in rows))
    for name in names(result):
        table.add_row(name, *map(shown, times(result, name, figure)), style="bold cyan" if name.startswith("edgelstm") else None)
    table.add_row("empty Python loop", *(shown(row["empty_loop"][figure]) for row in rows))
    return table


def _ratio_table(result: Result) -> Table:
    title = "Their median / edgelstm's: native loops against process(), calls from Python against step(x); above 1 edgelstm is faster"
    table = table_of(result, title, "geo. mean", "of minima")
    for name in names(result):
        if not name.startswith("edgelstm"):
            values = ratios(result, name)
            means = geometric_mean(values), geometric_mean(ratios(result, name, "min_ns"))
            table.add_row(name, *(f"{v:.2f}" for v in values), *(f"{v:.2f}" for v in means))
    return table


def _own_table(result: Result) -> Table:
    limits = [row["limit"]["ns"] for row in result["rows"].values()]
    table = table_of(result, "edgelstm: cost of a call from Python above process(), ns; part of the physical limit reached")

    def line(heading: str, value: Callable[[float, float, float, float], str]) -> None:
        columns = [times(result, name) for name in (PROCESS, STEP, STEP_IN_PLACE)]
        table.add_row(heading, *(value(*row) for row in zip(*columns, limits, strict=True)))

    line("step(x) - process()", lambda process, step, _in_place, _limit: f"{step - process:.0f}")
    line("step() - process()", lambda process, _step, in_place, _limit: f"{in_place - process:.0f}")
    if STEP_IN_C in names(result):
        over = zip(times(result, STEP), times(result, STEP_IN_C), strict=True)
        table.add_row("step(x) - edgelstm_step() in C", *(f"{step - in_c:.0f}" for step, in_c in over))
    line("process(), % of the limit", lambda process, _step, _in_place, limit: f"{100 * limit / process:.0f}%")
    line("step(x), % of the limit", lambda _process, step, _in_place, limit: f"{100 * limit / step:.0f}%")
    return table


def console_for_tables() -> Console:
    """The terminal, or a file wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_heading(result: Result) -> None:
    """The machine, the engines, and how quiet it was."""
    console = console_for_tables()
    machine, versions = result["machine"], result["versions"]
    console.print(f"[bold]{machine['cpu']}[/], {result['clock_ghz']:.2f} GHz measured, {result['pinned']}; {machine['system']}")
    engines = ", ".join(f"{name} {version}" for name, version in versions.items())
    console.print(f"{machine['date']}; {machine['python']}; {engines}", highlight=False)
    for peer, reason in result["absent"].items():
        console.print(f"[yellow]left out: {peer} ({reason})")
    everyone = [contender for row in result["rows"].values() for contender in row["contenders"].values()]
    taken = sum(contender["interrupted"] for contender in everyone)
    quiet = taken <= sum(contender["chunks"] for contender in everyone) / 20
    console.print(f"{result['rounds']} chunks each, interleaved; {taken} taken again because another process had the core", highlight=False)
    if not quiet:
        console.print(
            "[yellow]Not a quiet machine: another process had the core in more than one chunk of twenty. Trust the best chunks, or repeat."
        )


def print_tables(result: Result) -> None:
    console = console_for_tables()
    for table in (
        times_table(result, "median_ns", "Nanoseconds a step, median over chunks"),
        times_table(result, "min_ns", "Nanoseconds a step, best chunk"),
        _ratio_table(result),
        _own_table(result),
    ):
        console.print(table)


def plot(result: Result, path: Path) -> None:
    """Nanoseconds a step of every contender, row by row, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    rows = list(result["rows"])
    places = range(len(rows))
    limits = [row["limit"]["ns"] for row in result["rows"].values()]
    int8 = result["weights"] == "int8"
    colors = INT8_COLORS if int8 else COLORS
    figure, axes = pyplot.subplots(figsize=(11, 6), layout="constrained")
    axes.fill_between(places, limits, min(limits) / 2, color="0.88", linewidth=0, label="physical limit")
    ordered = sorted(names(result), key=lambda name: -geometric_mean(times(result, name)))
    others = iter(pyplot.get_cmap("tab10").colors[i] for i in (7, 1, 8, 2, 6, 4, 9, 5))  # type: ignore[attr-defined]
    for name, marker in zip(ordered, "v^<>sDPXph*od", strict=False):
        own = name in colors
        color = colors[name] if own else COLORS.get(name) or next(others)
        style = {"linewidth": 2.4, "zorder": 3} if own else {"linewidth": 1, "linestyle": "--" if name in COLORS else "-"}
        axes.plot(
            places, times(result, name), marker=marker, color=color, label=name + (", f32" if int8 and name in COLORS else ""), **style
        )
    axes.set(yscale="log", ylabel="nanoseconds a step", ylim=(min(limits) / 2, None))
    axes.set_xlabel("inputs, hidden units, layers (then Dense to 1)")
    axes.set_xticks(places, rows)
    axes.grid(axis="y", which="major", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"One step of a streaming LSTM, batch 1, one core, {result['weights']}", loc="left", weight="bold")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[1:] + handles[:1], labels[1:] + labels[:1], frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.text(0.01, -0.02, f"{result['machine']['cpu']}, {result['clock_ghz']:.2f} GHz, {result['machine']['date']}", color="0.4", size=8)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)
