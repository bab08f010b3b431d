"""The fused recurrent operators in float, as layer records. What they read is followed here; their arrays are read when written.

Inputs and options: ``tensorflow/lite/kernels/unidirectional_sequence_lstm.cc``; gates stand in the order i f g o, as in edgelstm.
"""

import math
from typing import Any

import numpy as np

from ...layers.lstm import LSTM
from ...layers.lstm_int8_static import LSTMInt8Static
from ...layers.rnn import RNN
from ..from_onnx.calls import Array, Call
from ..from_onnx.loops import computed
from ..from_onnx.records import over_steps
from ..from_onnx.writer import Ref
from ..graph.frames import recurrent_rows, rows_of, started
from ..graph.tracing import Flow, Value
from . import operators as in_integers
from .file import Operator
from .hybrid import rounds_what_it_reads
from .levels import LevelScope
from .moving import DOMAIN
from .scope import Handler, Scope

#: Functions fused into a recurrent operator, by number.
_WORDS = ("linear", "relu", "clip(-1, 1)", "relu6", "tanh")


def _word(s: Scope, operator: Operator, field: int) -> str:
    number = operator.options.number(field, "b")
    if not 0 <= number < len(_WORDS):
        s.refuse(f"its function has the number {number}, which edgelstm does not import")
    return _WORDS[number]


def _clip(s: Scope, operator: Operator, field: int, name: str) -> float | None:
    clip = float(operator.options.number(field, "f"))
    if not 0 <= clip < math.inf:
        s.refuse(f"its {name} is {clip:g}")
    return clip or None


def _gates(s: Scope, operator: Operator, first: int, coupled: bool) -> Array:
    """Arrays of the four gates, one above the other; zeros for an input gate that is derived."""
    rounds = rounds_what_it_reads(operator)
    parts = [_weights(s, operator, index) if rounds else s.array(operator, index) for index in range(first + coupled, first + 4)]
    if len({part.shape for part in parts}) != 1:
        s.refuse(f"its inputs {first} to {first + 3} differ in shape: {', '.join(str(part.shape) for part in parts)}")
    return np.concatenate([np.zeros_like(parts[0]), *parts] if coupled else parts)


def _weights(s: Scope, operator: Operator, index: int) -> Array:
    """Weights of whole numbers, which are multiplied with rounded numbers, as those that they stand for."""
    found = s.known(operator.operand(index))
    return s.array(operator, index) if found is None else found


def _lstm(s: Scope, operator: Operator) -> Ref:
    """Inputs: x; weights of x (1-4) and h (5-8), peepholes (9-11), biases (12-15); projection (16, 17), states (18, 19), norms (20-23)."""
    if operator.operand(0).type == operator.outputs[0].type == "int8":
        in_levels = in_integers.lstm(operator, "lstm")
        if isinstance(s, LevelScope):
            return _node(s, operator, in_levels, (18, 19), bool(operator.options.number(3, "B")))
    if len(operator.inputs) not in (20, 24):
        s.refuse(f"it has {len(operator.inputs)} inputs, not 24")
    if operator.options.number(5, "B"):
        s.refuse("its recurrent weights are diagonal, which edgelstm does not import")
    coupled, word = not s.has(operator, 1), _word(s, operator, 0)
    given: dict[str, Any] = {"cell_clip": _clip(s, operator, 1, "cell_clip")}
    given |= {"cell_activation": word, "output_activation": word} if word != "tanh" else {}
    given |= {"coupled": "i=1-f"} if coupled else {}
    if any(s.has(operator, index) for index in (9, 10, 11)):
        rows = [s.array(operator, index) if s.has(operator, index) else None for index in (9, 10, 11)]
        if rows[1] is None or rows[2] is None or (rows[0] is None) != coupled:
            s.refuse("it has peepholes for some of its gates alone")
        given["peephole"] = np.stack([np.zeros_like(rows[1]) if rows[0] is None else rows[0], rows[1], rows[2]])
    if s.has(operator, 16):
        given |= {"weight_hr": s.array(operator, 16), "projection_clip": _clip(s, operator, 2, "proj_clip")}
        given |= {"bias_hr": s.array(operator, 17)} if s.has(operator, 17) else {}
    if any(s.has(operator, index) for index in range(20, 24)):
        given |= {"norm": "tflite", "norm_weight": _gates(s, operator, 20, coupled)}
    given |= {"fake_quantize_hidden": True} if rounds_what_it_reads(operator) else {}
    record = LSTM(*(_gates(s, operator, first, coupled) for first in (1, 5, 12)), **given)
    return _node(s, operator, record, (18, 19), bool(operator.options.number(3, "B")))


def _rnn(s: Scope, operator: Operator) -> Ref:
    """Inputs: x, weights of x and of h, bias, state."""
    weight_ih, weight_hh, bias = (s.array(operator, index) for index in (1, 2, 3))
    record = RNN(weight_ih, weight_hh, bias, activation=_word(s, operator, 1))
    return _node(s, operator, record, (4,), bool(operator.options.number(0, "B")))


def _node(s: Scope, operator: Operator, record: LSTM | LSTMInt8Static | RNN, states: tuple[int, ...], time_major: bool) -> Ref:
    """A node that reads x and, where they are no variables of its own, its states."""
    x, begins = s.ref(operator, 0), []
    if x.rank != 3:
        s.refuse(f"its input {operator.operand(0)} has not three dimensions")
    if rounds_what_it_reads(operator):
        x = s.writer.native("ROUND_ROWS", DOMAIN, [x], 3)
    for index in states:
        state = operator.operand(index)
        own = state.variable and state.data is None and state not in s.values
        begins.append(None if own else s.ref(operator, index))
    return s.writer.native("RECURRENT", DOMAIN, [x, *begins], 3, record=record, time_major=time_major)


def recurrent(call: Call) -> list[Value]:
    """A layer over the steps of the recording, from its beginning or, where it reads a reversed array, from its end."""
    record, time_major = call.attribute("record"), call.attribute("time_major")
    x = call.flow(0).ids if time_major else np.swapaxes(call.flow(0).ids, 0, 1)  # (steps, sequences, inputs)
    states = {name: call.value(index) for index, name in ((1, "h0"), (2, "c0")) if call.has(index)}
    if any(computed(call, value) for value in states.values()):
        y = started(call.tracer, record, x, [call.tracer.ids(value) for value in states.values()])
        return [Flow(y if time_major else np.swapaxes(y, 0, 1))]
    if not states and (rows := rows_of(call.tracer, x)) is not None:
        y = recurrent_rows(call.tracer, rows, record, len(rows.step))[2]
    else:
        y, _ = over_steps(call, record, x, states)
    return [Flow(y if time_major else np.swapaxes(y, 0, 1))]


#: By operator.
RECURRENT: dict[str, Handler] = {"UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm, "UNIDIRECTIONAL_SEQUENCE_RNN": _rnn}
