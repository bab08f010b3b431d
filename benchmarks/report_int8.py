"""Tables of ``compare.py --int8``: times, errors, and edgelstm's int8 against its float32, the other engines and the limit of reading."""

from collections.abc import Callable

from peers.edgelstm_int8 import DYNAMIC_PROCESS, DYNAMIC_STEP, WEIGHT_PROCESS
from peers.edgelstm_peer import PROCESS, STEP
from report import Result, console_for_tables, geometric_mean, names, table_of, times, times_table
from rich.table import Table

#: Contender in float32 -> the same call in int8.
FASTER = {PROCESS: DYNAMIC_PROCESS, STEP: DYNAMIC_STEP}

BOTH = (("median", "median_ns"), ("best chunk", "min_ns"))


def quotients(result: Result, name: str, other: str, figure: str) -> list[float]:
    """Time of `name` / time of `other` along the rows."""
    return [a / b for a, b in zip(times(result, name, figure), times(result, other, figure), strict=True)]


def _ratio_table(result: Result) -> Table:
    table = table_of(result, "Their time / edgelstm int8-dynamic's; above 1 int8-dynamic is faster", "geo. mean")

    def line(heading: str, name: str, other: str, figure: str) -> None:
        values = quotients(result, name, other, figure)
        table.add_row(heading, *(f"{value:.2f}" for value in (*values, geometric_mean(values))))

    for what, figure in BOTH:
        for name, other in FASTER.items():
            line(f"own f32 {name.removeprefix('edgelstm ')}, {what}", name, other, figure)
        line(f"own int8-weight process(), {what}", WEIGHT_PROCESS, DYNAMIC_PROCESS, figure)
        for name in names(result):
            if not name.startswith("edgelstm"):
                line(f"{name}, {what}", name, DYNAMIC_STEP, figure)
    return table


def _error_table(result: Result) -> Table:
    table = table_of(result, "Largest output error over the checked steps, against the float model in float64")
    for name in names(result):
        errors = [row["contenders"][name]["max_error"] for row in result["rows"].values()]
        table.add_row(name, *(f"{error:.1e}" for error in errors), style="bold cyan" if name.startswith("edgelstm") else None)
    return table


def _limit_table(result: Result) -> Table:
    rows = result["rows"].values()
    table = table_of(result, "The limit: int8 weights and their scales, read once a step from where they lie")

    def line(heading: str, value: Callable[[dict[str, float]], str]) -> None:
        table.add_row(heading, *(value(row["limit"]) for row in rows))

    line("weights, KiB", lambda limit: f"{limit['weight_bytes'] / 1024:.1f}")
    line("bandwidth, GB/s", lambda limit: f"{limit['bandwidth_gbs']:.0f}")
    for what, figure in BOTH:
        for name in (DYNAMIC_PROCESS, DYNAMIC_STEP, WEIGHT_PROCESS):
            reached = [row["limit"]["ns"] / ns for row, ns in zip(rows, times(result, name, figure), strict=True)]
            table.add_row(f"{name.removeprefix('edgelstm ')}, {what}", *(f"{100 * part:.0f}%" for part in reached))
    return table


def print_tables(result: Result) -> None:
    console = console_for_tables()
    for table in (
        times_table(result, "median_ns", "Nanoseconds a step, median over chunks; edgelstm process() and step(x) are float32"),
        times_table(result, "min_ns", "Nanoseconds a step, best chunk"),
        _ratio_table(result),
        _error_table(result),
        _limit_table(result),
    ):
        console.print(table)
