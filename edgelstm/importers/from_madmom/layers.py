"""Layers of madmom as records. Weights there are (inputs, outputs), one array a gate.

Source: ``madmom/ml/nn/layers.py`` and ``activations.py`` of madmom 0.16.1. Peepholes of the input and forget gate read the old cell,
that of the output gate the new one. The GRU is of the kind that resets after the product, and its update gate weighs the new value where
PyTorch's weighs the old one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ShapeError, UnsupportedModelError, printable
from ...layers.feedforward import Activation, Dense, Softmax
from ...layers.gru import GRU
from ...layers.lstm import LSTM
from ...layers.record import Layer
from ...layers.rnn import RNN
from ..pickles.reader import Thing
from .pickle_file import kind_of

#: Functions of ``madmom.ml.nn.activations`` as words of `Activation`.
_WORDS = {"linear": "linear", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "elu": "elu(1)"}


def dense(thing: Thing, name: str) -> list[Layer]:
    """A feed-forward layer and its function."""
    weight = numbers(thing, "weights", name)
    weight = weight.reshape(-1, 1) if weight.ndim == 1 else weight
    return [Dense(weight.T, bias(thing, name, weight.shape[-1]), name=name), *activated(thing, name)]


def activated(thing: Thing, name: str) -> list[Layer]:
    """The function of a layer, if it has one."""
    if kind_of(thing.state.get("activation_fn")) == "softmax":
        return [Softmax(name=f"{name}.softmax")]
    word = _word(thing, name)
    return [] if word == "linear" else [Activation(word, name=f"{name}.activation")]


def rnn(thing: Thing, name: str) -> RNN:
    """A simple recurrent layer."""
    weight = numbers(thing, "weights", name)
    return RNN(
        weight.T,
        numbers(thing, "recurrent_weights", name).T,
        bias(thing, name, weight.shape[-1]),
        _state(thing, "init"),
        activation=_word(thing, name),
        name=name,
    )


def lstm(thing: Thing, name: str) -> LSTM:
    """An LSTM, with peepholes if its gates have them."""
    gates = [_part(thing, part, name) for part in ("input_gate", "forget_gate", "cell", "output_gate")]
    words = tuple(_word(gate, name) for gate in gates)
    return LSTM(
        _stacked(gates, "weights", name),
        _stacked(gates, "recurrent_weights", name),
        _biases(gates, name),
        _state(thing, "init"),
        _state(thing, "cell_init"),
        peephole=_peepholes([gates[0], gates[1], gates[3]], name),
        gate_activation="sigmoid" if {words[0], words[1], words[3]} == {"sigmoid"} else (words[0], words[1], words[3]),
        cell_activation=words[2],
        output_activation=_word(thing, name),
        name=name,
    )


def gru(thing: Thing, name: str) -> GRU:
    """A GRU. Its update gate z weighs the new value: ``1 - sigmoid(x)`` is ``sigmoid(-x)``, so that the rows of z change their sign."""
    gates = [_part(thing, part, name) for part in ("reset_gate", "update_gate", "cell")]
    words = [_word(gate, name) for gate in gates]
    if words[:2] != ["sigmoid", "sigmoid"] or any(gate.state.get("peephole_weights") is not None for gate in gates):
        raise UnsupportedModelError(f"layer {name!r} has a GRU whose gates are not sigmoid or have peepholes; edgelstm has no such GRU.")
    weight_ih, weight_hh = (_stacked(gates, part, name) for part in ("weights", "recurrent_weights"))
    biases = _biases(gates, name)
    hidden = biases.size // 3
    for array in (weight_ih, weight_hh, biases):
        array[hidden : 2 * hidden] *= -1
    return GRU(weight_ih, weight_hh, biases, None, _state(thing, "init", "hid_init"), cell_activation=words[2], name=name)


#: By class: what makes the one recurrent record of a layer.
RECURRENT: dict[str, Callable[[Thing, str], Any]] = {"RecurrentLayer": rnn, "LSTMLayer": lstm, "GRULayer": gru}


def _part(thing: Thing, part: str, name: str) -> Thing:
    value = thing.state.get(part)
    if not isinstance(value, Thing):
        raise UnsupportedModelError(f"layer {name!r} has no {part}; it was pickled by another version of madmom.")
    return value


def _word(thing: Thing, name: str) -> str:
    function = kind_of(thing.state.get("activation_fn"))
    if function not in _WORDS:
        shown = printable(function or "none", 60)
        raise UnsupportedModelError(f"layer {name!r} has the activation function {shown}; edgelstm has {', '.join(_WORDS)} of madmom's.")
    return _WORDS[function]


def numbers(thing: Thing, part: str, name: str) -> NDArray[np.float32]:
    """An array of a layer.

    Raises
    ------
    UnsupportedModelError
        If it has none of that name.
    """
    value = thing.state.get(part)
    if not hasattr(value, "__array__"):
        raise UnsupportedModelError(f"layer {name!r} has no {part}; it was pickled by another version of madmom.")
    return np.asarray(value).astype(np.float32)


def bias(thing: Thing, name: str, size: int) -> NDArray[np.float32]:
    """The bias of a layer of `size` outputs, which may be one number for all."""
    found = numbers(thing, "bias", name).reshape(-1)
    return np.full(size, found[0]) if found.size == 1 else found


def _stacked(gates: list[Thing], part: str, name: str) -> NDArray[np.float32]:
    """(gates * outputs, inputs)"""
    arrays = [numbers(gate, part, name) for gate in gates]
    if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 2:
        raise ShapeError(f"layer {name!r}: {part} of its gates have the shapes {', '.join(str(a.shape) for a in arrays)}.")
    return np.concatenate([array.T for array in arrays])


def _biases(gates: list[Thing], name: str) -> NDArray[np.float32]:
    return np.concatenate([bias(gate, name, numbers(gate, "weights", name).shape[-1]) for gate in gates])


def _peepholes(gates: list[Thing], name: str) -> NDArray[np.float32] | None:
    """(3, outputs); a gate without peepholes has zeros."""
    if all(gate.state.get("peephole_weights") is None for gate in gates):
        return None
    size = numbers(gates[0], "weights", name).shape[-1]
    rows = [gate.state.get("peephole_weights") for gate in gates]
    arrays = [np.zeros(size, np.float32) if row is None else np.asarray(row).astype(np.float32).reshape(-1) for row in rows]
    if any(array.size != size for array in arrays):
        raise ShapeError(f"layer {name!r}: its gates have {size} outputs and peepholes of {', '.join(str(a.size) for a in arrays)}.")
    return np.stack(arrays)


def _state(thing: Thing, *names: str) -> NDArray[np.float32] | None:
    """The state before the first step; None where it is zero or absent."""
    value = next((thing.state[name] for name in names if thing.state.get(name) is not None), None)
    if value is None or not hasattr(value, "__array__"):
        return None
    array = np.asarray(value).astype(np.float32).reshape(-1)
    return array if array.any() else None
