"""Keras' recurrent layers: LSTM, GRU, SimpleRNN, their cells, stacks of cells, cuDNN's forms, and both directions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedModelError
from ...layers.bidirectional import Bidirectional
from ...layers.recording import Reverse
from ...layers.recurrent import Recurrent
from ...layers.rnn import RNN
from .. import keras_arrays
from . import frames, states
from .build import Value
from .kinds import Call, Kind
from .settings import Spec
from .weights import Slot, numbered

Floats = NDArray[np.floating[Any]]

#: Gates of each cell.
_GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}

#: Classes of one cell, by what they compute.
_CELLS = {
    **{name: name for name in _GATES},
    **{f"{name}Cell": name for name in _GATES},
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
}


#: Classes of recurrences over maps, and the layers that join what both directions give.
_MAPS = ("ConvLSTM1D", "ConvLSTM2D")
_MERGING = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average"}


def _cell_slots(spec: Spec) -> list[Slot]:
    """Arrays of one cell."""
    return [Slot((), name) for name in ("kernel", "recurrent_kernel", *(("bias",) if spec.flag("use_bias", True) else ()))]


def _layer_slots(spec: Spec) -> list[Slot]:
    return [slot.below("cell") for slot in _cell_slots(spec)]


def _cell(call: Call, width: int, **options: Any) -> Recurrent:
    """The record of one cell, whose class and settings are the call's."""
    computes = _CELLS[call.spec.kind]
    cudnn = call.spec.kind.startswith("CuDNN")
    units, gates = call.options.count("units"), _GATES[computes]
    kernel = call.arrays.get("kernel", (width, gates * units))
    recurrent = call.arrays.get("recurrent_kernel", (units, gates * units))
    bias = call.arrays.get("bias", None) if call.options.take("use_bias", bool, True) else None
    if cudnn or (bias is not None and computes == "LSTM" and bias.shape == (8 * units,)):
        kernel, recurrent, bias = keras_arrays.from_cudnn(kernel, recurrent, bias, gates)
    cell = call.cell_activation("activation", "tanh")
    if computes == "SimpleRNN":
        return RNN(kernel.T, recurrent.T, bias, activation=cell, **options)
    gate = call.cell_activation("recurrent_activation", "sigmoid" if cudnn else "?")
    if computes == "LSTM":
        return keras_arrays.lstm(kernel, recurrent, bias, gate_activation=gate, cell_activation=cell, output_activation=cell, **options)
    after = call.options.take("reset_after", bool, None)
    after = cudnn or (bias is not None and bias.ndim == 2) if after is None else after
    return keras_arrays.gru(kernel, recurrent, bias, reset_after=after, gate_activation=gate, cell_activation=cell, **options)


def _layer(call: Call) -> Value:
    """A layer of one cell."""
    cell = replace(call, arrays=call.arrays.below("cell"))
    if len(call.inputs) > 1:
        return frames.begun(call, lambda width: _cell(cell, width, mask=_mask(call, call.inputs[0])))
    return _followed(call, lambda width, **options: [_cell(cell, width, **options)])


def _followed(call: Call, cells: Callable[..., list[Recurrent]]) -> Value:
    """A sequence through the records of a layer's cells, and what the layer gives of it."""
    x = call.x
    backwards, sequences = call.options.take("go_backwards", bool, False), call.options.take("return_sequences", bool, False)
    mask = _mask(call, x)
    if frames.has_rows(call):
        return frames.followed(call, cells(x.features[-1] or 0, reverse=backwards, mask=mask), sequences)
    if backwards and sequences and mask:
        raise call.refused("it reads a masked sequence backwards and gives it reversed, which edgelstm does not import")
    y, records = x, cells(_width(call), reverse=backwards, mask=mask)
    end = "first" if backwards else "last"
    for number, record in enumerate(records):
        inputs = (y, call.build.mask(x.mask)) if mask and x.mask else (y,)
        name = f"{call.name}.{number}" if number else call.name
        y = y.with_features(call.build.add(replace(record, **call.build.at(name, *inputs))), (record.output_size([record.input_width]),))
    ended = states.of(call.build, x, y, records[0], end) if len(records) == 1 else ()
    if not sequences:
        return replace(call.build.ended(call.name, y, end), states=ended)
    answers = call.build.add(Reverse(**call.at(y, name=f"{call.name}.reversed"))) if backwards else y.name
    return replace(y, name=answers, states=ended)


def _width(call: Call) -> int:
    if len(call.sequence.features) != 1:
        raise call.refused(f"it reads one vector a timestep; it is given a tensor of shape {call.x.shape}")
    return call.x.width


def _mask(call: Call, x: Value, zeros: bool = False) -> str | None:
    """What happens at padding, where the input has some."""
    zeros = call.options.take("zero_output_for_mask", bool, zeros)
    return None if x.mask is None and not x.counted else "zero" if zeros else "repeat"


def _rnn_slots(spec: Spec) -> list[Slot]:
    cell = spec.inner("cell")
    if cell.kind != "StackedRNNCells":
        return [slot.below("cell") for slot in _known_cell(cell)]
    inner = _stacked(cell)
    groups = numbered([c.kind for c in inner])
    return [slot.below(group).below("cells").below("cell") for group, c in zip(groups, inner, strict=True) for slot in _known_cell(c)]


def _known_cell(spec: Spec) -> list[Slot]:
    if not spec.kind.endswith("Cell") or spec.kind not in _CELLS:
        raise UnsupportedModelError(
            f"{spec.label} is a cell that edgelstm does not have; it imports {', '.join(f'{n}Cell' for n in _GATES)}."
        )
    return _cell_slots(spec)


