"""The tables of ``bank.py``. It measures nothing."""

from typing import Any

from report import shown

Result = dict[str, Any]


def _cell(figures: dict[str, float], name: str) -> str:
    """What a contender takes, and over the first one's time. Bytes stand alone."""
    if name not in figures:
        return ""
    first = next(iter(figures.values()))
    return shown(figures[name]) + ("" if "bytes a stream" in figures else f" ({figures[name] / first:.2f})")


def _table(result: Result, what: str) -> str:
    """One of the things measured, a line for each contender."""
    rows = result["banks"]
    names = list(dict.fromkeys(name for row in rows.values() for name in row[what]))
    headings = ["", *(row.removesuffix(",1") for row in rows)]
    lines = [headings, ["---", *["---:"] * len(rows)]]
    lines += [[name, *(_cell(row[what], name) for row in rows.values())] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(result: Result) -> str:
    """All tables, with the machine that they are of."""
    machine = "; ".join(result["machine"][key] for key in ("cpu", "system", "python", "date"))
    heading = "**Many streams**: inputs,hidden units of one LSTM layer, then Dense to 1; one thread."
    how = f"Best of {result['rounds']} chunks. Nanoseconds of the process's own time a stream-step, and in brackets over the first line's."
    parts = [f"{heading} {machine}; {result['pinned']}. {how}"]
    first = next(iter(result["banks"].values()))
    for what in first:
        parts += [f"{what[0].upper()}{what[1:]}:", _table(result, what)]
    return "\n\n".join(parts)
