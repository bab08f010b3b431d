"""The record of `compare.compare` as one self-contained page: no script, no font, no image from anywhere else.

It measures nothing. The page's frame and style: ``template.html``.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ..auto import TARGET_DB
from . import svg
from .metrics import MOST_DB
from .verdict import judged_on

#: What the page says at the top, by verdict.
HEADLINES = {"ship": "Ship it", "look": "Look before you ship", "stop": "Do not ship this"}

#: End of the axis of all decibel bars.
AXIS_DB = 80.0


def html(told: Mapping[str, Any]) -> str:
    """The page, as text.

    Parameters
    ----------
    told : mapping
        As `compare.compare` made it.
    """
    output, windows = told["output"], told["windows"]
    over_time, around, worst = output["error_over_time"], output["around_worst"], output["worst"]
    data = base64.b64encode(json.dumps(told).encode()).decode()
    error_lines = [svg.Line("largest", "free", over_time["max"]), svg.Line("root mean square", "int8", over_time["rms"])]
    worst_lines = [svg.Line("f32", "f32 under", around["f32"]), svg.Line("quantised", "int8", around["int8"])]
    return Template(files(__package__).joinpath("template.html").read_text("utf-8")).substitute(
        title=escape(f"Quantisation of {told['source'] or 'a model'}"),
        subtitle=escape(
            f"scheme {told['scheme']} · windows {windows['count']:,} · steps {windows['steps']:,}, at most {windows['longest']:,} a window "
            f"· edgelstm {told['edgelstm']}"
        ),
        level=told["verdict"]["level"],
        headline=HEADLINES[told["verdict"]["level"]],
        reasons="".join(f"<li>{escape(reason)}</li>" for reason in told["verdict"]["reasons"]),
        tiles=_tiles(told),
        error_plot=svg.lines(over_time["step"], error_lines, "step", "error"),
        worst_text=escape(
            f"{worst['name']}, {worst['at']}: {worst['f32']:.4g} became {worst['int8']:.4g}. Steps count from the window's start."
        ),
        worst_plot=svg.lines(around["step"], worst_lines, "step", worst["name"], mark=worst["step"]),
        layers="".join(_layer(layer) for layer in told["layers"]),
        keep_table=_keep_table(told),
        cost_table=_cost_table(told),
        machine=escape(" · ".join(f"{name} {value}" for name, value in told["machine"].items()) + " · least of many, one thread"),
        json_link=f"data:application/json;base64,{data}",
        scales="".join(_scales(layer) for layer in told["layers"]),
    )


def _tiles(told: Mapping[str, Any]) -> str:
    output, task, worst = told["output"], told["task"], told["output"]["worst"]
    share = min(max(output["snr_db"], 0) / AXIS_DB, 1)
    meter = f'<div class="meter"><i style="width:{share:.1%}"></i><u style="left:{TARGET_DB / AXIS_DB:.1%}"></u></div>'
    tiles = [
        ("output signal to noise", _db(output["snr_db"]), meter + f"{TARGET_DB:g} dB is safe; {judged_on(told['judged'])}"),
        ("worst step", f"{worst['error']:.3g}", escape(f"{worst['name']}, {worst['at']}")),
    ]
    if task is not None:
        unit = "{:.2%}" if task["name"] == "accuracy" else "{:.4g}"
        told_changed = "" if task["changed"] is None else f", {task['changed']:,} answers changed"
        tiles.append((task["name"], unit.format(task["after"]), f"was {unit.format(task['before'])}{told_changed}"))
    elif output["same_decision"] is not None:
        tiles.append(("same decision", f"{output['same_decision']:.2%}", "of all steps; give labels for accuracy"))
    was, now = told["size"]["file_bytes"]
    tiles.append(
        (".elstm file", _bytes(now), f'<div class="meter"><i style="width:{now / was:.1%}"></i></div>{now / was:.2f} × of {_bytes(was)}')
    )
    for way, (was, now) in told["latency_ns"].items():
        tiles.append((WAYS[way], _time(now), f"{_speed(was, now)} ({_time(was)} in f32)"))
    return "".join(
        f'<div class="tile"><span class="name">{name}</span><b>{value}</b><span class="soft">{note}</span></div>'
        for name, value, note in tiles
    )


def _db(value: float) -> str:
    return f"over {MOST_DB:g} dB" if value >= MOST_DB else f"{value:.1f} dB"


def _speed(was: float, now: float) -> str:
    if 0.99 < was / now < 1.01:
        return "as fast"
    return f"{was / now:.2f} × as fast" if was >= now else f"{now / was:.2f} × slower"


def _layer(layer: Mapping[str, Any]) -> str:
    tag = f'<span class="tag {"f32" if layer["scheme"] == "f32" else ""}">{escape(layer["scheme"])}</span>'
    was, now = layer["bytes"]
    facts = [
        ("bytes", f"{_bytes(was)} → {_bytes(now)}"),
        ("output of the layer", _db(layer["snr_db"])),
        *_input_facts(layer["input"]),
    ]
    if layer["output_saturated"] is not None:
        facts.append(("output at the ends of int8", f"{layer['output_saturated']:.3%}"))
    facts += [("gates clipped at ±8", _clipped_gates(layer["gates"]))] if _clipped_gates(layer["gates"]) else []
    if cell := layer["cell"]:
        trend = "still grows at the end" if cell["grows"] else "settled"
        end = "float32, not clipped" if cell["reach"] is None else f"int16 ends at ±{cell['reach']:g}, reached by {cell['saturated']:.3%}"
        facts.append(("cell", f"|c| ≤ {cell['max_abs']:.4g}, at {cell['at']}; {trend}; {end}"))
    left = _table((), facts) + _candidates(layer)
    right = ""
    if layer["gates"]:
        rows = [(gate, [(css, db[kind]) for kind, css in _FORMS if kind in db]) for gate, db in layer["gates"].items()]
        right += svg.bars(rows, AXIS_DB, "dB", [("int8", "gates, teacher-forced"), ("free", "gates, c and h, free-running")])
    if cell:
        right += svg.lines(
            cell["curve"]["step"], [svg.Line("float model, longest window", "f32", cell["curve"]["max_abs"])], "step", "max |c|"
        )
    head = f'<h3>{escape(layer["name"])} <span class="soft">{escape(layer["kind"])}</span>{tag}</h3>'
    reason = f'<p class="soft">{escape(layer["reason"])}</p>'
    return f'<section class="card">{head}{reason}<div class="two"><div>{left}</div><div>{right}</div></div></section>'


_FORMS = (("teacher", "int8"), ("free", "free"))


def _clipped_gates(gates: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{gate} {figures['saturated']:.2%}" for gate, figures in (gates or {}).items() if "saturated" in figures)


def _input_facts(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("x in the float model", f"{given['low']:.4g} to {given['high']:.4g}")]
    if given["range"] is not None:
        ends = given["ends"]
        limit = "scale of each step" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g} ({given['range']})"
        facts += [("x in int8", f"{limit}; rounding alone {given['rounding_db']:.1f} dB"), ("x saturated", f"{given['saturated']:.3%}")]
    return facts


def _candidates(layer: Mapping[str, Any]) -> str:
    """What was tried for a layer, as a table behind a click."""
    rows = [
        (option["scheme"], tried["range"] or "x stays f32", _db(tried["output_db"]))
        for option in layer["options"]
        for tried in option["tried"]
    ]
    if not rows:
        return ""
    table = _table(("scheme", "range of x", "output"), rows)
    return f"<details><summary>Tried: output with this layer alone quantised</summary>{table}</details>"


def _keep_table(told: Mapping[str, Any]) -> str:
    rows = [
        (item["name"], _db(item["output_db"]), f"{item['gain_db']:+.1f} dB", f"+{_bytes(item['bytes'])}", f"--keep {item['name']}")
        for item in told["keep_in_f32"]
    ]
    if not rows:
        return "<p>No layer is quantised.</p>"
    return _table(("layer in f32", "output then", "gain", "weights", "flag"), rows)


#: What is timed, by its name in the record.
WAYS = {"process": "a step in process()", "step": "a call of step()"}


def _cost_table(told: Mapping[str, Any]) -> str:
    size, times = told["size"], told["latency_ns"]
    items = [(".elstm file", size["file_bytes"], _bytes), ("weights in memory, packed", size["weight_bytes"], _bytes)]
    rows = [(name, show(was), show(now), f"{now / was:.2f} ×") for name, (was, now), show in items]
    rows += [(WAYS[name], _time(was), _time(now), f"{now / was:.2f} ×") for name, (was, now) in times.items()]
    return _table(("", "f32", "quantised", "ratio"), rows)


def _scales(layer: Mapping[str, Any]) -> str:
    parts = []
    for name, values in layer["scales"].items():
        numbers = " ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
        parts.append(f'<h3 class="soft">{escape(name)}, {len(values)}</h3><div class="numbers">{numbers}</div>')
    return f"<details><summary>{escape(layer['name'])}</summary>{''.join(parts)}</details>" if parts else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>" if head else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}{body}</table></div>'


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _time(nanoseconds: float) -> str:
    for unit in ("ns", "µs", "ms"):
        if nanoseconds < 999.5:
            return f"{nanoseconds:.3g} {unit}"
        nanoseconds /= 1000
    return f"{nanoseconds:.3g} s"
