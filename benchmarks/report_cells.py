"""The tables of ``cells.py``. It measures nothing."""

from collections.abc import Iterable, Sequence
from typing import Any

from marks import BEST, Mark, marks
from nets import PUBLISHED
from report import geometric_mean, shown

#: Cells of `grid.CELLS`, and those in other forms of numbers, as tables call them.
TITLES = {
    "lstm": "LSTM",
    "lstm peephole": "LSTM with peepholes",
    "lstm coupled": "LSTM with coupled gates",
    "lstm clips": "LSTM with two clips",
    "lstm projection": "LSTM with a projection to half",
    "gru": "GRU",
    "rnn": "RNN",
    "min_gru": "minGRU",
    "min_lstm": "minLSTM",
    "slstm": "sLSTM",
    "lstm f16": "LSTM f16-weight",
    "gru f16": "GRU f16-weight",
    "gru int8": "GRU int8-dynamic",
}

WAYS = ("process()", "step(x)", "C panel kernel", "LiteRT cell")

#: A first look has fewer chunks than this.
FEWEST_ROUNDS = 60

Result = dict[str, Any]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _lines(result: Result) -> list[list[str]]:
    """Every cell and way: nanoseconds along the rows, then the geometric mean of its times over the LSTM's in the same way."""
    rows = result["cells"].values()
    lines = []
    for cell, title in TITLES.items():
        for way in WAYS:
            times = [row[f"{cell} {way}"][BEST] if f"{cell} {way}" in row else None for row in rows]
            ratios = [time / row[f"lstm {way}"][BEST] for time, row in zip(times, rows, strict=True) if time and f"lstm {way}" in row]
            if any(times):
                mean = f"{geometric_mean(ratios):.2f}" if ratios else ""
                lines.append([f"{title} `{way}`", *(shown(time) if time else "" for time in times), mean])
    return lines


def _ratios(result: Result) -> list[list[str]]:
    """Every cell's `process()` over the LSTM's, row by row."""
    lines = []
    for cell, title in TITLES.items():
        name = f"{cell} process()"
        if cell != "lstm" and any(name in row for row in result["cells"].values()):
            each = (f"{row[name][BEST] / row['lstm process()'][BEST]:.2f}" if name in row else "" for row in result["cells"].values())
            lines.append([title, *each])
    return lines


def _net(name: str, told: Result, peak: float | None) -> list[str]:
    times = {way: figures[BEST] for way, figures in told["contenders"].items()}
    rivals = [time for way, time in times.items() if way.startswith("ONNX")]
    amount = told["multiply_accumulates"]
    share = f"{2 * amount / times['process()'] / peak:.0%}" if peak else ""
    rival = f"{shown(min(rivals))} ({min(rivals) / times['step(x)']:.2f} ×)" if rivals else ""
    published = "{} to {} µs".format(*PUBLISHED[name]) if name in PUBLISHED else ""
    return [name, f"{amount / 1000:.0f}k", shown(times["process()"]), shown(times["step(x)"]), share, rival, published]


def _halves(dense: dict[str, Result]) -> list[list[str]]:
    """Dense layers in both forms, and half precision's time over float32's."""
    lines = [
        [f"`{way}`", *(shown(row[way][BEST]) for row in dense.values())] for way in ("process()", "f16 process()", "step(x)", "f16 step(x)")
    ]
    for way in ("process()", "step(x)"):
        lines.append([f"f16 over float32, `{way}`", *(f"{row[f'f16 {way}'][BEST] / row[way][BEST]:.2f}" for row in dense.values())])
    return lines


def _mark(mark: Mark) -> list[str]:
    values = list(mark.found.values())
    sign, worst = ("≥", min(values)) if mark.least else ("≤", max(values))
    told = "yes" if not mark.missed else "no: " + ", ".join(f"{row} {ratio:.2f}" for row, ratio in mark.missed.items())
    mean = f"{geometric_mean(values):.2f}" if len(values) > 1 else ""
    asked = f"{sign} {mark.asked:.2f}" + (" (geometric mean)" if mark.mean else "")
    return [mark.what, " ".join(mark.found) if len(values) < 3 else f"{len(values)} rows", asked, f"{worst:.2f}", mean, told]


def markdown(result: Result) -> str:
    """All tables, with the machine that they are of."""
    machine = "; ".join(result["machine"][key] for key in ("cpu", "system", "python", "date"))
    first_look = "" if result["rounds"] >= FEWEST_ROUNDS else " **A first look, on a machine that was not quiet: no result.**"
    places = f" in each of {result['places']} places of memory" if result.get("places", 1) > 1 else ""
    parts = [f"{machine}; {result['pinned']}. Best of {result['rounds']} chunks{places}.{first_look}"]
    rows = list(result["cells"])
    parts.append(
        "**Nanoseconds a step.** Columns: inputs,hidden,layers, then Dense to 1; batch 1, one thread, float32 unless another form is said."
    )
    parts.append(_table(["", *rows, "over the LSTM's, geometric mean"], _lines(result)))
    parts.append("**`process()` over the LSTM's, row by row.**")
    parts.append(_table(["", *rows], _ratios(result)))
    if result.get("dense"):
        parts.append("**Dense layers in half precision beside float32, nanoseconds a step.** Columns: units, as many outputs as inputs.")
        parts.append(_table(["", *result["dense"]], _halves(result["dense"])))
    if result["nets"]:
        parts.append("**Nets, nanoseconds a step**, float32, one thread.")
        headings = ["multiply-accumulates", "`process()`", "`step(x)`", "of the multiply-add peak", "ONNX Runtime, best (over `step(x)`)"]
        lines = [_net(name, told, result["gflops"]) for name, told in result["nets"].items()]
        parts.append(_table(["", *headings, "a packet on a Pixel 4, published"], lines))
    parts.append("**Marks**: ratios that were asked for, the worst row's figure and the geometric mean.")
    parts.append(_table(["", "rows", "mark", "worst", "mean", "reached"], map(_mark, marks(result))))
    return "\n\n".join(parts)