def _stacked(cell: Spec) -> list[Spec]:
    given = cell.config.get("cells")
    return [Spec(document, cell.version, f"{cell.label} cells") for document in (given if isinstance(given, list) else [])]


def _rnn(call: Call) -> Value:
    """``RNN(cell)``: one cell, or several in a stack, each of which reads the one before in the same timestep."""
    cell = call.spec.inner("cell")
    stacked = cell.kind == "StackedRNNCells"
    specs = _stacked(cell) if stacked else [cell]
    places = (
        [call.arrays.below("cell", "cells", group) for group in numbered([c.kind for c in specs])]
        if stacked
        else [call.arrays.below("cell")]
    )
    call.options.drop("cell")

    def cells(width: int, **options: Any) -> list[Recurrent]:
        records: list[Recurrent] = []
        for spec, arrays in zip(specs, places, strict=True):
            inner = replace(call, spec=spec, options=spec.options(), arrays=arrays)
            records.append(_cell(inner, width, **options))
            inner.options.close()
            width = records[-1].hidden_size
        return records

    return _followed(call, cells)


def _directions(spec: Spec) -> tuple[Spec, Spec]:
    """The layers that read forwards and backwards; the second is a copy of the first where the file has only that."""
    forward = spec.inner("layer")
    backward = spec.inner("backward_layer") if spec.config.get("backward_layer") is not None else forward
    return _of_its_cell(forward), _of_its_cell(backward)


def _of_its_cell(spec: Spec) -> Spec:
    """``RNN(cell)`` as the layer of that cell."""
    if spec.kind != "RNN" or (cell := spec.inner("cell")).kind not in _CELLS:
        return spec
    found = cell.with_settings(**{name: value for name, value in spec.config.items() if name != "cell"})
    found.kind = _CELLS[cell.kind]
    return found


def _both_slots(spec: Spec) -> list[Slot]:
    forward, backward = _directions(spec)
    if not {forward.kind, backward.kind} <= {*_CELLS, *_MAPS}:
        known = ", ".join((*_GATES, "CuDNNLSTM", "CuDNNGRU", *_MAPS))
        raise UnsupportedModelError(f"{spec.label} holds {forward.kind}; edgelstm imports it around {known}.")
    halves = (("forward_layer", forward), ("backward_layer", backward))
    return [slot.below(name, half.trainable) for name, half in halves for slot in _layer_slots(half)]


def _both_over_maps(call: Call) -> Value:
    """A recurrence over maps from either end."""
    x, merge = call.sequence, call.options.take("merge_mode", str, None)
    call.options.drop("layer", "backward_layer")
    forward, backward = _directions(call.spec)
    sequences = forward.flag("return_sequences", False)
    if merge not in _MERGING or x.mask is not None:
        raise call.refused(f"its merge_mode is {merge}, or it is given a mask; edgelstm imports it over maps with {', '.join(_MERGING)}")
    (first,) = call.run(forward, call.arrays.below("forward_layer"), [x])
    (second,) = call.run(backward.with_settings(go_backwards=True), call.arrays.below("backward_layer"), [x])
    if sequences:
        second = replace(second, name=call.build.add(Reverse(**call.at(second, name=f"{call.name}.turned"))))
    join = Spec({"class_name": _MERGING[merge], "config": {"name": call.name}}, call.spec.version, call.spec.label)
    return call.run(join, call.arrays, [first, second])[0]


def _both(call: Call) -> Value | list[Value]:
    if _directions(call.spec)[0].kind in _MAPS:
        return _both_over_maps(call)
    x, merge = call.x, call.options.take("merge_mode", str, None)
    in_rows = frames.has_rows(call)
    call.options.drop("layer", "backward_layer")
    found, sequences = [], True
    for name, spec in zip(("forward_layer", "backward_layer"), _directions(call.spec), strict=True):
        half = replace(call, spec=spec, options=spec.options(), arrays=call.arrays.below(name, "cell"))
        sequences = half.options.take("return_sequences", bool, False)
        backwards = half.options.take("go_backwards", bool, False)
        if backwards and name == "forward_layer":
            raise half.refused("it reads backwards where the forward half of a Bidirectional should read forwards")
        found.append(_cell(half, x.features[-1] or 0 if in_rows else _width(call), mask=_mask(half, x, zeros=sequences)))
        half.options.close()
    if in_rows:
        return frames.both(call, found, merge, sequences)
    inputs = [x.name, *([call.build.mask(x.mask)] if x.mask else [])]
    name = call.build.at(call.name)["name"]
    records = Bidirectional(found[0], found[1], inputs=inputs, merge=merge or "concat", sequences=sequences, name=name)
    halves = [x.with_features(record.name, (half.hidden_size,)) for record, half in zip(records, found, strict=False)]
    ends = ("last", "first")
    directed = zip(halves, found, ends, (False, True), strict=True)
    ended = tuple(state for v, half, end, back in directed for state in states.of(call.build, x, v, replace(half, reverse=back), end))
    if merge is not None:
        y = call.build.add(*records)
        width = sum(half.hidden_size for half in found) if merge == "concat" else found[0].hidden_size
        merged = x.with_features(y, (width,)) if sequences else Value(y, (width,), False, over=x.steps)
        return replace(merged, states=ended)
    call.build.add(*records[:2])
    given = halves if sequences else [call.build.ended(v.name, v, end) for v, end in zip(halves, ends, strict=True)]
    return [replace(given[0], states=ended), given[1]]


KINDS = {
    **{name: Kind(_layer, _layer_slots) for name in _CELLS if not name.endswith("Cell")},
    "RNN": Kind(_rnn, _rnn_slots),
    "Bidirectional": Kind(_both, _both_slots),
}
