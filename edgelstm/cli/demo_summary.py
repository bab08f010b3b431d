"""The figures at the end of `edgelstm demo`: accuracy, confusion, latency, cold start; as a record and on the screen."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import measure, show
from .demo_data import LABELS, RATE_HZ, Outcome

if TYPE_CHECKING:
    from ..stream import Stream

#: Steps at the beginning of a recording that the second figure of accuracy leaves out: 2 s.
SETTLING_STEPS = 20

#: What to try next, and what it does.
NEXT = (
    ("edgelstm convert yours.pt -o yours.elstm", "your own network (--layers)"),
    ("edgelstm run yours.elstm --input yours.csv", "a recording through it"),
    ("edgelstm bench yours.elstm --rate 100", "its latency here, with its tail"),
)


def figures(stream: "Stream", outcomes: Sequence[Outcome], again: Sequence[Outcome], phases: Mapping[str, float]) -> dict[str, Any]:
    """The record that ``--json`` writes; times in nanoseconds.

    A recording counts once it ran to its end, by the answer at its last step; a step counts always.

    Parameters
    ----------
    outcomes : sequence of Outcome
        As they were shown: with a live view, every step came after a wait.
    again : sequence of Outcome
        The same recordings, streamed without a pause.
    """
    ended = [o for o in outcomes if o.finished]
    right = [[LABELS[answer] == o.recording.activity for answer in o.answers] for o in outcomes]
    shown, straight = (measure.percentiles(np.concatenate([o.times for o in some]).astype(np.int64)) for some in (outcomes, again))
    about = stream.program.about()
    return {
        "recordings": _share([o.right for o in ended]),
        "steps": _share([r for steps in right for r in steps]),
        "steps_after_2s": _share([r for steps in right for r in steps[SETTLING_STEPS:]]),
        "confusion": {a: {said: sum((o.recording.activity, o.said) == (a, said) for o in ended) for said in LABELS} for a in LABELS},
        "wrong": [o.recording.name for o in ended if not o.right],
        "interrupted": not outcomes[-1].finished,
        "latency_shown_ns": shown,
        "latency_ns": straight,
        "timer_ns": measure.timer_cost(),
        "real_time_factor": straight["mean"] * RATE_HZ / 1e9,
        "cold_start_ns": {**phases, "total": sum(phases.values()), "cached": stream.plan.cached},
        "bytes": {"weights": about.weight_bytes, "arena": stream.program.arena_bytes, "code": about.code_bytes},
        "machine": measure.machine(stream),
    }


def _share(right: Sequence[bool]) -> dict[str, Any]:
    return {"right": sum(right), "total": len(right), "accuracy": sum(right) / len(right) if right else None}


def show_figures(told: Mapping[str, Any], *, live: bool) -> None:
    """Print the record for people, on less than a screen of 80 x 24. `live`: whether the steps shown came after waits."""
    console = Console(width=None if sys.stdout.isatty() else 80, highlight=False)
    recordings, machine, cold = told["recordings"], told["machine"], told["cold_start_ns"]
    stopped = ", stopped early" if told["interrupted"] else ""
    console.print(f"\n[bold]{recordings['right']} of {recordings['total']} held-out recordings right[/] ({_percent(recordings)}){stopped}")
    console.print(
        f"[dim]by the last answer of each; {_percent(told['steps'])} of all steps, {_percent(told['steps_after_2s'])} of those after 2 s[/]"
    )
    columns = {"live": told["latency_shown_ns"]} if live else {}
    halves = Table.grid(padding=(0, 2, 0, 0))
    halves.add_row(_confusion(told["confusion"]), _latency({**columns, "in a row": told["latency_ns"]}))
    console.print(halves)
    if live:
        console.print("[dim]live: each step after a wait, caches cold; in a row: the same without waits[/]")
    cache = "found in the cache" if cold["cached"] else "compiled now"
    phases = ", ".join(f"{phase} {show.time_text(cold[phase])}" for phase in ("convert", "save and load", "prepare stream"))
    facts = {
        "Cold start": f"{show.time_text(cold['total'])} from .pt to first answer, step function {cache}",
        "": phases,
        "Headroom": f"{1 / told['real_time_factor']:,.0f} × faster than the watch samples",
        "Machine": f"{machine['cpu']}, {machine['target']}, one thread; a clock reading takes {show.time_text(told['timer_ns'])}",
    }
    for name, fact in facts.items():
        console.print(Text(f"{name:11} {show.printable(fact)}"))
    console.print("\n[bold]Next[/]")
    for command, what in NEXT:
        console.print(f"  [cyan]{command}[/]{' ' * (45 - len(command))}[dim]{what}[/]")


def _percent(share: Mapping[str, Any]) -> str:
    return "none" if share["accuracy"] is None else f"{share['accuracy']:.1%}"


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(Text("it was", "dim"))
    for label in LABELS:
        grid.add_column(Text(label, "dim"), justify="right")
    for activity, said in confusion.items():
        styles = {label: "green" if label == activity else "bold red" for label in LABELS}
        grid.add_row(activity, *(Text(str(n), styles[label]) if n else Text("·", "dim") for label, n in said.items()))
    return grid


def _latency(columns: Mapping[str, Mapping[str, float]]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(Text("step", "dim"))
    for name in columns:
        grid.add_column(Text(name, "dim"), justify="right")
    for point in ("p50", "p99", "p99.9", "max"):
        grid.add_row(point, *(Text(show.time_text(latency[point])) for latency in columns.values()))
    return grid
