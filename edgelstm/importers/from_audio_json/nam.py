"""Neural Amp Modeler: stacks of LSTM layers with trained initial states and a linear head, each as one flat list of numbers.

For each layer W over [x, h] (4*hidden, inputs + hidden) in the order i f g o, b, h0, c0; then the head's weight (outputs, hidden) and bias.
Sources: ``lstm.cpp``, ``container.cpp`` and ``sequential.cpp`` of NeuralAmpModelerCore. Its ``Reset`` feeds half a second of silence before
the first sample; of a container it runs the last network, the largest; networks of a sequence follow each other.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import reference
from ...errors import ShapeError, UnsupportedModelError, printable
from ...layers.feedforward import Dense
from ...layers.lstm import LSTM
from ...model import Model
from ..json_parts import Part, array

#: Samples a second where a file does not say.
_RATE = 48_000.0

#: Seconds of silence before the first sample, and how little the state must move in a step to have come to rest.
_SILENCE, _AT_REST = 0.5, 1e-15

#: Highest rate that is believed: it sets how long the silence is.
_MAX_RATE = 768_000.0

#: Deepest nesting of networks.
_MAX_DEPTH = 4


def read(whole: Part, source: str) -> tuple[Model, str, list[str]]:
    """The model in a document, in the state in which its runtime begins; the chain that was taken, and notes.

    Raises
    ------
    ModelFileError, UnsupportedModelError, ShapeError
    """
    notes: list[str] = []
    stacks = [_stack(part) for part in _networks(whole, notes)]
    rates = {stack.rate for stack in stacks} - {None}
    if len(rates) > 1:
        raise UnsupportedModelError(f"its networks have the sample rates {', '.join(f'{rate:g}' for rate in rates)}; they must be one.")
    rate = rates.pop() if rates else None
    silence = len(stacks) * int(_SILENCE * (rate or _RATE))
    layers = [replace(layer, name=f"{layer.name}_{n}" if n else layer.name) for n, stack in enumerate(stacks) for layer in stack.layers]
    model = Model(tuple(_after_silence(layers, silence)), rate_hz=rate, source=source)
    chain = ", ".join(f"lstm_{n}, head_{n}" if n else "lstm, head" for n in range(len(stacks)))
    return model, chain, [*notes, f"It begins as its runtime does, after {silence} samples of silence."]


class _Stack(NamedTuple):
    """The layers of one network, and its sample rate."""

    layers: list[LSTM | Dense]
    rate: float | None


def _networks(whole: Part, notes: list[str], depth: int = 0) -> list[Part]:
    """The networks that run one behind the other."""
    architecture = whole.take("architecture", str)
    if architecture == "LSTM":
        return [whole]
    names = {"SlimmableContainer": ("submodels",), "Sequential": ("models", "layers"), "sequential": ("models", "layers")}.get(architecture)
    if names is None or depth == _MAX_DEPTH:
        raise UnsupportedModelError(
            f"its architecture is {printable(repr(architecture), 60)}; of Neural Amp Modeler's, edgelstm imports LSTM, and containers "
            "and sequences of it."
        )
    config = Part(whole.take("config", dict), "config")
    listed: list[object] = next((found for name in names if (found := config.take(name, list, None))), [])
    whole.drop("version", "metadata", "sample_rate")
    if whole.take("weights", list, []) or not listed:
        raise UnsupportedModelError(
            f"its architecture is {architecture}, and its networks are not in {' or '.join(names)}, each with weights."
        )
    config.drop("weights_version")
    config.close()
    whole.close()
    if architecture == "SlimmableContainer":
        notes.append(f"Of {len(listed)} networks the last one is taken, which the container runs.")
        listed = listed[-1:]
    parts = [Part(_inner(entry), f"network {number}") for number, entry in enumerate(listed)]
    return [one for part in parts for one in _networks(part, notes, depth + 1)]


def _inner(entry: object) -> object:
    """The network of an entry, which may stand in a ``model`` of its own."""
    return entry["model"] if isinstance(entry, dict) and "model" in entry else entry


def _stack(whole: Part) -> _Stack:
    """One network, whose architecture was taken."""
    config = Part(whole.take("config", dict), whole.at("config"))
    inputs, hidden, count = config.size("input_size"), config.size("hidden_size"), config.size("num_layers")
    outputs = config.size("out_channels", 1)
    if (channels := config.size("in_channels", inputs)) != inputs:
        raise UnsupportedModelError(
            f"config in_channels is {channels}, and input_size {inputs}; edgelstm imports files where they are one number."
        )
    config.close()
    rate = whole.take("sample_rate", float, None)
    if rate is not None and not 0 < rate <= _MAX_RATE:
        rate = None  # the trainer writes -1 where it does not know
    flat = whole.take("weights", list)
    whole.drop("version", "metadata")
    whole.close()
    return _Stack(_layers(array(flat, (len(flat),), "weights"), inputs, hidden, count, outputs), rate)


def _layers(flat: NDArray[np.float64], inputs: int, hidden: int, count: int, outputs: int) -> list[LSTM | Dense]:
    """All layers; the list is used up, or refused."""
    widths = [inputs, *[hidden] * (count - 1)]
    lengths = [length for width in widths for length in (4 * hidden * (width + hidden), 4 * hidden, hidden, hidden)]
    lengths += [outputs * hidden, outputs]
    if flat.size != sum(lengths):
        raise ShapeError(
            f"weights must hold {sum(lengths)} numbers for {count} layer(s) of {hidden} units on {inputs} input(s) and "
            f"{outputs} output(s); it holds {flat.size}."
        )
    parts = np.split(flat, np.cumsum(lengths)[:-1])
    layers: list[LSTM | Dense] = []
    for index, width in enumerate(widths):
        both, bias, h0, c0 = parts[4 * index : 4 * index + 4]
        weight = both.reshape(4 * hidden, width + hidden)
        name = "lstm" if count == 1 else f"lstm_l{index}"
        layers.append(LSTM(weight[:, :width], weight[:, width:], bias, h0, c0, name=name))
    return [*layers, Dense(parts[-2].reshape(outputs, hidden), parts[-1], name="head")]


def _after_silence(layers: list[LSTM | Dense], steps: int) -> list[LSTM | Dense]:
    """The layers with the state that `steps` samples of silence leave as their initial one; it is at rest long before, as a rule."""
    model = Model(tuple(layers))
    names = [layer.name for layer in layers if isinstance(layer, LSTM)]
    state = reference.initial_state(model)
    for _ in range(steps):
        before = [part for name in names for part in state[name]]
        reference.step(model, np.zeros(model.input_size), state)
        after = [part for name in names for part in state[name]]
        if all(np.abs(new - old).max() <= _AT_REST for new, old in zip(after, before, strict=True)):
            break
    return [replace(x, h0=state[x.name][0], c0=state[x.name][1]) if isinstance(x, LSTM) else x for x in layers]
