"""Whether calibration windows hold enough to judge a quantised model by: what is missing, in sentences.

Every figure that is measured over windows of silence is a good one. These tests ask the float model alone.
"""

import numpy as np
from numpy.typing import NDArray

from ...layers.feedforward import Normalizer
from ...layers.order import INPUT
from ...layers.recurrent import Recurrent
from ...model import Model
from ..places import channel
from ..trace import Batch, Floats, Trace, before_activation, run

#: Fewer steps than this are no sample of any situation. Steps count once: those with the same samples at and before them are one.
LEAST_STEPS, HISTORY = 300, 4

#: A channel is constant if its values lie within this share of the largest: a few steps of float32.
CONSTANT = 1e-6

#: Samples that keep every h this close (root mean square) to where their median alone would leave it are next to silence. Trained
#: networks move theirs by 0.2 to 0.7, random ones of the benchmark's sizes by 0.02 or more; over the same samples divided by 255 all stay
#: below 0.004.
LEAST_MOVE = 0.01

#: Samples are in other units than the training's if a layer's inputs are typically larger than this, and more than this share of its
#: gates then lies beyond +-4, where a sigmoid has 2 % of its range left. Standardised samples are 1 in size.
LARGE_INPUT, GATE_END, SHARE_AT_ENDS = 10.0, 4.0, 0.2

#: So far, in its scales, a channel's median lies from a normaliser's mean at most; beyond a training's range at most this share of it.
FARTHEST, BEYOND = 3.5, 0.1

#: A value this many times larger than is usual in its channel is no measurement.
OUTLIER = 1e6

#: Channels named in a sentence.
MOST_NAMED = 8


def findings(model: Model, batch: Batch, trace: Trace) -> list[str]:
    """What speaks against judging by these windows; empty where nothing does.

    Parameters
    ----------
    model : Model
        The float one.
    batch : Batch
    trace : Trace
        Of the float model over the batch.
    """
    rows = batch.xs[batch.own]
    found = outliers(model, batch)
    steps, distinct = len(rows), distinct_steps(batch)
    if distinct < LEAST_STEPS:
        held = f"{steps:,} step{'s' * (steps != 1)}" + ("" if distinct == steps else f", only {distinct:,} of them different,")
        are = "is" if held == "1 step" else "are"
        found.append(f"{held} {are} too few to judge by; give some hundred of each situation")
    found += _still(model, rows) + _elsewhere(model, rows)
    moved = movement(model, batch, trace)
    if moved is not None and moved < LEAST_MOVE:
        found.append(f"the samples hardly move h (by {moved:.1g}, and it can reach ±1); give louder ones, in the units of the training")
    return found + _saturating(model, batch, trace)


def outliers(model: Model, batch: Batch) -> list[str]:
    """A sentence on the first value that is far beyond all others of its channel, if there is one."""
    size = np.abs(batch.xs[batch.own])  # (steps, input_size)
    usual = np.ones(size.shape[1])
    for index, column in enumerate(size.T):
        if (nonzero := column[column > 0]).size > 1:
            usual[index] = np.median(np.sort(nonzero)[:-1])
    odd = batch.own[..., None] & (np.abs(batch.xs) > OUTLIER * usual)
    odd &= np.equal(model.vocabularies, 0)
    if not odd.any():
        return []
    window, step, index = (int(i) for i in np.argwhere(odd)[0])
    where = f"{batch.place(window).at(step)}, {channel(index, model.input_names)}"
    more = f" (and {odd.sum() - 1:,} more like it)" if odd.sum() > 1 else ""
    return [f"{where} is {batch.xs[window, step, index]:g}, usual there is {usual[index]:.3g}{more}: repair or remove it"]


def distinct_steps(batch: Batch) -> int:
    """How many steps differ in their sample or in one of the `HISTORY` - 1 before it."""
    own = batch.own
    _, sample = np.unique(batch.xs[own], axis=0, return_inverse=True)
    kinds = np.zeros(own.shape, np.int64)  # (windows, time); 0 stands before a window's beginning
    kinds[own] = sample.ravel() + 1
    for back in (1, 2):
        before = np.zeros_like(kinds)
        before[:, back:] = kinds[:, :-back]
        pairs = kinds * (kinds.max() + 1) + before
        kinds = np.unique(pairs, return_inverse=True)[1].reshape(kinds.shape) + 1
    return len(np.unique(kinds[own]))


