"""What happened inside each layer: gates against gates, saturation, the cell over time, and what f32 would win back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.integers import GATE_BITS
from ...layers.record import Layer
from ...layers.recurrent import Recurrent
from ..calibration import cell_range
from ..choosing import Choice
from ..rules.scales import HIGHEST, LOWEST
from ..schemes import WEIGHTS_ALONE
from ..search import Decision, Option
from ..trace import Floats, before_activation, form, gates, run
from ..trace.rounding import at_ends, rounded
from .metrics import MOST_DB, bins, ratio_db, snr_db

#: Parts of arrays' and options' names that say how integers are to be read.
SCALES = ("scale", "zero_point", "mantissa", "shift", "cell_bits")


def layer_record(choice: Choice, layer: Layer, decision: Decision) -> dict[str, Any]:
    """Everything the report says of a layer that holds weights, as plain JSON values. `layer`: the float one."""
    layer, now = choice.before_trace.layers[layer.name], decision.option.layer
    told: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "scheme": decision.option.scheme,
        "reason": decision.reason,
        "bytes": [_bytes(layer), _bytes(now)],
        "options": [_option_record(option) for option in decision.options.values() if option.scheme != "f32"],
        "input": _input_record(choice, layer, decision.option),
        "snr_db": snr_db(*(trace.answered(layer, choice.batch) for trace in (choice.before_trace, choice.trace))),
        "gates": None,
        "cell": None,
        "output_saturated": None,
        "scales": _scales(now),
    }
    y = choice.trace.answered(layer, choice.batch)
    clipped = None if now.output_grid is None else at_ends(now, y)
    if isinstance(layer, Recurrent) and isinstance(now, Recurrent):
        told["gates"] = gate_record(choice, layer, now)
        told["cell"] = cell_record(choice, layer.name) if layer.name in choice.before_trace.cells else None
        clipped = form(now).clipped(y)
    told["output_saturated"] = None if clipped is None else float(clipped.mean())
    return told


def _scales(layer: Layer) -> dict[str, list[float]]:
    arrays = {name: array.ravel().tolist() for name, array in layer.arrays().items()}
    options = {name: [value] for name, value in layer.options().items()}
    return {name: values for name, values in (arrays | options).items() if any(part in name for part in SCALES)}


def _bytes(layer: Layer) -> int:
    return sum(array.nbytes for array in layer.arrays().values())


def _option_record(option: Option) -> dict[str, Any]:
    tried, states = ([{"range": method, "output_db": db} for method, db in each] for each in (option.tried, option.tried_states))
    return {"scheme": option.scheme, "alone_db": option.alone_db, "tried": tried, "tried_hidden": states}


def _input_record(choice: Choice, layer: Layer, option: Option) -> dict[str, Any]:
    """The range of what the layer reads, and how its integers cover it."""
    seen = choice.before_trace.taken(layer, choice.batch)
    told: dict[str, Any] = {
        "low": float(seen.min()),
        "high": float(seen.max()),
        "range": None,
        "ends": None,
        "saturated": None,
        "rounding_db": None,
    }
    if option.scheme not in ("f32", *WEIGHTS_ALONE):
        x = choice.trace.taken(option.layer, choice.batch)
        told["range"] = "per step" if option.span is None else option.span.method
        told["ends"] = None if option.span is None else _ends(option)
        told["saturated"] = 0.0 if option.span is None else _saturated(option, x)
        told["rounding_db"] = snr_db(x, rounded(option.layer, x))
    return told


def _ends(option: Option) -> list[float]:
    """Smallest and largest x that the integers stand for."""
    beyond = 2 * (HIGHEST - LOWEST) * option.layer.arrays()["input_scale"]
    return [float(rounded(option.layer, end)[0]) for end in (-beyond, beyond)]


def _saturated(option: Option, x: Floats) -> float:
    """Share of x beyond half a step outside those ends."""
    low, high = _ends(option)
    half = float(option.layer.arrays()["input_scale"][0]) / 2
    return float(((x < low - half) | (x > high + half)).mean())


def gate_record(choice: Choice, layer: Recurrent, now: Recurrent) -> dict[str, dict[str, float]]:
    """Decibels of each gate, of c where there is one, and of h.

    ``teacher`` reads the float model's x and h, ``free`` what the int8 model made of them; ``saturated``: how often
    an integer gate is clipped at +-8 before its activation.
    """
    before, after = choice.before_trace, choice.trace
    traces = ((before, layer), (before, now), (after, now))
    read = [(record, trace.inputs_of(layer), trace.h_before(layer)) for trace, record in traces]
    hidden, batch = layer.hidden_size, choice.batch.due(before.wires[layer.name])
    powers = np.zeros((3, len(layer.gates)))  # signal, teacher-forced noise, free-running noise
    for window, length in enumerate(batch.lengths):
        z = [gates(record, x[window, :length], h[window, :length]).reshape(length, -1, hidden) for record, x, h in read]
        for kind, difference in enumerate((z[0], z[1] - z[0], z[2] - z[0])):
            powers[kind] += np.square(difference, dtype=np.float64).sum(axis=(0, 2))
    told = {
        gate: {"teacher": ratio_db(signal, teacher), "free": ratio_db(signal, free)}
        for gate, (signal, teacher, free) in zip(layer.gates, powers.T, strict=True)
    }
    own = batch.own
    if now.output_grid is not None:
        for gate, share in zip(now.gates, _clipped_gates(choice, now), strict=True):
            told[gate]["saturated"] = float(share)
    if layer.name in before.cells:
        told["c"] = {"free": snr_db(before.cells[layer.name][own], after.cells[layer.name][own])}
    told["h"] = {"free": snr_db(before.values[layer.name][own], after.values[layer.name][own])}
    return told


def _clipped_gates(choice: Choice, now: Recurrent) -> NDArray[np.float64]:
    """Share of each gate at the ends of Q3.12: (gates,)."""
    x, h = choice.trace.inputs_of(now), choice.trace.h_before(now)
    counts, lengths = np.zeros(len(now.gates)), choice.batch.due(choice.trace.wires[now.name]).lengths
    for window, length in enumerate(lengths):
        z = before_activation(now, x[window, :length], h[window, :length]) * (1 << GATE_BITS)
        counts += ((z <= -32768) | (z >= 32767)).reshape(length, -1, now.hidden_size).sum(axis=(0, 2))
    return np.asarray(counts / (lengths.sum() * now.hidden_size))


def cell_record(choice: Choice, name: str) -> dict[str, Any]:
    """Range of the float model's cell, when it is reached, whether it still grows; how far an integer cell goes and how often it does."""
    batch = choice.batch.due(choice.trace.wires[name])
    cell = cell_range(choice.before_trace.cells[name], batch)
    starts = bins(len(cell.curve))
    now = choice.decisions[name].option.layer
    told: dict[str, Any] = {
        "max_abs": cell.max_abs,
        "window": cell.window,
        "step": cell.step,
        "at": batch.place(cell.window).at(cell.step),
        "slope_per_step": cell.slope,
        "grows": cell.grows,
        "curve": {"step": starts.tolist(), "max_abs": np.maximum.reduceat(cell.curve, starts).tolist()},
        "reach": None,
        "saturated": None,
    }
    if (steps := form(now).cell_steps) is not None:
        bits, most = steps
        told["reach"] = 2.0 ** (15 - bits)
        told["saturated"] = float((np.abs(choice.trace.cells[name][batch.own]) * (1 << bits) >= most).mean())
    return told


def won_back(choice: Choice) -> list[dict[str, Any]]:
    """For each quantised layer: what the output gains, and what it costs, if this one alone is kept in f32."""
    last = choice.model.layers[-1]
    answers = choice.before_trace.answered(last, choice.batch)
    now = snr_db(answers, choice.trace.answered(last, choice.batch))
    found = []
    before = choice.before_trace.layers.values()
    for index, layer in enumerate(before):
        if layer.name not in choice.decisions or choice.decisions[layer.name].option.scheme == "f32":
            continue
        records = [choice.decisions[r.name].option.layer if r.name in choice.decisions else r for r in before]
        costs = _bytes(layer) - _bytes(records[index])
        records[index] = layer
        db = snr_db(answers, run(records, choice.batch, choice.trace).answered(last, choice.batch))
        found.append({"name": layer.name, "output_db": db, "gain_db": min(db, MOST_DB) - now, "bytes": costs})
    return sorted(found, key=lambda item: -item["gain_db"])