def read_channels(model: Model) -> NDArray[np.bool_]:
    """Which inputs can reach the output: those whose weights are not all zero. (input_size,)"""
    used = {name: np.zeros(model.size_of(name), bool) for name in (INPUT, *(layer.name for layer in model.layers))}
    used[model.layers[-1].name][:] = True
    known = -1
    while known < (known := sum(int(part.sum()) for part in used.values())):  # loops are gone around until nothing is new
        for layer in reversed(model.layers):
            sizes = [model.size_of(name) for name in layer.needs]
            columns = layer.reads(used[layer.name], sum(sizes))
            for name, part in zip(layer.needs, np.split(columns, np.cumsum(sizes)[:-1]), strict=True):
                used[name] |= part
    return used[INPUT]


def _still(model: Model, rows: Floats) -> list[str]:
    """A sentence on channels that never change, though the network reads them."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    with np.errstate(over="ignore"):
        still = high - low <= CONSTANT * np.maximum(np.abs(low), np.abs(high))
    read = read_channels(model)
    if not (still & read).any():
        return []
    if (still | ~read).all():
        return ["no channel varies, so nothing is known of how the model answers"]
    return [f"{_named(model, still & read)} never change{'s' * int((still & read).sum() == 1)}: is the sensor stuck?"]


def _named(model: Model, chosen: NDArray[np.bool_]) -> str:
    indices = np.flatnonzero(chosen)
    names = [channel(int(index), model.input_names) for index in indices[:MOST_NAMED]]
    return ", ".join(names) + (f" and {len(indices) - MOST_NAMED} more" if len(indices) > MOST_NAMED else "")


def movement(model: Model, batch: Batch, trace: Trace) -> float | None:
    """How far the samples drive h from where a constant sample would leave it: root mean square of the layer that moves most.

    None where no layer is recurrent.
    """
    recurrent = [layer.name for layer in _recurrent(model)]
    if not recurrent:
        return None
    usual = np.quantile(batch.xs[batch.own], 0.5, axis=0, method="nearest")
    still = np.broadcast_to(usual, (1, *batch.xs.shape[1:])).astype(np.float32)
    quiet = run(model.layers, Batch(still, np.array([still.shape[1]])))
    squared = ((name, np.square(trace.values[name] - quiet.values[name])) for name in recurrent)
    return max(float(np.sqrt(moves[batch.due(trace.wires[name]).own].mean())) for name, moves in squared)


def _elsewhere(model: Model, rows: Floats) -> list[str]:
    """Sentences on channels that lie where training had none, by what the model says of it: its statistics, else a normaliser in front."""
    middle, told = np.median(rows, axis=0).astype(np.float64), model.statistics
    if told is not None:
        beyond = BEYOND * (told.high - told.low)
        spans = [(told.low - beyond, told.high + beyond)]
    else:
        scalers = [layer for layer in model.layers if isinstance(layer, Normalizer) and layer.inputs == (INPUT,)]
        spans = [(layer.mean - FARTHEST * np.abs(layer.scale), layer.mean + FARTHEST * np.abs(layer.scale)) for layer in scalers]
    found = []
    for low, high in spans:
        far = ((middle < low) | (middle > high)) & read_channels(model) & np.equal(model.vocabularies, 0)
        if far.any():
            at = int(np.argmax(far))
            had = f"{low[at]:.4g} to {high[at]:.4g}"
            found.append(
                f"{_named(model, far)} lie{'s' * int(far.sum() == 1)} where training had none: half of {channel(at, model.input_names)} is "
                f"beyond {had}; are the samples in the units of the training?"
            )
    return found


def _recurrent(model: Model) -> list[Recurrent]:
    """Recurrent layers in float32."""
    return [layer for layer in model.layers if isinstance(layer, Recurrent) and layer.numbers == "f32"]


def _saturating(model: Model, batch: Batch, trace: Trace) -> list[str]:
    """Sentences on layers that large samples drive to the ends of their gates."""
    found = []
    first = {INPUT, *(layer.name for layer in model.layers if isinstance(layer, Normalizer) and layer.inputs == (INPUT,))}
    for layer in _recurrent(model):
        if len(layer.inputs) != 1 or not first.issuperset(layer.inputs):
            continue
        x = trace.inputs_of(layer)
        size = np.sqrt(np.square(x[batch.own], dtype=np.float64).mean(axis=0))
        large = (size > LARGE_INPUT) & (layer.weight_ih != 0).any(axis=0)
        share = (np.abs(before_activation(layer, x, trace.h_before(layer))[batch.own]) > GATE_END).mean()
        if large.any() and share > SHARE_AT_ENDS:
            found.append(
                f"{_named(model, large)} drive{'s' * int(large.sum() == 1)} {share:.0%} of the gates of {layer.name} to their ends: "
                "are the samples in the units of the training?"
            )
    return found
